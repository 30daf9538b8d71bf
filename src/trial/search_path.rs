//! Folders that a deployment adds to `sys.path` of each interpreter.

use std::path::{Path, PathBuf};

use super::protocol::Folders;

/// Folders to add, in the order in which they are searched: all but the last ones before what the environment has.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SearchPath {
    /// The application's own folder.
    pub first: Vec<PathBuf>,
    /// mod_wsgi's `python-path`: what the `.pth` files there add comes along.
    pub with_pth: Vec<PathBuf>,
    /// `PYTHONPATH`.
    pub plain: Vec<PathBuf>,
    /// Searched after everything else.
    pub last: Vec<PathBuf>,
}

impl SearchPath {
    /// Adds nothing.
    pub const NONE: Self =
        Self { first: Vec::new(), with_pth: Vec::new(), plain: Vec::new(), last: Vec::new() };

    /// With one more folder that is searched after everything else.
    pub fn and_last(&self, folder: &Path) -> Self {
        let mut path = self.clone();
        path.last.push(folder.to_owned());
        path
    }

    /// As the probes take it.
    pub(super) fn folders(&self) -> Folders {
        let texts = |folders: &[PathBuf]| {
            folders.iter().map(|folder| folder.to_string_lossy().into_owned()).collect()
        };
        Folders {
            first: texts(&self.first),
            with_pth: texts(&self.with_pth),
            plain: texts(&self.plain),
            last: texts(&self.last),
        }
    }
}
