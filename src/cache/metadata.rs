//! Distributions' metadata, under names that an upgrade leaves as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Where each distribution's metadata lie, by their folder's path without the version.
#[derive(Debug)]
pub(super) struct Metadata {
    infos: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Metadata {
    /// Those in these folders.
    pub(super) fn new(folders: &[PathBuf]) -> Self {
        let mut infos: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
            let path = entry.path();
            if let Some(name) = without_version(&entry.file_name()) {
                infos.entry(path.with_file_name(name)).or_default().insert(path);
            }
        }
        Self { infos }
    }

    /// The folders that it may lie in which has this name, and its path in them.
    pub(super) fn of(&self, name: &Path) -> Option<(&BTreeSet<PathBuf>, PathBuf)> {
        let (info, infos) = name.ancestors().find_map(|path| self.infos.get_key_value(path))?;
        Some((infos, name.strip_prefix(info).ok()?.to_owned()))
    }
}

/// A path below a distribution's metadata in one of these folders, without the version.
pub(super) fn name_of(path: &Path, folders: &[PathBuf]) -> Option<PathBuf> {
    let is_info = |path: &&Path| {
        path.file_name().and_then(without_version).is_some()
            && path.parent().is_some_and(|parent| folders.iter().any(|folder| folder == parent))
    };
    let info = path.ancestors().find(is_info)?;
    Some(info.with_file_name(without_version(info.file_name()?)?).join(path.strip_prefix(info).ok()?))
}

/// `numpy.dist-info` for `numpy-2.3.5.dist-info` (binary distribution format); no other folder has a version.
pub(super) fn without_version(name: &OsStr) -> Option<String> {
    let stem = name.to_str()?.strip_suffix(".dist-info")?;
    Some(format!("{}.dist-info", stem.split('-').next().unwrap_or_default()))
}
