//! Chooses the environment to audit, and says what to type if there is none.

use std::path::{Path, PathBuf};

use super::locate::{LocatedEnvironment, NotAnEnvironment, locate_environment};
use super::suggestion::suggest;

/// An environment that was named, or chosen, cannot be used. The text ends with a hint on its own line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnusableEnvironment(String);

/// Chooses the environment to audit: the named one, else the active one, else `./.venv`. Returns `None` if nothing is
/// named and there is no such folder. `option` is what stands before an environment's path on the command line, for
/// hints.
///
/// # Errors
/// When the chosen path is not an environment.
pub fn choose_environment(
    named: Option<&Path>,
    option: &str,
) -> Result<Option<PathBuf>, UnusableEnvironment> {
    let active = || std::env::var_os("VIRTUAL_ENV").filter(|active| !active.is_empty()).map(PathBuf::from);
    let default = || Path::new(".venv").is_dir().then(|| PathBuf::from(".venv"));
    let (path, source) = match named {
        Some(named) => (named.to_owned(), ""),
        None => match (active(), default()) {
            (Some(active), _) => (active, " (the value of VIRTUAL_ENV)"),
            (None, Some(default)) => (default, ""),
            (None, None) => return Ok(None),
        },
    };
    match check_environment(&path, source, option) {
        Ok(_) => Ok(Some(path)),
        Err(error) => Err(error),
    }
}

/// Locates an environment. `source` says where its path comes from, in parentheses.
///
/// # Errors
/// When the path is not an environment, with a hint on what to type.
pub fn check_environment(
    path: &Path,
    source: &str,
    option: &str,
) -> Result<LocatedEnvironment, UnusableEnvironment> {
    locate_environment(path).map_err(|error| {
        let hint = match &error {
            NotAnEnvironment::Missing(_) | NotAnEnvironment::Unreadable(..) if !source.is_empty() => {
                Some(format!("`unset VIRTUAL_ENV`, or name another environment: {option} path/to/venv"))
            }
            NotAnEnvironment::Missing(_) | NotAnEnvironment::Unreadable(..) => None,
            NotAnEnvironment::Other(path) => suggest(path, option),
        };
        let hint = hint.unwrap_or_else(|| {
            format!("name a virtualenv, a Python prefix, or a python: {option} path/to/venv")
        });
        UnusableEnvironment(format!("{error}{source}\nhint: {hint}"))
    })
}

/// Returns a hint if nothing is named and the current folder has no `.venv`.
pub fn suggest_environment(option: &str) -> String {
    suggest(Path::new("."), option).unwrap_or_else(|| format!("name one: {option} path/to/venv"))
}
