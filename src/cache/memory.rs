//! What earlier audits made of files, digests and other facts, by what tells that those were changed: they are not read
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest;

/// A file that changed so shortly before an audit, or during it, could change again without a trace.
const FRESH: Duration = Duration::from_millis(20);

/// The file that holds them.
const FILE: &str = "content.json";

/// What was made, by signature: the digest of what the file system says of the files, without their being read.
type Made = BTreeMap<String, String>;

/// What is known of the files of one environment, in the folder of its answers.
#[derive(Debug)]
pub struct Memory {
    pub(super) folder: PathBuf,
    began: SystemTime,
    /// What earlier audits knew.
    old: Made,
    /// What this one used: the rest is forgotten.
    used: Mutex<Made>,
}

impl Memory {
    /// What earlier audits knew of this python's environment. `None` where there is no writing it.
    pub fn open(cache: &Path, python: &Path) -> Option<Self> {
        let folder = super::store::all(cache).join(digest::of_text(&python.to_string_lossy()));
        fs::create_dir_all(&folder).ok()?;
        let text = fs::read(folder.join(FILE)).ok();
        let old = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Some(Self { folder, began: SystemTime::now(), old, used: Mutex::default() })
    }

    /// The digest of a file; `None` where it cannot be read.
    pub fn of_file(&self, path: &Path) -> Option<String> {
        let make = || digest::of_file(path).ok();
        match self.now(path) {
            Some(state) => self.of(signature(path, &state), make),
            None => make(),
        }
    }

    /// The same for a file in this state, if it is known.
    pub(super) fn known(&self, path: &Path, state: &str) -> Option<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.get(&signature(path, state)).cloned()
    }

    /// The digest of what has this signature.
    pub(super) fn of(&self, signature: String, make: impl FnOnce() -> Option<String>) -> Option<String> {
        let digest = self.old.get(&signature).cloned().or_else(make)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(signature, digest.clone());
        Some(digest)
    }

    /// What `make` makes of a file, or made of it before. It returns that with the paths of all else that it depends on,
    /// whether they are there or not; `how` tells it from whatever else is made of the file.
    pub fn made<T: Serialize + DeserializeOwned>(
        &self,
        how: &str,
        path: &Path,
        make: impl FnOnce() -> (T, BTreeSet<PathBuf>),
    ) -> T {
        let signature = self.now(path).map(|state| signature(path, &format!("{state} {how}")));
        let known = signature.as_ref().and_then(|signature| {
            let text = self.old.get(signature)?;
            let known: WithBeside<T> = serde_json::from_str(text).ok()?;
            let is_as_it_was = |(path, state): (&PathBuf, &String)| self.now(path).as_ref() == Some(state);
            known.beside.iter().all(is_as_it_was).then(|| (known.made, text.clone()))
        });
        let (made, text) = match known {
            Some((made, text)) => (made, Some(text)),
            None => {
                let (made, beside) = make();
                let beside = beside.into_iter().map(|path| Some((path.clone(), self.now(&path)?)));
                let beside: Option<BTreeMap<_, _>> = beside.collect();
                let text =
                    beside.and_then(|beside| serde_json::to_string(&WithBeside { beside, made: &made }).ok());
                (made, text)
            }
        };
        if let Some((signature, text)) = signature.zip(text) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(signature, text);
        }
        made
    }

    /// The state of a file or folder, or that there is none; `None` where it cannot be told, or may still be changing.
    fn now(&self, path: &Path) -> Option<String> {
        match fs::metadata(path) {
            Ok(found) => (!self.is_fresh(&found)).then(|| state(&found)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("absent".to_owned()),
            Err(_) => None,
        }
    }

    pub(super) fn is_fresh(&self, metadata: &fs::Metadata) -> bool {
        let seconds = metadata.ctime().try_into().unwrap_or(0);
        let changed = Duration::new(seconds, metadata.ctime_nsec().try_into().unwrap_or(0));
        SystemTime::UNIX_EPOCH + changed + FRESH > self.began
    }

    /// Keeps it for the next audit. A disk that is full keeps nothing, and that is all.
    pub(super) fn close(&self) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(text) = serde_json::to_vec(&*used) {
            let _none = super::store::write(&self.folder.join(FILE), &text);
        }
    }
}

/// What was made of a file, and the state of what it depends on beside it.
#[derive(Serialize, Deserialize)]
struct WithBeside<T> {
    beside: BTreeMap<PathBuf, String>,
    made: T,
}

/// What tells that a file was changed.
pub(super) fn state(metadata: &fs::Metadata) -> String {
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    format!("{} {} {} {times:?}", metadata.dev(), metadata.ino(), metadata.size())
}

fn signature(path: &Path, state: &str) -> String {
    digest::of_text(&format!("{} {state}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What is made of a file here is its text; beside it another is looked for.
    struct Making<'f> {
        folder: &'f Path,
        made: Cell<u32>,
    }

    impl Making<'_> {
        fn text(&self) -> String {
            // A file that changed a moment ago may change again unseen.
            std::thread::sleep(2 * FRESH);
            let memory = Memory::open(&self.folder.join("cache"), Path::new("python")).unwrap();
            let path = self.folder.join("file");
            let make = || {
                self.made.set(self.made.get() + 1);
                (fs::read_to_string(&path).unwrap(), BTreeSet::from([self.folder.join("beside")]))
            };
            let text = memory.made("as text", &path, make);
            memory.close();
            text
        }
    }

    #[test]
    fn what_was_made_is_made_again_when_the_file_or_what_was_looked_for_beside_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let making = Making { folder: folder.path(), made: Cell::new(0) };
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("file", "one");
        assert_eq!((making.text(), making.text(), making.made.get()), ("one".into(), "one".into(), 1));
        write("file", "two");
        assert_eq!((making.text(), making.made.get()), ("two".into(), 2));
        write("beside", "new");
        assert_eq!((making.text(), making.text(), making.made.get()), ("two".into(), "two".into(), 3));
        write("beside", "newer");
        assert_eq!((making.text(), making.made.get()), ("two".into(), 4));
        fs::remove_file(folder.path().join("beside")).unwrap();
        assert_eq!((making.text(), making.made.get()), ("two".into(), 5));
    }
}
