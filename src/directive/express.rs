//! Options and a file to include for mod_wsgi-express (6.1.1, `express/options.py`). Pure.

use super::applications::{
    Directive, Mount, callable, check_callable, for_thread_pools, group, head, is_fit, objection, parts, why,
};
use super::blocks::OWN_GIL;
use super::process::module_folder;
use super::words::interpreter_block;
use crate::report::Document;

/// The file that mod_wsgi-express includes, with its command as a comment.
///
/// # Errors
/// In words, where the application is not in the report, mod_wsgi cannot serve it as it is named, or there is not exactly one:
/// mod_wsgi-express serves one.
pub fn express(report: &Document, mounts: &[Mount]) -> Result<Directive, String> {
    let parts = parts(report, mounts)?;
    let [(mount, application)] = parts[..] else {
        return Err(format!(
            "mod_wsgi-express serves one application, and this is about {}\nhint: name one with --app",
            parts.len()
        ));
    };
    check_callable(application)?;
    if let Some(objection) = objection(report) {
        return Ok(Directive::Nothing(objection));
    }
    let why = why(report, application);
    if !is_fit(report, application) {
        return Ok(Directive::Nothing(format!("{why}\n")));
    }
    let group = group(application);
    let mut command = format!("mod_wsgi-express start-server {}", shell_word(&application.file));
    let mut add = |name: &str, value: &str| command.push_str(&format!(" --{name} {}", shell_word(value)));
    add("process-group", OWN_GIL);
    add("application-group", &group);
    if let Some(folder) = module_folder(report, application) {
        add("python-path", &folder);
    }
    if mount.prefix != "/" {
        add("mount-point", &mount.prefix);
    }
    if callable(application) != "application" {
        add("callable-object", callable(application));
    }
    add("include-file", "own-gil.conf");
    let pool = for_thread_pools(std::iter::once(application));
    Ok(Directive::Lines(format!(
        "{}# {why}\n# Save this as own-gil.conf, and run with the environment's own mod_wsgi-express:\n# {command}\n\
         # Without --application-group it serves %{{GLOBAL}}: the main interpreter, which keeps the process's GIL.\n{pool}{}",
        head(report),
        interpreter_block(OWN_GIL, &group, true)
    )))
}

/// A word for a POSIX shell, on one line.
fn shell_word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+=,".contains(letter);
    let text = crate::render::escape::escape_within(text, 4096);
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
        assert_eq!(shell_word("/srv/a-b.wsgi"), "/srv/a-b.wsgi");
        assert_eq!(shell_word("/srv/it's $HOME"), r"'/srv/it'\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }
}
