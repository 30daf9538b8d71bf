//! Folders that a deployment adds to `sys.path` of each interpreter.

use std::path::{Path, PathBuf};

use wsgiaudit_probes_core::protocol::PathAdditions;

/// Folders to add, in search order. All but `last` come before the environment's own folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SearchPath {
    /// The application's own folder.
    pub first: Vec<PathBuf>,
    /// mod_wsgi's `python-path`. `.pth` files in these folders are processed.
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

    /// Returns a copy with one more folder at the very end of the search order.
    pub fn with_last_folder(&self, folder: &Path) -> Self {
        let mut path = self.clone();
        path.last.push(folder.to_owned());
        path
    }

    /// Converts it to the form of the protocol.
    pub(super) fn to_folders(&self) -> PathAdditions {
        let texts = |folders: &[PathBuf]| {
            folders.iter().map(|folder| folder.to_string_lossy().into_owned()).collect()
        };
        PathAdditions {
            first: texts(&self.first),
            with_pth: texts(&self.with_pth),
            plain: texts(&self.plain),
            last: texts(&self.last),
        }
    }
}
