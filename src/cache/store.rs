//! The answers themselves: a file for each, in a folder for each environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::content::{Content, Kin};
use super::memory::Memory;
use super::surroundings;
use crate::digest;

/// After so long without an audit, an environment's answers go.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// What stands for this audit's own folder in what is kept.
const SCRATCH: &str = "{wsgiaudit-scratch}";

/// The file that names the python, and whose time is that of the last audit.
const PYTHON: &str = "python";

/// What answers are for.
#[derive(Debug)]
pub struct Opening<'a> {
    /// What is known of its files, in the folder of its answers.
    pub memory: Memory,
    /// The environment's python.
    pub python: &'a Path,
    /// Its prefix.
    pub prefix: Option<&'a Path>,
    /// The folders that it imports from.
    pub folders: Vec<PathBuf>,
    /// What in them was installed together.
    pub kin: Kin,
    /// The audit's own folder.
    pub scratch: &'a Path,
    /// What else every answer depends on.
    pub besides: String,
}

/// Answers of earlier audits of one environment.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    content: Content,
    prefix: Option<PathBuf>,
    scratch: PathBuf,
    base: String,
    /// What this audit has kept: it does not answer itself, whoever asks twice wants to see it twice.
    own: Mutex<BTreeSet<String>>,
    found: AtomicUsize,
    asked: AtomicUsize,
}

#[derive(Serialize, Deserialize)]
struct Entry<T> {
    base: String,
    touched: BTreeMap<String, String>,
    answer: T,
}

impl Cache {
    /// Opens the answers for an environment, and lets those go that nobody has asked for. `None` where there is no
    /// writing them.
    pub fn open(opening: Opening<'_>) -> Option<Self> {
        let Opening { memory, python, prefix, folders, kin, scratch, besides } = opening;
        let folder = memory.folder.clone();
        let content = Content::new(folders, kin, memory);
        let mut base = format!("{besides}\n{}\n", surroundings::of_python(python, prefix));
        for folder in content.folders() {
            base += &format!("{} {}\n", folder.display(), surroundings::names_in(folder));
            base += &surroundings::at_start(folder);
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
        write(&cache.folder.join(PYTHON), python.as_os_str().as_encoded_bytes())?;
        cache.folder.parent().into_iter().for_each(forget);
        Some(cache)
    }

    /// The folders whose entries it keeps apart.
    pub fn folders(&self) -> &[PathBuf] {
        self.content.folders()
    }

    /// Folders whose files are part of every answer, or of none.
    pub fn apart(&self) -> impl Iterator<Item = &Path> {
        let system = ["/proc", "/sys", "/dev"].map(Path::new);
        system.into_iter().chain([self.scratch.as_path()]).chain(self.prefix.as_deref())
    }

    /// The answer that an earlier audit got to this question, and what it touched, if all of that is as it was.
    pub fn find<T: DeserializeOwned>(&self, question: &impl Serialize) -> Option<(T, Vec<String>)> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let name = name(question)?;
        if self.own.lock().ok()?.contains(&name) {
            return None;
        }
        let text = fs::read_to_string(self.folder.join(name)).ok()?;
        let entry: Entry<T> = serde_json::from_str(&text.replace(SCRATCH, &quoted(&self.scratch))).ok()?;
        let is_as_it_was =
            |(path, digest): (&String, &String)| self.content.of(path).as_ref() == Some(digest);
        let is_valid = entry.base == self.base && entry.touched.iter().all(is_as_it_was);
        is_valid.then(|| {
            self.found.fetch_add(1, Ordering::Relaxed);
            (entry.answer, entry.touched.into_keys().collect())
        })
    }

    /// Keeps an answer, and what led to it.
    pub fn keep<'t, T: Serialize>(
        &self,
        question: &impl Serialize,
        touched: impl IntoIterator<Item = &'t String>,
        answer: &T,
    ) {
        let kept = || {
            let name = name(question)?;
            self.own.lock().ok()?.insert(name.clone());
            let touched = touched.into_iter().map(|path| self.content.name_of(path));
            let touched = touched.map(|name| Some((name.clone(), self.content.of(&name)?)));
            let entry = Entry { base: self.base.clone(), touched: touched.collect::<Option<_>>()?, answer };
            let text = serde_json::to_string(&entry).ok()?.replace(&quoted(&self.scratch), SCRATCH);
            write(&self.folder.join(name), text.as_bytes())
        };
        // A disk that is full keeps nothing, and that is all.
        let _none = kept();
    }

    /// How many questions were answered, of how many.
    pub fn count(&self) -> (usize, usize) {
        (self.found.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed))
    }

    /// Writes down what it knows of the disk.
    pub fn close(&self) {
        self.content.close();
    }
}

/// The folders of all environments.
pub(super) fn all(cache: &Path) -> PathBuf {
    cache.join("trials")
}

/// Writes a file, all of it or nothing.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Option<()> {
    let mut beside = tempfile::NamedTempFile::new_in(file.parent()?).ok()?;
    beside.write_all(bytes).ok()?;
    beside.persist(file).ok().map(drop)
}

fn name(question: &impl Serialize) -> Option<String> {
    Some(format!("{}.json", digest::of_text(&serde_json::to_string(question).ok()?)))
}

/// As JSON writes a path within a text.
fn quoted(path: &Path) -> String {
    let text = serde_json::Value::from(path.to_string_lossy()).to_string();
    text.trim_matches('"').to_owned()
}

/// Lets environments go that are gone, or have not been audited for long.
fn forget(all: &Path) {
    let Ok(folders) = fs::read_dir(all) else { return };
    for folder in folders.flatten().map(|entry| entry.path()) {
        let file = folder.join(PYTHON);
        let Ok(python) = fs::read_to_string(&file) else { continue };
        let used = fs::metadata(file).and_then(|state| state.modified());
        let is_old =
            used.is_ok_and(|used| SystemTime::now().duration_since(used).is_ok_and(|age| age > KEPT));
        if is_old || !Path::new(&python).exists() {
            drop(fs::remove_dir_all(folder));
        }
    }
}
