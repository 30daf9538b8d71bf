//! Renders options and an include file for mod_wsgi-express (6.1.1, `express/options.py`). Pure functions.

use super::apache_configuration::own_gil_group;
use super::apache_syntax::render_interpreter_block;
use super::application_mounts::{
    ApplicationMount, GeneratedConfiguration, callable_name, check_callable, group_name, passes_in_mode,
    render_header, resolve_mounts, thread_pool_directive,
};
use super::copies_steps::render_steps_for_scripts;
use super::own_gil_modes::{OwnGilModes, explain_verdict, find_objection};
use super::process_options::module_folder;
use crate::model::Mode;
use crate::render::escape::escape_and_truncate;
use crate::report::Document;
use crate::shell_word::quote_shell_word;

/// Renders the file that mod_wsgi-express includes, with its command as a comment.
///
/// # Errors
/// A message if the application is not in the report, mod_wsgi cannot serve its callable, the report has no trials in an
/// allowed mode, or there is not exactly one application, which is what mod_wsgi-express serves.
pub fn render_express_options(
    report: &Document,
    mounts: &[ApplicationMount],
    allowed: OwnGilModes,
) -> Result<GeneratedConfiguration, String> {
    allowed.check_trials(report)?;
    let parts = resolve_mounts(report, mounts)?;
    let [(mount, application)] = parts[..] else {
        return Err(format!(
            "mod_wsgi-express serves exactly one application, but {} are selected\nhint: name one with --app",
            parts.len()
        ));
    };
    check_callable(application)?;
    let (why, objection) = (explain_verdict(report, application, allowed), find_objection(report, allowed));
    let mode = allowed.choose_mode(report, application).filter(|_| objection.is_none());
    if mode.is_none() && !passes_in_mode(report, application, Mode::Main) {
        return Ok(GeneratedConfiguration::Nothing(objection.unwrap_or_else(|| format!("{why}\n"))));
    }
    let group = group_name(application);
    let mut command = format!("mod_wsgi-express start-server {}", quote_on_one_line(&application.file));
    let mut add =
        |name: &str, value: &str| command.push_str(&format!(" --{name} {}", quote_on_one_line(value)));
    if let Some(mode) = mode {
        add("process-group", own_gil_group(mode));
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
    let Some(mode) = mode else {
        let objection: String =
            objection.iter().flat_map(|text| text.lines()).map(|line| format!("# {line}\n")).collect();
        return Ok(GeneratedConfiguration::Fallback(format!(
            "{}# It does not support {}:\n# {why}\n{objection}\
             # This command uses the main interpreter, as mod_wsgi-express does by default (%{{GLOBAL}}):\n\
             # {command}\n",
            render_header(report),
            allowed.describe_refusal()
        )));
    };
    add("include-file", "own-gil.conf");
    let copies = match mode == Mode::OwnGilCopies {
        true => render_steps_for_scripts(report, &[&application.file], 1),
        false => String::new(),
    };
    let pool = thread_pool_directive(std::iter::once(application));
    Ok(GeneratedConfiguration::Lines(format!(
        "{}# {why}\n{copies}# Save this as own-gil.conf, and run with the environment's own mod_wsgi-express:\n\
         # {command}\n\
         # Without --application-group it uses %{{GLOBAL}}: the main interpreter, which uses the process's GIL.\n\
         {pool}{}",
        render_header(report),
        render_interpreter_block(own_gil_group(mode), &group, true)
    )))
}

/// Quotes a word for a POSIX shell, on one line.
fn quote_on_one_line(text: &str) -> String {
    quote_shell_word(&escape_and_truncate(text, 4096))
}
