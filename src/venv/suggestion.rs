//! Suggests what to name, or which command to run, for a path that is no environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::shell_word::quote_shell_word;

/// Usual names of virtualenvs, in the order in which they are suggested.
const USUAL_NAMES: [&str; 4] = [".venv", "venv", "env", ".env"];

/// Files that list the requirements of a project.
const REQUIREMENTS: [&str; 4] = ["requirements.txt", "pyproject.toml", "setup.py", "Pipfile"];

/// Returns a hint for a path that is no environment. `option` is what stands before the path of an environment on
/// the command line: `wsgiaudit`, or an option.
pub(super) fn suggest(path: &Path, option: &str) -> Option<String> {
    let name_it = |environment: &Path| format!("{option} {}", quote(environment));
    if path.is_dir() {
        if let Some(inside) = find_virtualenv_in(path) {
            return Some(format!("it holds a virtualenv: {}", name_it(&inside)));
        }
        if path.join("Scripts/python.exe").exists() {
            return Some("it was made on Windows: audit it where its Python runs".to_owned());
        }
        if let Some(around) = find_environment_around(path) {
            return Some(format!("it is a part of an environment: {}", name_it(&around)));
        }
        let list = REQUIREMENTS.iter().map(|name| path.join(name)).find(|file| file.is_file());
        return list.map(|file| suggest_installation(&file, option));
    }
    if let Some(around) = find_environment_around(path) {
        return Some(format!("it is a part of an environment: {}", name_it(&around)));
    }
    suggest_for_file(path, option)
}

/// Returns a hint for a file that is no Python.
fn suggest_for_file(file: &Path, option: &str) -> Option<String> {
    let suffix = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    let name = file.file_name()?.to_string_lossy();
    let quoted = quote(file);
    match suffix {
        "whl" | "so" | "pyd" => Some(format!("for a single file: wsgiaudit module {quoted}")),
        "json" => Some(format!("for a stored report: wsgiaudit render {quoted}")),
        "py" | "wsgi" => {
            Some(format!("for an application: wsgiaudit path/to/venv --app {quoted}:application"))
        }
        "conf" => {
            Some(format!("for Apache's configuration: wsgiaudit path/to/venv --apache-config {quoted}"))
        }
        "txt" | "in" | "lock" | "toml" if name.contains("require") || suffix != "txt" => {
            Some(suggest_installation(file, option))
        }
        _ if REQUIREMENTS.contains(&name.as_ref()) => Some(suggest_installation(file, option)),
        _ => None,
    }
}

/// Says how to make an environment from a list of requirements.
fn suggest_installation(list: &Path, option: &str) -> String {
    let is_list = list.extension().is_some_and(|suffix| suffix == "txt" || suffix == "in");
    let project = list.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let what = if is_list { format!("-r {}", quote(list)) } else { quote(project) };
    format!(
        "requirements must be installed to be audited: python3 -m venv .venv && .venv/bin/pip install {what} && \
         {option} .venv"
    )
}

/// Finds a virtualenv directly in a folder.
fn find_virtualenv_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.join("pyvenv.cfg").is_file()).collect();
    let rank = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str);
        (USUAL_NAMES.iter().position(|usual| Some(*usual) == name).unwrap_or(USUAL_NAMES.len()), path.clone())
    };
    found.sort_by_key(rank);
    found.into_iter().next()
}

/// Finds the environment that a path lies in: the virtualenv around it, or the prefix of a `bin`, `lib/python3.X`,
/// `site-packages` or `dist-packages` folder.
fn find_environment_around(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let is_installed = |name: &OsStr| {
        let name = name.to_string_lossy();
        ["bin", "site-packages", "dist-packages"].contains(&name.as_ref()) || name.starts_with("python3")
    };
    let is_part = absolute.components().any(|part| is_installed(part.as_os_str()));
    let has_python = |folder: &&Path| super::locate::find_python(&folder.join("bin")).is_some();
    let mut around = absolute.ancestors().skip(1).filter(|folder| folder.parent().is_some());
    let found = around.find(|folder| folder.join("pyvenv.cfg").is_file() || (is_part && has_python(folder)));
    found.map(Path::to_owned)
}

fn quote(path: &Path) -> String {
    quote_shell_word(&path.display().to_string())
}
