//! Where files come from, and what is wrong with them.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::ConfigPlace;

/// Where configuration files come from.
pub trait Source {
    /// A file's text; what is no UTF-8 is replaced.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// A file's bytes, for one that is no text.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path).map(String::into_bytes)
    }

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// Whatever keeps it from being listed.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Whether it is a folder.
    fn is_folder(&self, path: &Path) -> bool;

    /// Whether there is a file or folder.
    fn exists(&self, path: &Path) -> bool;

    /// A variable of the environment that Apache starts in.
    fn variable(&self, name: &str) -> Option<String>;
}

/// Why Apache would not start with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Problem {
    /// Where.
    pub place: ConfigPlace,
    /// What is wrong, and what leads there where that is another file.
    pub what: String,
}

impl Problem {
    pub(super) fn new(place: &ConfigPlace, what: impl Into<String>) -> Self {
        Self { place: place.clone(), what: what.into() }
    }
}

/// A path below another one, unless it is absolute.
pub(super) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path)
}
