//! A configuration source with some files replaced, to analyze a change before it is made.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::apache::ConfigurationSource;

/// A source with the text of some files replaced.
pub(super) struct OverlaidSource<'a> {
    pub(super) base: &'a dyn ConfigurationSource,
    /// The new texts by path.
    pub(super) texts: &'a BTreeMap<PathBuf, String>,
}

impl ConfigurationSource for OverlaidSource<'_> {
    fn read_text(&self, path: &Path) -> io::Result<String> {
        self.texts.get(path).map_or_else(|| self.base.read_text(path), |text| Ok(text.clone()))
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.texts.get(path).map_or_else(|| self.base.read_bytes(path), |text| Ok(text.clone().into_bytes()))
    }

    fn list_folder(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.base.list_folder(folder)
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.base.is_folder(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.base.exists(path)
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        self.base.environment_variable(name)
    }
}
