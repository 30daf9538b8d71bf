//! What lies on disk, by its digest. An entry of a watched folder stands for all that was installed with it; files of a
//! distribution's metadata stand for themselves, under names that an upgrade leaves as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use walkdir::WalkDir;

use super::memory::{Memory, state};
use super::metadata::{self, Metadata};
use crate::digest;

/// Entries of folders that were installed together, by each of them.
pub type Kin = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// Digests of what is on disk, each made once.
#[derive(Debug)]
pub(super) struct Content {
    folders: Vec<PathBuf>,
    kin: Kin,
    metadata: Metadata,
    known: Mutex<BTreeMap<String, Arc<OnceLock<Option<String>>>>>,
    memory: Memory,
}

impl Content {
    /// Of these folders' entries, and of everything else that is asked for.
    pub(super) fn new(folders: Vec<PathBuf>, kin: Kin, memory: Memory) -> Self {
        let metadata = Metadata::new(&folders);
        Self { folders, kin, metadata, known: Mutex::default(), memory }
    }

    /// The folders whose entries are kept apart.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The name of what a trial has touched, in this version and the next.
    pub(super) fn name_of(&self, touched: &str) -> String {
        let name = metadata::name_of(Path::new(touched), &self.folders);
        name.map_or_else(|| touched.to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The digest of what has this name. `None` where it cannot be read, or is still changing.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(known.entry(name.to_owned()).or_default());
        drop(known);
        cell.get_or_init(|| self.look(Path::new(name))).clone()
    }

    fn look(&self, path: &Path) -> Option<String> {
        if !path.is_absolute() {
            return None;
        }
        if let Some((infos, rest)) = self.metadata.of(path) {
            // What else is looked for in a folder is not told where it is not there.
            let of =
                |info: &PathBuf| Some(names(info, |name| name)? + " " + &self.look_at(&info.join(&rest))?);
            let infos = infos.iter().map(of).collect::<Option<Vec<_>>>()?;
            return Some(digest::of_text(&infos.join("\n")));
        }
        self.look_at(path)
    }

    fn look_at(&self, path: &Path) -> Option<String> {
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
