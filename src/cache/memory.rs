//! Digests that earlier audits made, by what tells that their files were changed: those are not read again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::digest;

/// A file that changed so shortly before an audit, or during it, could change again without a trace.
const FRESH: Duration = Duration::from_millis(20);

/// The file that holds them.
const FILE: &str = "content.json";

/// Digests by signature: the digest of what the file system says of the files, without their being read.
type Digests = BTreeMap<String, String>;

/// The digests of one environment, in the folder of its answers.
#[derive(Debug)]
pub struct Memory {
    pub(super) folder: PathBuf,
    began: SystemTime,
    /// What earlier audits knew.
    old: Digests,
    /// What this one used: the rest is forgotten.
    used: Mutex<Digests>,
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
        let found = fs::metadata(path).ok()?;
        if self.is_fresh(&found) {
            return digest::of_file(path).ok();
        }
        self.of(signature(path, &state(&found)), || digest::of_file(path).ok())
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

/// What tells that a file was changed.
pub(super) fn state(metadata: &fs::Metadata) -> String {
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    format!("{} {} {} {times:?}", metadata.dev(), metadata.ino(), metadata.size())
}

fn signature(path: &Path, state: &str) -> String {
    digest::of_text(&format!("{} {state}", path.display()))
}
