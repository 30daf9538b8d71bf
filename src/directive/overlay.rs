//! A configuration's files, some of them with another text: what a change would come to is asked of the reader that reads the
//! present one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::apache::Source;

/// Another source, with the text of some files replaced.
pub(super) struct Overlay<'a> {
    pub(super) base: &'a dyn Source,
    /// The new texts.
    pub(super) texts: &'a BTreeMap<PathBuf, String>,
}

impl Source for Overlay<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.texts.get(path).map_or_else(|| self.base.read(path), |text| Ok(text.clone()))
    }

    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.texts.get(path).map_or_else(|| self.base.bytes(path), |text| Ok(text.clone().into_bytes()))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.base.list(folder)
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.base.is_folder(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.base.exists(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.base.variable(name)
    }
}
