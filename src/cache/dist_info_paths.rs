//! Paths in `.dist-info` folders, named without the version so that they stay the same after an upgrade.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// `.dist-info` folders by their path without the version.
#[derive(Debug)]
pub(super) struct DistInfoPaths {
    infos: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl DistInfoPaths {
    /// Finds the `.dist-info` folders in these folders.
    pub(super) fn new(folders: &[PathBuf]) -> Self {
        let mut infos: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
            let path = entry.path();
            if let Some(name) = strip_version(&entry.file_name()) {
                infos.entry(path.with_file_name(name)).or_default().insert(path);
            }
        }
        Self { infos }
    }

    /// For a path without the version: the `.dist-info` folders that match it, and the path inside them.
    pub(super) fn find_folders(&self, name: &Path) -> Option<(&BTreeSet<PathBuf>, PathBuf)> {
        let (info, infos) = name.ancestors().find_map(|path| self.infos.get_key_value(path))?;
        Some((infos, name.strip_prefix(info).ok()?.to_owned()))
    }
}

/// Removes the version from a path in a `.dist-info` folder of these folders; `None` for other paths.
pub(super) fn version_free_path(path: &Path, folders: &[PathBuf]) -> Option<PathBuf> {
    let is_info = |path: &&Path| {
        path.file_name().and_then(strip_version).is_some()
            && path.parent().is_some_and(|parent| folders.iter().any(|folder| folder == parent))
    };
    let info = path.ancestors().find(is_info)?;
    Some(info.with_file_name(strip_version(info.file_name()?)?).join(path.strip_prefix(info).ok()?))
}

/// `numpy.dist-info` for `numpy-2.3.5.dist-info` (binary distribution format); `None` for other folders.
pub(super) fn strip_version(name: &OsStr) -> Option<String> {
    let stem = name.to_str()?.strip_suffix(".dist-info")?;
    Some(format!("{}.dist-info", stem.split('-').next().unwrap_or_default()))
}
