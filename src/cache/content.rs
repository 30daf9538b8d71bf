//! What lies on disk, by its digest. An entry of a watched folder stands for all that was installed with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use walkdir::WalkDir;

use super::memory::{Memory, state};
use crate::digest;

/// Entries of folders that were installed together, by each of them.
pub type Kin = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// Digests of what is on disk, each made once.
#[derive(Debug)]
pub(super) struct Content {
    folders: Vec<PathBuf>,
    kin: Kin,
    known: Mutex<BTreeMap<String, Arc<OnceLock<Option<String>>>>>,
    memory: Memory,
}

impl Content {
    /// Of these folders' entries, and of everything else that is asked for.
    pub(super) fn new(folders: Vec<PathBuf>, kin: Kin, memory: Memory) -> Self {
        Self { folders, kin, known: Mutex::default(), memory }
    }

    /// The folders whose entries are kept apart.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The digest of what a trial has touched. `None` where it cannot be read, or is still changing.
    pub(super) fn of(&self, touched: &str) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(known.entry(touched.to_owned()).or_default());
        drop(known);
        cell.get_or_init(|| self.look(Path::new(touched))).clone()
    }

    fn look(&self, path: &Path) -> Option<String> {
        if !path.is_absolute() {
            return None;
        }
        let is_entry = path.parent().is_some_and(|parent| self.folders.iter().any(|folder| folder == parent));
        if is_entry {
            let own = BTreeSet::from([path.to_owned()]);
            let files = self.files(self.kin.get(path).unwrap_or(&own))?;
            return self.remembered(&files);
        }
        match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("absent".to_owned()),
            Err(_) => None,
            Ok(found) if found.is_dir() => names(path, |name| name),
            Ok(found) if found.is_file() && !self.memory.is_fresh(&found) => digest::of_file(path).ok(),
            // A device or a pipe answers as it likes.
            Ok(_) => None,
        }
    }

    fn remembered(&self, files: &[(PathBuf, String)]) -> Option<String> {
        let lines = |second: &dyn Fn(&(PathBuf, String)) -> Option<String>| {
            let each = files.iter().map(|file| Some(format!("{} {}\n", file.0.display(), second(file)?)));
            Some(digest::of_text(&each.collect::<Option<String>>()?))
        };
        let signature = lines(&|(_, state)| Some(state.clone()))?;
        let read = |(path, state): &(PathBuf, String)| {
            self.memory.known(path, state).or_else(|| digest::of_file(path).ok())
        };
        self.memory.of(signature, || lines(&read))
    }

    /// The files below some entries, each with what tells that it was changed. Compiled Python is left out: CPython
    /// checks it against its source.
    fn files(&self, entries: &BTreeSet<PathBuf>) -> Option<Vec<(PathBuf, String)>> {
        let mut files = Vec::new();
        for entry in entries {
            if !entry.try_exists().ok()? {
                files.push((entry.clone(), "absent".to_owned()));
                continue;
            }
            let walk = WalkDir::new(entry).follow_links(true).sort_by_file_name();
            for found in walk.into_iter().filter_entry(|found| found.file_name() != "__pycache__") {
                let found = found.ok()?;
                if found.file_type().is_dir() {
                    continue;
                }
                let metadata = found.metadata().ok();
                let is_still =
                    |metadata: &fs::Metadata| metadata.is_file() && !self.memory.is_fresh(metadata);
                files.push((found.into_path(), state(&metadata.filter(is_still)?)));
            }
        }
        Some(files)
    }

    /// Keeps what is known for the next audit.
    pub(super) fn close(&self) {
        self.memory.close();
    }
}

/// The digest of the names in a folder, each as `shown`.
pub(super) fn names(folder: &Path, shown: impl Fn(OsString) -> OsString) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.map(|entry| Some(shown(entry.ok()?.file_name())));
    let mut names = names.collect::<Option<BTreeSet<_>>>()?;
    names.remove(OsStr::new("__pycache__"));
    Some(digest::of_text(&format!("{names:?}")))
}
