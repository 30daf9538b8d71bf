//! Renders options and an include file for mod_wsgi-express (6.1.1, `express/options.py`). Pure functions.

use super::apache_configuration::OWN_GIL_GROUP;
use super::apache_syntax::render_interpreter_block;
use super::application_mounts::{
    ApplicationMount, GeneratedConfiguration, callable_name, can_have_own_gil, check_callable,
    explain_verdict, find_objection, group_name, render_header, resolve_mounts, thread_pool_directive,
};
use super::process_options::module_folder;
use crate::report::Document;

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
    if let Some(objection) = find_objection(report) {
        return Ok(GeneratedConfiguration::Nothing(objection));
    }
    let why = explain_verdict(report, application);
    if !can_have_own_gil(report, application) {
        return Ok(GeneratedConfiguration::Nothing(format!("{why}\n")));
    }
    let group = group_name(application);
    let mut command = format!("mod_wsgi-express start-server {}", quote_shell_word(&application.file));
    let mut add =
        |name: &str, value: &str| command.push_str(&format!(" --{name} {}", quote_shell_word(value)));
    add("process-group", OWN_GIL_GROUP);
    add("application-group", &group);
    if let Some(folder) = module_folder(report, application) {
        add("python-path", &folder);
    }
    if mount.prefix != "/" {
        add("mount-point", &mount.prefix);
    }
    if callable_name(application) != "application" {
        add("callable-object", callable_name(application));
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
fn quote_shell_word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+=,".contains(letter);
    let text = crate::render::escape::escape_and_truncate(text, 4096);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_the_shell_is_one_word() {
        assert_eq!(quote_shell_word("/srv/a-b.wsgi"), "/srv/a-b.wsgi");
        assert_eq!(quote_shell_word("/srv/it's $HOME"), r"'/srv/it'\''s $HOME'");
        assert_eq!(quote_shell_word(""), "''");
    }
}
