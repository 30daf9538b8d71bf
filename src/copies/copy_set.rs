//! The trees of one process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::copy_error::CopyError;
use super::copy_store::{CopyStore, open_lock_file};
use super::library_search::path_in_tree;
use super::summary::CopySummary;

/// Trees of private copies, in subfolders `0`, `1`, ... of a folder that is removed with this value. The store
/// keeps the copies for the next set.
///
/// A tree mirrors absolute paths: the copy of `/srv/venv/lib/x.so` in tree 2 is `FOLDER/2/srv/venv/lib/x.so`,
/// where links in the path of the source are resolved. A tree holds shared objects, links between them, and links to
/// the files beside them, which lead out of the tree. Other
/// paths of a library, also the ones it was given by, are links to its copy; resolve them before the copy is
/// loaded, since `$ORIGIN` is the folder of the path that is loaded.
#[derive(Debug)]
pub struct CopySet {
    folder: PathBuf,
    lock_path: PathBuf,
    /// Held as long as the set is in use.
    _lock: File,
    store: CopyStore,
    summary: CopySummary,
    bytes_written: u64,
}

impl CopySet {
    /// Makes an empty set. The store has to be locked for use.
    pub(super) fn create(store: &CopyStore) -> Result<Self, CopyError> {
        let sets = store.sets_folder();
        let error = || CopyError::io("make a folder in", &sets);
        let folder = tempfile::Builder::new().prefix("set-").tempdir_in(&sets).map_err(error())?.keep();
        let lock_path = folder.with_extension("lock");
        let lock = open_lock_file(&lock_path).map_err(error())?;
        lock.lock().map_err(error())?;
        let store = store.clone();
        Ok(Self { folder, lock_path, _lock: lock, store, summary: CopySummary::default(), bytes_written: 0 })
    }

    /// Stores what the set contains, and at most how many bytes were written for it.
    pub(super) fn describe(&mut self, summary: CopySummary, bytes_written: u64) {
        self.summary = summary;
        self.bytes_written = bytes_written;
    }

    /// The folder of the trees.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What each tree contains, and how many interpreters can have one.
    pub fn summary(&self) -> &CopySummary {
        &self.summary
    }

    /// At most how many bytes were written; 0 if the store had all the copies.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Returns the copy of a file in a tree, by any absolute path of the file; `None` if there is none.
    pub fn find_copy(&self, tree: usize, source: &Path) -> Option<PathBuf> {
        let tree = self.folder.join(tree.to_string());
        let copy_of = |path: &Path| {
            let copy = tree.join(path_in_tree(path)).canonicalize().ok()?;
            copy.starts_with(&tree).then_some(copy)
        };
        copy_of(source).or_else(|| copy_of(&source.canonicalize().ok()?))
    }
}

impl Drop for CopySet {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
        drop(fs::remove_file(&self.lock_path));
        self.store.clean_up();
    }
}
