//! Renders options and an include file for mod_wsgi-express (6.1.1, `express/options.py`). Pure functions.

use super::apache_configuration::OWN_GIL_GROUP;
use super::apache_syntax::render_interpreter_block;
use super::application_mounts::{
    ApplicationMount, GeneratedConfiguration, callable_name, can_have_own_gil, check_callable,
    explain_verdict, find_objection, group_name, passes_in_mode, render_header, resolve_mounts,
    thread_pool_directive,
};
use super::process_options::module_folder;
use crate::model::Mode;
use crate::render::escape::escape_and_truncate;
use crate::report::Document;
use crate::shell_word::quote_shell_word;

/// Renders the file that mod_wsgi-express includes, with its command as a comment.
///
/// # Errors
/// A message if the application is not in the report, mod_wsgi cannot serve its callable, or there is not
/// exactly one application, which is what mod_wsgi-express serves.
pub fn render_express_options(
    report: &Document,
    mounts: &[ApplicationMount],
) -> Result<GeneratedConfiguration, String> {
    let parts = resolve_mounts(report, mounts)?;
    let [(mount, application)] = parts[..] else {
        return Err(format!(
            "mod_wsgi-express serves exactly one application, but {} are selected\nhint: name one with --app",
            parts.len()
        ));
    };
    check_callable(application)?;
    let (why, objection) = (explain_verdict(report, application), find_objection(report));
    let is_fit = objection.is_none() && can_have_own_gil(report, application);
    if !is_fit && !passes_in_mode(report, application, Mode::Main) {
        return Ok(GeneratedConfiguration::Nothing(objection.unwrap_or_else(|| format!("{why}\n"))));
    }
    let group = group_name(application);
    let mut command = format!("mod_wsgi-express start-server {}", quote_on_one_line(&application.file));
    let mut add =
        |name: &str, value: &str| command.push_str(&format!(" --{name} {}", quote_on_one_line(value)));
    if is_fit {
        add("process-group", OWN_GIL_GROUP);
        add("application-group", &group);
    }
    if let Some(folder) = module_folder(report, application) {
        add("python-path", &folder);
    }
    if mount.prefix != "/" {
        add("mount-point", &mount.prefix);
    }
    if callable_name(application) != "application" {
        add("callable-object", callable_name(application));
    }
    if !is_fit {
        let objection: String =
            objection.iter().flat_map(|text| text.lines()).map(|line| format!("# {line}\n")).collect();
        return Ok(GeneratedConfiguration::Fallback(format!(
            "{}# It does not support WSGIPerInterpreterGIL On:\n# {why}\n{objection}\
             # This command uses the main interpreter, as mod_wsgi-express does by default (%{{GLOBAL}}):\n\
             # {command}\n",
            render_header(report)
        )));
    }
    add("include-file", "own-gil.conf");
    let pool = thread_pool_directive(std::iter::once(application));
    Ok(GeneratedConfiguration::Lines(format!(
        "{}# {why}\n# Save this as own-gil.conf, and run with the environment's own mod_wsgi-express:\n\
         # {command}\n\
         # Without --application-group it uses %{{GLOBAL}}: the main interpreter, which uses the process's GIL.\n\
         {pool}{}",
        render_header(report),
        render_interpreter_block(OWN_GIL_GROUP, &group, true)
    )))
}

/// Quotes a word for a POSIX shell, on one line.
fn quote_on_one_line(text: &str) -> String {
    quote_shell_word(&escape_and_truncate(text, 4096))
}
