//! Renders, as comments of Apache's configuration, how to make and use private copies. Pure functions.

use std::path::Path;

use super::process_options::audited_environment;
use crate::render::escape::escape_and_truncate;
use crate::report::Document;
use crate::shell_word::quote_shell_word;

/// Limit of characters of a path; Linux allows 4096 bytes.
const PATH_LENGTH: usize = 4096;

/// Renders the steps for scripts whose applications use private copies; empty if there are none. `interpreters` is the
/// largest number of them in one process.
pub(super) fn render_steps_for_scripts(report: &Document, scripts: &[&str], interpreters: usize) -> String {
    let Some(first) = scripts.first() else { return String::new() };
    let mut scripts = scripts.to_vec();
    scripts.sort_unstable();
    scripts.dedup();
    let folder = Path::new(first).parent().unwrap_or(Path::new("/"));
    let lines: String = scripts.iter().map(|file| format!("#     {}\n", on_one_line(file))).collect();
    format!(
        "# These scripts use private copies, which CPython does not promise to work:\n{lines}{}",
        render_steps(report, folder, interpreters)
    )
}

/// Renders the steps for a script that is still to be written.
pub(super) fn render_steps_for_new_script(report: &Document) -> String {
    let steps = render_steps(report, Path::new("/srv/app"), 4);
    format!(
        "# Its script uses private copies, which CPython does not promise to work. For a script in /srv/app:\n{steps}"
    )
}

/// Renders the steps for scripts in a folder.
fn render_steps(report: &Document, folder: &Path, interpreters: usize) -> String {
    let output = folder.join("wsgiaudit-copies");
    let quote = |path: &Path| on_one_line(&quote_shell_word(&path.to_string_lossy()));
    let environment = audited_environment(report).unwrap_or("ENVIRONMENT");
    // A JSON string is a string of Python, too.
    let folder_of_copies = serde_json::Value::from(output.to_string_lossy()).to_string();
    format!(
        "# 1. Save the report beside each script as wsgiaudit.json.\n\
         # 2. Make the copies, again after each change of the environment, and restart Apache:\n\
         #     wsgiaudit copies {} --interpreters {interpreters} --report {} --output {}\n\
         # 3. Begin each script with:\n\
         #     import wsgiaudit_guard\n\
         #     wsgiaudit_guard.use_copies({})\n",
        quote(Path::new(environment)),
        quote(&folder.join("wsgiaudit.json")),
        quote(&output),
        on_one_line(&folder_of_copies),
    )
}

fn on_one_line(text: &str) -> String {
    escape_and_truncate(text, PATH_LENGTH)
}
