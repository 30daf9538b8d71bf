//! Digests of what is on disk.
//!
//! The digest of an entry in a watched folder covers everything that was installed together with it. Files in
//! a `.dist-info` folder have their own digests, under names without the version, so that they stay the same
//! after an upgrade.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::dist_info_paths::{self, DistInfoPaths};
use super::file_cache::{ABSENT, FileCache, state_of_metadata};
use crate::bounded_walk::{WalkLimits, walk_folder};
use crate::digest;

/// For each entry of a folder, all entries that were installed together with it.
pub type CoInstalledEntries = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// Digests of paths on disk, each computed once.
#[derive(Debug)]
pub(super) struct ContentDigests {
    folders: Vec<PathBuf>,
    kin: CoInstalledEntries,
    metadata: DistInfoPaths,
    known: Mutex<BTreeMap<String, Arc<OnceLock<Option<String>>>>>,
    memory: FileCache,
}

impl ContentDigests {
    /// For entries of these folders, and for any other path.
    pub(super) fn new(folders: Vec<PathBuf>, kin: CoInstalledEntries, memory: FileCache) -> Self {
        let metadata = DistInfoPaths::new(&folders);
        Self { folders, kin, metadata, known: Mutex::default(), memory }
    }

    /// The watched folders, whose entries have digests of their own.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The name of a path that a trial read, without the version of its distribution.
    pub(super) fn version_free_name(&self, touched: &str) -> String {
        let name = dist_info_paths::version_free_path(Path::new(touched), &self.folders);
        name.map_or_else(|| touched.to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Digest of the path with this name.
    ///
    /// Returns `None` if it cannot be read or was changed too recently.
    pub(super) fn digest_of_name(&self, name: &str) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(known.entry(name.to_owned()).or_default());
        drop(known);
        cell.get_or_init(|| self.compute_digest(Path::new(name))).clone()
    }

    /// Digest of a path. Paths in a `.dist-info` folder are looked up in every version of it.
    fn compute_digest(&self, path: &Path) -> Option<String> {
        if !path.is_absolute() {
            return None;
        }
        if let Some((infos, rest)) = self.metadata.find_folders(path) {
            // Include the names in the folder: the probes do not report lookups of files that do not exist
            // there.
            let of = |info: &PathBuf| {
                Some(
                    digest_of_entry_names(info, |name| name)?
                        + " "
                        + &self.compute_path_digest(&info.join(&rest))?,
                )
            };
            let infos = infos.iter().map(of).collect::<Option<Vec<_>>>()?;
            return Some(digest::of_text(&infos.join("\n")));
        }
        self.compute_path_digest(path)
    }

    /// Digest of a path on disk: of all co-installed entries, a folder's names, or a file's content.
    fn compute_path_digest(&self, path: &Path) -> Option<String> {
        let is_entry = path.parent().is_some_and(|parent| self.folders.iter().any(|folder| folder == parent));
        if is_entry {
            let own = BTreeSet::from([path.to_owned()]);
            let files = self.list_files(self.kin.get(path).unwrap_or(&own))?;
            return self.digest_of_files(&files);
        }
        match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(ABSENT.to_owned()),
            Err(_) => None,
            Ok(found) if found.is_dir() => digest_of_entry_names(path, |name| name),
            Ok(found) if found.is_file() && !self.memory.is_recently_changed(&found) => {
                digest::of_file(path).ok()
            }
            // Devices and pipes have no stable content.
            Ok(_) => None,
        }
    }

    /// Digest of the names and contents of files, saved by their states.
    fn digest_of_files(&self, files: &[(PathBuf, String)]) -> Option<String> {
        let lines = |second: &dyn Fn(&(PathBuf, String)) -> Option<String>| {
            let each = files.iter().map(|file| Some(format!("{} {}\n", file.0.display(), second(file)?)));
            Some(digest::of_text(&each.collect::<Option<String>>()?))
        };
        let signature = lines(&|(_, state)| Some(state.clone()))?;
        let read = |(path, state): &(PathBuf, String)| match state.as_str() {
            ABSENT => Some(ABSENT.to_owned()),
            state => self.memory.find_digest(path, state).or_else(|| digest::of_file(path).ok()),
        };
        self.memory.digest_of_signature(signature, || lines(&read))
    }

    /// Lists the files below some entries, each with its state.
    ///
    /// Compiled Python is left out, since CPython checks it against its source.
    fn list_files(&self, entries: &BTreeSet<PathBuf>) -> Option<Vec<(PathBuf, String)>> {
        let mut files = Vec::new();
        for entry in entries {
            if !entry.try_exists().ok()? {
                files.push((entry.clone(), ABSENT.to_owned()));
                continue;
            }
            let is_wanted = |found: &walkdir::DirEntry| found.file_name() != "__pycache__";
            let mut states = Vec::new();
            let missed = walk_folder(entry, WalkLimits::SITE, is_wanted, |found| {
                let is_folder = found.as_ref().is_ok_and(|found| found.file_type().is_dir());
                if !is_folder {
                    states.push(found.ok().and_then(|found| self.stable_state(found)));
                }
            });
            if !missed.is_empty() {
                return None;
            }
            files.extend(states.into_iter().collect::<Option<Vec<_>>>()?);
        }
        Some(files)
    }

    /// Path and state of a regular file that was not changed recently.
    fn stable_state(&self, found: walkdir::DirEntry) -> Option<(PathBuf, String)> {
        let metadata = found.metadata().ok()?;
        let is_stable = metadata.is_file() && !self.memory.is_recently_changed(&metadata);
        is_stable.then(|| (found.into_path(), state_of_metadata(&metadata)))
    }

    /// Saves the digests for the next audit.
    pub(super) fn close(&self) {
        self.memory.close();
    }
}

/// Digest of the names in a folder, each converted by `shown`.
pub(super) fn digest_of_entry_names(folder: &Path, shown: impl Fn(OsString) -> OsString) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.map(|entry| Some(shown(entry.ok()?.file_name())));
    let mut names = names.collect::<Option<BTreeSet<_>>>()?;
    names.remove(OsStr::new("__pycache__"));
    Some(digest::of_text(&format!("{names:?}")))
}
