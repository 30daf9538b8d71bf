//! What the user named: a virtualenv, a Python prefix, or a python.

use std::path::{Path, PathBuf};

/// An environment, before anything in it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its folder (for an executable: the folder above its `bin`).
    pub root: PathBuf,
    /// Its python: unresolved, since a virtualenv's is a link that must be run by that name.
    pub python: Result<PathBuf, String>,
}

/// The path names no environment.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEnvironment {
    /// Nothing is there.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It cannot be looked at.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// A folder with neither a python nor `site-packages`, or a file that is not executable.
    #[error("{} is neither a virtualenv, nor a Python prefix, nor a python", .0.display())]
    Other(PathBuf),
}

/// The environment that is meant: the one named, else the active one, else `./.venv` where there is one.
pub fn meant(named: Option<&Path>) -> Option<PathBuf> {
    let active = || std::env::var_os("VIRTUAL_ENV").filter(|active| !active.is_empty()).map(PathBuf::from);
    let default = || Path::new(".venv").is_dir().then(|| PathBuf::from(".venv"));
    named.map(Path::to_owned).or_else(active).or_else(default)
}

/// Finds the python of an environment.
///
/// # Errors
/// When the path is no environment at all. One whose python is missing is still one: its files can be read.
pub fn locate(path: &Path) -> Result<Located, NotAnEnvironment> {
    let metadata = path.metadata().map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            NotAnEnvironment::Missing(path.to_owned())
        } else {
            NotAnEnvironment::Unreadable(path.to_owned(), error)
        }
    })?;
    if metadata.is_file() {
        return executable(path);
    }
    let entries =
        std::fs::read_dir(path).map_err(|error| NotAnEnvironment::Unreadable(path.to_owned(), error))?;
    drop(entries);
    let python = python_in(&path.join("bin"));
    let is_environment = path.join("pyvenv.cfg").is_file() || !site_packages(path).is_empty();
    match python {
        Some(python) => Ok(Located { root: path.to_owned(), python: Ok(python) }),
        None if is_environment => Ok(Located { root: path.to_owned(), python: Err(missing(path)) }),
        None => Err(NotAnEnvironment::Other(path.to_owned())),
    }
}

/// The `site-packages` of a prefix, without asking its python.
pub fn site_packages(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("Lib/site-packages")];
    for lib in ["lib", "lib64"] {
        let versions = std::fs::read_dir(root.join(lib)).into_iter().flatten().flatten();
        found.extend(versions.map(|version| version.path().join("site-packages")));
    }
    found.retain(|folder| folder.is_dir());
    let mut real: Vec<_> = found.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    real.sort();
    real.dedup();
    real
}

fn executable(path: &Path) -> Result<Located, NotAnEnvironment> {
    let absolute =
        std::path::absolute(path).map_err(|error| NotAnEnvironment::Unreadable(path.to_owned(), error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let root = absolute.parent().and_then(Path::parent);
    match root {
        Some(root) if is_executable(path) && name.contains("python") => {
            Ok(Located { root: root.to_owned(), python: Ok(absolute) })
        }
        _ => Err(NotAnEnvironment::Other(path.to_owned())),
    }
}

/// `python`, else `python3`, else the newest `python3.X`.
fn python_in(bin: &Path) -> Option<PathBuf> {
    let versioned = std::fs::read_dir(bin).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let minor = name.strip_prefix("python3.")?.trim_end_matches('t').parse::<u8>().ok()?;
        Some((minor, entry.path()))
    });
    let newest = versioned.max().map(|(_, path)| path);
    [bin.join("python"), bin.join("python3")]
        .into_iter()
        .chain(newest)
        .find(|python| is_executable(python))
        .and_then(|python| std::path::absolute(python).ok())
}

fn missing(root: &Path) -> String {
    let python = root.join("bin/python");
    match std::fs::read_link(&python) {
        Ok(target) => format!("its python is a link to {}, which is not there", target.display()),
        Err(_) => format!("it has no {}", python.display()),
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
