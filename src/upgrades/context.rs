//! What every upgrade check of an audit needs.

use std::path::{Path, PathBuf};

use crate::installer::Installer;
use crate::model::TargetPython;

/// Installer, target Python and folders for upgrade checks.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeContext<'a> {
    /// uv or pip.
    pub installer: Installer<'a>,
    /// An environment of the Python that wheels must fit.
    pub environment: &'a Path,
    /// The same Python as a target for reading modules.
    pub target: TargetPython,
    /// Its suffixes of extension modules.
    pub suffixes: &'a [String],
    /// Name of its ABI.
    pub abi: &'a str,
    /// The audit's scratch folder.
    pub scratch: &'a Path,
    /// wsgiaudit's folder in the user's cache.
    pub cache: &'a Path,
    /// Whether to use only the cache.
    pub is_offline: bool,
}

impl UpgradeContext<'_> {
    /// Path of a cache file for this distribution and this build of Python.
    pub(super) fn cache_file(&self, name: &str, file: &str) -> PathBuf {
        self.cache.join("upgrades").join(self.abi).join(name).join(file)
    }
}
