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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_named_without_versions() {
        let folders = [PathBuf::from("/site")];
        for (path, expected) in [
            ("/site/numpy-2.3.5.dist-info/METADATA", Some("/site/numpy.dist-info/METADATA")),
            ("/site/numpy-2.3.5.dist-info", Some("/site/numpy.dist-info")),
            ("/site/numpy/core.py", None),
            ("/site/sub/numpy-2.3.5.dist-info/METADATA", None),
            ("/elsewhere/numpy-2.3.5.dist-info/METADATA", None),
        ] {
            assert_eq!(version_free_path(Path::new(path), &folders), expected.map(PathBuf::from), "{path}");
        }
    }

    #[test]
    fn all_versions_of_a_folder_are_found() {
        let site = tempfile::tempdir().unwrap();
        for name in ["a-1.0.dist-info", "a-2.0.dist-info", "b-1.0.dist-info", "a"] {
            fs::create_dir(site.path().join(name)).unwrap();
        }
        let paths = DistInfoPaths::new(&[site.path().to_owned()]);
        let (found, rest) = paths.find_folders(&site.path().join("a.dist-info/RECORD")).unwrap();
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(
            (names, rest),
            (vec![OsStr::new("a-1.0.dist-info"), OsStr::new("a-2.0.dist-info")], "RECORD".into())
        );
        assert!(paths.find_folders(&site.path().join("a/core.py")).is_none());
    }
}
