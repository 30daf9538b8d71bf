//! Access to configuration files, and the error type.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::ConfigLocation;

/// Access to the files and the environment of a configuration.
pub trait ConfigurationSource {
    /// Reads a file as text; invalid UTF-8 is replaced.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read_text(&self, path: &Path) -> io::Result<String>;

    /// Reads a file as bytes.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_text(path).map(String::into_bytes)
    }

    /// Lists the names in a folder, unordered.
    ///
    /// # Errors
    /// The folder cannot be listed.
    fn list_folder(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Whether the path is a folder.
    fn is_folder(&self, path: &Path) -> bool;

    /// Whether the path exists.
    fn exists(&self, path: &Path) -> bool;

    /// Returns a variable of the environment that Apache starts in.
    fn environment_variable(&self, name: &str) -> Option<String>;
}

/// An error for which Apache would not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigurationError {
    /// The line.
    pub place: ConfigLocation,
    /// What is wrong.
    pub what: String,
}

impl ConfigurationError {
    pub(super) fn new(place: &ConfigLocation, what: impl Into<String>) -> Self {
        Self { place: place.clone(), what: what.into() }
    }
}

/// Resolves a path against a root, unless it is absolute.
pub(super) fn resolve_path(root: &Path, path: &str) -> PathBuf {
    root.join(path)
}
