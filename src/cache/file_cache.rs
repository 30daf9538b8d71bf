//! Values computed from files, such as digests, saved by the state of the files. Unchanged files are not read
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::storage::{environments_folder, read_own};
use crate::digest;
use crate::platform::{create_private_folder, find_foreign_access};
use crate::regular_file;

/// A file that changed within this time before the audit, or later, could change again with the same
/// timestamp.
const RECENT: Duration = Duration::from_millis(20);

/// State and digest of what does not exist, such as bytecode that was deleted after it was installed.
pub(super) const ABSENT: &str = "absent";

/// Name of the file with the saved values.
const FILE: &str = "content.json";

/// Size limit of that file. The values of 780 modules take some 2 MB.
const MAX_SIZE: u64 = 256 << 20;

/// Values by signature: a digest of the files' metadata, for which they need not be read.
type ValuesBySignature = BTreeMap<String, String>;

/// Values computed from the files of one environment, saved in that environment's cache folder.
#[derive(Debug)]
pub struct FileCache {
    pub(super) folder: PathBuf,
    began: SystemTime,
    /// Values saved by earlier audits.
    old: ValuesBySignature,
    /// Values used by this audit. The others are not saved again.
    used: Mutex<ValuesBySignature>,
}

impl FileCache {
    /// Opens the values saved for this Python's environment.
    ///
    /// Returns `None` if the folder is not writable, or others can write to it.
    pub fn open(cache: &Path, python: &Path) -> Option<Self> {
        let folder = environments_folder(cache).join(digest::of_text(&python.to_string_lossy()));
        create_private_folder(&folder).ok()?;
        if let Some(_others) = find_foreign_access(&folder) {
            return None;
        }
        let text = read_own(&folder.join(FILE), MAX_SIZE);
        let old = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Some(Self { folder, began: SystemTime::now(), old, used: Mutex::default() })
    }

    /// Digest of a file; `None` if it cannot be read.
    pub fn digest_of_file(&self, path: &Path) -> Option<String> {
        let make = || digest::of_file(path).ok();
        match self.stable_state_of_path(path) {
            Some(state) => self.digest_of_signature(signature_of_file(path, &state), make),
            None => make(),
        }
    }

    /// Digest of a file in this state, if this audit has computed it.
    pub(super) fn find_digest(&self, path: &Path, state: &str) -> Option<String> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.get(&signature_of_file(path, state)).cloned()
    }

    /// The digest for this signature: saved, or computed by `make`.
    pub(super) fn digest_of_signature(
        &self,
        signature: String,
        make: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        let digest = self.old.get(&signature).cloned().or_else(make)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(signature, digest.clone());
        Some(digest)
    }

    /// Returns the value that `make` computes from a file, or the saved one.
    ///
    /// `make` also returns all other paths that the value depends on, whether they exist or not. `how`
    /// distinguishes values computed from the same file.
    pub fn get_or_compute<T: Serialize + DeserializeOwned>(
        &self,
        how: &str,
        path: &Path,
        make: impl FnOnce() -> (T, BTreeSet<PathBuf>),
    ) -> T {
        let signature =
            self.stable_state_of_path(path).map(|state| signature_of_file(path, &format!("{state} {how}")));
        let known = signature.as_ref().and_then(|signature| {
            let text = self.old.get(signature)?;
            let known: ValueWithDependencies<T> = serde_json::from_str(text).ok()?;
            let is_as_it_was =
                |(path, state): (&PathBuf, &String)| self.stable_state_of_path(path).as_ref() == Some(state);
            known.beside.iter().all(is_as_it_was).then(|| (known.made, text.clone()))
        });
        let (made, text) = match known {
            Some((made, text)) => (made, Some(text)),
            None => {
                let (made, beside) = make();
                let beside =
                    beside.into_iter().map(|path| Some((path.clone(), self.stable_state_of_path(&path)?)));
                let beside: Option<BTreeMap<_, _>> = beside.collect();
                let text = beside.and_then(|beside| {
                    serde_json::to_string(&ValueWithDependencies { beside, made: &made }).ok()
                });
                (made, text)
            }
        };
        if let Some((signature, text)) = signature.zip(text) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(signature, text);
        }
        made
    }

    /// The state of a file or folder, or [`ABSENT`].
    ///
    /// Returns `None` if it is unknown or was changed too recently.
    fn stable_state_of_path(&self, path: &Path) -> Option<String> {
        match fs::metadata(path) {
            Ok(found) => (!self.is_recently_changed(&found)).then(|| state_of_metadata(&found)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(ABSENT.to_owned()),
            Err(_) => None,
        }
    }

    /// Whether a file changed so recently that it could change again with the same timestamp.
    pub(super) fn is_recently_changed(&self, metadata: &fs::Metadata) -> bool {
        let seconds = metadata.ctime().try_into().unwrap_or(0);
        let changed = Duration::new(seconds, metadata.ctime_nsec().try_into().unwrap_or(0));
        SystemTime::UNIX_EPOCH + changed + RECENT > self.began
    }

    /// Saves the values for the next audit. Errors, such as a full disk, are ignored.
    pub(super) fn close(&self) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(text) = serde_json::to_vec(&*used) {
            let _none = regular_file::replace(&self.folder.join(FILE), &text);
        }
    }
}

/// A value, and the states of the paths that it depends on.
#[derive(Serialize, Deserialize)]
struct ValueWithDependencies<T> {
    beside: BTreeMap<PathBuf, String>,
    made: T,
}

/// A string that differs if the file was changed.
pub(super) fn state_of_metadata(metadata: &fs::Metadata) -> String {
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    format!("{} {} {} {times:?}", metadata.dev(), metadata.ino(), metadata.size())
}

fn signature_of_file(path: &Path, state: &str) -> String {
    digest::of_text(&format!("{} {state}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The value is the file's text, and depends on the path `beside`.
    struct Making<'f> {
        folder: &'f Path,
        made: Cell<u32>,
    }

    impl Making<'_> {
        fn text(&self) -> String {
            // A file that changed too recently is not cached.
            std::thread::sleep(2 * RECENT);
            let memory = FileCache::open(&self.folder.join("cache"), Path::new("python")).unwrap();
            let path = self.folder.join("file");
            let make = || {
                self.made.set(self.made.get() + 1);
                (fs::read_to_string(&path).unwrap(), BTreeSet::from([self.folder.join("beside")]))
            };
            let text = memory.get_or_compute("as text", &path, make);
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
