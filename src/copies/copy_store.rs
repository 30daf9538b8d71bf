//! The store of copies: a folder with one file for each content and tree, which the trees of running programs
//! link to.
//!
//! A file that some tree links to has more than one link, so it is known to be in use. Each tree set has a lock
//! file that its program holds: sets whose program ended without removing them are removed by the next one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::copy_error::CopyError;
use super::inventory::MARKER;
use super::write_copy::WrittenCopy;
use super::write_trees::{CopyStorage, StoredCopy};
use crate::digest;

/// Identifies the current boot of the system.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A store of copies on disk. Several programs may use it at the same time.
#[derive(Clone, Debug)]
pub struct CopyStore {
    folder: PathBuf,
    limit: u64,
    /// The current boot of the system; empty if it is unknown.
    boot: String,
}

/// What was recorded of a copy when it was written.
struct CopyRecord {
    digest: String,
    /// As in `state_of_file`.
    state: String,
}

impl CopyStore {
    /// A store in `folder`, which is made if it is missing. When no program uses them, copies are removed until
    /// no more than `limit_in_bytes` are left, the least recently used ones first.
    ///
    /// # Errors
    /// When the folder cannot be made, or other users may access it.
    pub fn new(folder: &Path, limit_in_bytes: u64) -> Result<Self, CopyError> {
        let make = |path: &Path| {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(CopyError::io("make", path))
        };
        make(folder)?;
        let folder = folder.canonicalize().map_err(CopyError::io("find", folder))?;
        let metadata = fs::metadata(&folder).map_err(CopyError::io("read", &folder))?;
        let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if !is_ours || metadata.mode() & 0o077 != 0 {
            return Err(CopyError::NotPrivate(folder));
        }
        for name in ["objects", "sets", "incoming"] {
            make(&folder.join(name))?;
        }
        let marker = folder.join(MARKER);
        open_lock_file(&marker).map_err(CopyError::io("make", &marker))?;
        // A crash of the system can lose what was written, so the state of a file is trusted during one boot only.
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        Ok(Self { folder, limit: limit_in_bytes, boot })
    }

    /// The folder for sets of trees.
    pub(super) fn sets_folder(&self) -> PathBuf {
        self.folder.join("sets")
    }

    /// Waits for programs that remove copies, and keeps others from doing so until the file is closed.
    ///
    /// # Errors
    /// When the lock file cannot be opened or locked.
    pub(super) fn lock_for_use(&self) -> Result<File, CopyError> {
        let path = self.folder.join("lock");
        let file = open_lock_file(&path).map_err(CopyError::io("open", &path))?;
        file.lock_shared().map_err(CopyError::io("lock", &path))?;
        Ok(file)
    }

    /// Removes the sets of programs that ended, and unused copies above the limit. Does nothing while another
    /// program makes or removes copies.
    pub(super) fn clean_up(&self) {
        self.clean_up_with(|total| total.saturating_sub(self.limit));
    }

    /// Removes unused copies until so many bytes are free, as far as there are any.
    pub(super) fn make_room(&self, bytes: u64) {
        self.clean_up_with(|_| bytes);
    }

    /// Cleans up. `excess` returns how many bytes of copies to remove, from the bytes of all copies.
    fn clean_up_with(&self, excess: impl FnOnce(u64) -> u64) {
        let Ok(lock) = open_lock_file(&self.folder.join("lock")) else { return };
        if lock.try_lock().is_err() {
            return;
        }
        self.remove_abandoned_sets();
        remove_content(&self.incoming_folder());
        self.remove_unused_copies(excess);
    }

    fn remove_abandoned_sets(&self) {
        for entry in fs::read_dir(self.sets_folder()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "lock") {
                let is_abandoned = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
                if is_abandoned {
                    drop(fs::remove_dir_all(path.with_extension("")));
                    drop(fs::remove_file(&path));
                }
            } else if !path.with_extension("lock").exists() {
                drop(fs::remove_dir_all(&path));
            }
        }
    }

    fn remove_unused_copies(&self, excess: impl FnOnce(u64) -> u64) {
        let mut copies = Vec::new();
        let folders = fs::read_dir(self.folder.join("objects")).into_iter().flatten().flatten();
        for entry in folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten() {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            if path.extension().is_none() {
                let used = fs::metadata(path.with_extension("record")).and_then(|record| record.modified());
                copies.push((used.ok(), path, metadata.size(), metadata.nlink()));
            } else if !path.with_extension("").exists() {
                drop(fs::remove_file(&path));
            }
        }
        copies.sort();
        let mut excess = excess(copies.iter().map(|(_, _, size, _)| size).sum());
        for (_, path, size, links) in copies {
            if excess == 0 {
                break;
            }
            if links == 1 && fs::remove_file(&path).is_ok() {
                drop(fs::remove_file(path.with_extension("record")));
                excess = excess.saturating_sub(size);
            }
        }
    }

    fn object_path(&self, key: &str) -> PathBuf {
        self.folder.join("objects").join(key.get(..2).unwrap_or_default()).join(key)
    }

    fn record_path(&self, key: &str) -> PathBuf {
        self.object_path(key).with_extension("record")
    }

    /// A text that differs after the file was changed. Links to it do not change it.
    fn state_of_file(&self, metadata: &fs::Metadata) -> String {
        let (size, inode) = (metadata.size(), metadata.ino());
        format!("{size} {inode} {} {} {}", metadata.mtime(), metadata.mtime_nsec(), self.boot)
    }
}

impl CopyStorage for CopyStore {
    fn incoming_folder(&self) -> PathBuf {
        self.folder.join("incoming")
    }

    fn find_copy(&self, key: &str) -> Option<StoredCopy> {
        let (path, record_path) = (self.object_path(key), self.record_path(key));
        let record = CopyRecord::parse(&fs::read_to_string(&record_path).ok()?)?;
        let state = self.state_of_file(&fs::symlink_metadata(&path).ok()?);
        if record.state != state || self.boot.is_empty() {
            if digest::of_file(&path).ok()? != record.digest {
                return None;
            }
            CopyRecord { digest: record.digest.clone(), state }.write(&record_path).ok()?;
        }
        // The record's time says when the copy was used last.
        File::open(&record_path).and_then(|file| file.set_modified(SystemTime::now())).ok()?;
        Some(StoredCopy { path, digest: record.digest })
    }

    fn add_copy(&self, key: &str, copy: WrittenCopy) -> Result<StoredCopy, CopyError> {
        let path = self.object_path(key);
        let error = || CopyError::io("write", &path);
        fs::create_dir_all(path.parent().unwrap_or(&self.folder)).map_err(error())?;
        // Another program may have added the same copy: the file is replaced, and its trees keep the old one.
        let file = copy.file.persist(&path).map_err(|failure| error()(failure.error))?;
        let state = self.state_of_file(&file.metadata().map_err(error())?);
        let record = CopyRecord { digest: copy.digest, state };
        record.write(&self.record_path(key)).map_err(error())?;
        Ok(StoredCopy { path, digest: record.digest })
    }
}

impl CopyRecord {
    fn parse(text: &str) -> Option<Self> {
        let (digest, state) = text.split_once(' ')?;
        Some(Self { digest: digest.to_owned(), state: state.to_owned() })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        io::Write::write_all(&mut file, format!("{} {}", self.digest, self.state).as_bytes())?;
        file.persist(path).map_err(|failure| failure.error)?;
        Ok(())
    }
}

/// Opens a lock file, which is made if it is missing.
pub(super) fn open_lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).read(true).mode(0o600).open(path)
}

fn remove_content(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        drop(fs::remove_file(entry.path()));
    }
}
