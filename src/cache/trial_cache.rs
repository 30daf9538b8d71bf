//! The cache of trial results: one file per result, one folder per environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::content::{CoInstalledEntries, ContentDigests};
use super::environment_digest;
use super::file_cache::FileCache;
use super::storage::read_own;
use crate::digest;
use crate::platform::{SYSTEM_FOLDERS, remove_folder};
use crate::regular_file;

/// Results of an environment are deleted after this time without an audit.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Size limits of a stored result, and of the file with the path of the Python.
const MAX_ENTRY_SIZE: u64 = 64 << 20;
const MAX_PATH_SIZE: u64 = 64 << 10;

/// Placeholder for the audit's scratch folder in stored results.
const SCRATCH: &str = "{wsgiaudit-scratch}";

/// File with the path of the Python. Its modification time is the time of the last audit.
const PYTHON_FILE: &str = "python";

/// How to open the cache of an environment.
#[derive(Debug)]
pub struct CacheOptions<'a> {
    /// Saved digests of the environment's files.
    pub memory: FileCache,
    /// The environment's Python.
    pub python: &'a Path,
    /// The Python's prefix.
    pub prefix: Option<&'a Path>,
    /// Folders that it imports from.
    pub folders: Vec<PathBuf>,
    /// Entries of these folders that were installed together.
    pub kin: CoInstalledEntries,
    /// The audit's scratch folder.
    pub scratch: &'a Path,
    /// Other inputs of every result, such as the version of the probes.
    pub besides: String,
}

/// Trial results of earlier audits of one environment.
#[derive(Debug)]
pub struct TrialCache {
    folder: PathBuf,
    content: ContentDigests,
    prefix: Option<PathBuf>,
    scratch: PathBuf,
    base: String,
    /// Entries written by this audit. They are not read back: a repeated trial is meant to run again.
    own: Mutex<BTreeSet<String>>,
    found: AtomicUsize,
    asked: AtomicUsize,
}

#[derive(Serialize, Deserialize)]
struct CacheEntry<T> {
    base: String,
    touched: BTreeMap<String, String>,
    answer: T,
}

impl TrialCache {
    /// Opens the cache of an environment, and deletes the results of environments that are gone or outdated.
    ///
    /// Returns `None` if the folder is not writable.
    pub fn open(options: CacheOptions<'_>) -> Option<Self> {
        let CacheOptions { memory, python, prefix, folders, kin, scratch, besides } = options;
        let folder = memory.folder.clone();
        let content = ContentDigests::new(folders, kin, memory);
        let mut base = format!("{besides}\n{}\n", environment_digest::digest_of_python(python, prefix));
        for folder in content.folders() {
            base += &format!("{} {}\n", folder.display(), environment_digest::digest_of_folder_names(folder));
            base += &environment_digest::describe_pth_files(folder);
        }
        let cache = Self {
            content,
            prefix: prefix.map(Path::to_owned),
            scratch: scratch.to_owned(),
            base: digest::of_text(&base),
            own: Mutex::default(),
            found: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            folder,
        };
        regular_file::replace(&cache.folder.join(PYTHON_FILE), python.as_os_str().as_encoded_bytes()).ok()?;
        cache.folder.parent().into_iter().for_each(remove_stale_environments);
        Some(cache)
    }

    /// The folder for bytecode of the environment's sources.
    pub fn bytecode_folder(&self) -> PathBuf {
        self.folder.join("bytecode")
    }

    /// The watched folders, whose entries have digests of their own.
    pub fn folders(&self) -> &[PathBuf] {
        self.content.folders()
    }

    /// Folders that are not watched: they are part of every result's inputs, or of none.
    pub fn excluded_folders(&self) -> impl Iterator<Item = &Path> {
        let system = SYSTEM_FOLDERS.map(Path::new);
        system.into_iter().chain([self.scratch.as_path()]).chain(self.prefix.as_deref())
    }

    /// Returns the stored answer for a key and the paths that it depends on, if all of them are unchanged.
    pub fn find_answer<T: DeserializeOwned>(&self, key: &impl Serialize) -> Option<(T, Vec<String>)> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let name = entry_file_name(key)?;
        if self.own.lock().ok()?.contains(&name) {
            return None;
        }
        let text = String::from_utf8(read_own(&self.folder.join(name), MAX_ENTRY_SIZE)?).ok()?;
        let entry: CacheEntry<T> =
            serde_json::from_str(&text.replace(SCRATCH, &path_in_json(&self.scratch))).ok()?;
        let is_as_it_was =
            |(path, digest): (&String, &String)| self.content.digest_of_name(path).as_ref() == Some(digest);
        let is_valid = entry.base == self.base && entry.touched.iter().all(is_as_it_was);
        is_valid.then(|| {
            self.found.fetch_add(1, Ordering::Relaxed);
            (entry.answer, entry.touched.into_keys().collect())
        })
    }

    /// Stores an answer with the digests of the paths that it depends on.
    pub fn store_answer<'t, T: Serialize>(
        &self,
        key: &impl Serialize,
        touched: impl IntoIterator<Item = &'t String>,
        answer: &T,
    ) {
        let kept = || {
            let name = entry_file_name(key)?;
            self.own.lock().ok()?.insert(name.clone());
            let touched = touched.into_iter().map(|path| self.content.version_free_name(path));
            let touched = touched.map(|name| Some((name.clone(), self.content.digest_of_name(&name)?)));
            let entry =
                CacheEntry { base: self.base.clone(), touched: touched.collect::<Option<_>>()?, answer };
            let text = serde_json::to_string(&entry).ok()?.replace(&path_in_json(&self.scratch), SCRATCH);
            regular_file::replace(&self.folder.join(name), text.as_bytes()).ok()
        };
        // Errors, such as a full disk, only mean that nothing is stored.
        let _none = kept();
    }

    /// Number of hits, and number of lookups.
    pub fn hit_count(&self) -> (usize, usize) {
        (self.found.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed))
    }

    /// Saves the digests for the next audit.
    pub fn close(&self) {
        self.content.close();
    }
}

/// Name of the file with the result for a key.
fn entry_file_name(key: &impl Serialize) -> Option<String> {
    Some(format!("{}.json", digest::of_text(&serde_json::to_string(key).ok()?)))
}

/// A path as it is written inside a JSON string.
fn path_in_json(path: &Path) -> String {
    let text = serde_json::Value::from(path.to_string_lossy()).to_string();
    text.trim_matches('"').to_owned()
}

/// Deletes caches of environments that no longer exist, or have not been audited for a long time.
fn remove_stale_environments(all: &Path) {
    let Ok(folders) = fs::read_dir(all) else { return };
    for folder in folders.flatten().map(|entry| entry.path()) {
        let file = folder.join(PYTHON_FILE);
        let Ok(python) = regular_file::read_text(&file, MAX_PATH_SIZE) else { continue };
        let used = fs::metadata(file).and_then(|state| state.modified());
        let is_old =
            used.is_ok_and(|used| SystemTime::now().duration_since(used).is_ok_and(|age| age > MAX_AGE));
        if is_old || !Path::new(&python).exists() {
            drop(remove_folder(&folder));
        }
    }
}
