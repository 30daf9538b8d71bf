//! Locates an environment: a virtualenv, a Python prefix, or a Python executable.

use std::path::{Path, PathBuf};

/// An environment on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedEnvironment {
    /// Its folder. For an executable, the parent of its `bin` folder.
    pub root: PathBuf,
    /// Its Python, with symbolic links unresolved: a virtualenv's Python must be run by its own path. The
    /// error says why there is none.
    pub python: Result<PathBuf, String>,
}

/// The path is not an environment.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEnvironment {
    /// The path does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The path cannot be read.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// A folder without a Python and `site-packages`, or a file that is not an executable Python.
    #[error("{} is neither a virtualenv, nor a Python prefix, nor a python", .0.display())]
    Other(PathBuf),
}

/// Locates an environment and its Python.
///
/// # Errors
/// When the path is not an environment. An environment without its Python is not an error, since its files
/// can still be read.
pub fn locate_environment(path: &Path) -> Result<LocatedEnvironment, NotAnEnvironment> {
    let metadata = path.metadata().map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            NotAnEnvironment::Missing(path.to_owned())
        } else {
            NotAnEnvironment::Unreadable(path.to_owned(), error)
        }
    })?;
    if metadata.is_file() {
        return locate_executable(path);
    }
    let entries =
        std::fs::read_dir(path).map_err(|error| NotAnEnvironment::Unreadable(path.to_owned(), error))?;
    drop(entries);
    let python = find_python(&path.join("bin"));
    let is_environment = path.join("pyvenv.cfg").is_file() || !find_site_packages(path).is_empty();
    match python {
        Some(python) => Ok(LocatedEnvironment { root: path.to_owned(), python: Ok(python) }),
        None if is_environment => {
            Ok(LocatedEnvironment { root: path.to_owned(), python: Err(describe_missing_python(path)) })
        }
        None => Err(NotAnEnvironment::Other(path.to_owned())),
    }
}

/// Finds the `site-packages` folders of a prefix without running its Python.
pub fn find_site_packages(root: &Path) -> Vec<PathBuf> {
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

fn locate_executable(path: &Path) -> Result<LocatedEnvironment, NotAnEnvironment> {
    let absolute =
        std::path::absolute(path).map_err(|error| NotAnEnvironment::Unreadable(path.to_owned(), error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let root = absolute.parent().and_then(Path::parent);
    match root {
        Some(root) if is_executable(path) && name.contains("python") => {
            Ok(LocatedEnvironment { root: root.to_owned(), python: Ok(absolute) })
        }
        _ => Err(NotAnEnvironment::Other(path.to_owned())),
    }
}

/// Finds `python`, else `python3`, else the newest `python3.X`.
pub(super) fn find_python(bin: &Path) -> Option<PathBuf> {
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

/// Why an environment has no Python.
fn describe_missing_python(root: &Path) -> String {
    let python = root.join("bin/python");
    match std::fs::read_link(&python) {
        Ok(target) => format!("its python is a link to {}, which does not exist", target.display()),
        Err(_) => format!("it has no {}", python.display()),
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
