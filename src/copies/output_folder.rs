//! Sets of copies in a folder that stays, for servers that are started later.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::copies_manifest::CopiesManifest;
use super::copy_error::CopyError;
use super::copy_store::open_lock_file;
use super::disk_space::{available_space, check_loadable, check_room, estimate_disk_need};
use super::inventory::MARKER;
use super::planned_trees::PlannedTrees;
use super::summary::CopySummary;
use super::write_copy::WrittenCopy;
use super::write_trees::{CopyStorage, StoredCopy, write_trees};
use crate::digest;

/// A folder with trees `0`, `1`, ... and their manifest.
///
/// A run replaces whole trees, so that a process that loads a module meanwhile sees the old or the new one. Copies
/// that stay the same keep their file, all others are new files: a running process has mapped the old ones.
#[derive(Debug)]
pub struct OutputFolder {
    folder: PathBuf,
    /// Held until the folder is written.
    _lock: File,
    /// The copies of the run before whose content is unchanged, by key.
    earlier: BTreeMap<String, StoredCopy>,
}

impl OutputFolder {
    /// Opens a folder, which is made if it is missing. Waits for another run that is writing it.
    ///
    /// # Errors
    /// When the folder holds something else, cannot be made, or nothing could be loaded from it.
    pub fn open(folder: &Path) -> Result<Self, CopyError> {
        fs::create_dir_all(folder).map_err(CopyError::io("make", folder))?;
        let folder = folder.canonicalize().map_err(CopyError::io("find", folder))?;
        check_loadable(&folder)?;
        let marker = folder.join(MARKER);
        let is_empty = || fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
        if !marker.is_file() && !is_empty() {
            return Err(CopyError::HoldsOtherFiles(folder));
        }
        let lock = open_lock_file(&marker).map_err(CopyError::io("make", &marker))?;
        lock.lock().map_err(CopyError::io("lock", &marker))?;
        let earlier = find_unchanged_copies(&folder);
        Ok(Self { folder, _lock: lock, earlier })
    }

    /// The folder, without links.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The free space of the folder's file system in bytes.
    ///
    /// # Errors
    /// When the file system cannot be queried.
    pub fn available_space(&self) -> Result<u64, CopyError> {
        available_space(&self.folder)
    }

    /// Most bytes that writing the trees takes. The old trees stay until the new ones are complete.
    pub fn estimate_disk_need(&self, planned: &PlannedTrees) -> u64 {
        estimate_disk_need(&planned.plans, &self.folder, &|key| self.earlier.contains_key(key))
    }

    /// Writes trees and manifest. The copies are added to `manifest`.
    ///
    /// # Errors
    /// When there is not enough room, a source changed since the plan was made, or the operating system returns
    /// an error. Then the trees and the manifest of the run before are still there.
    pub fn write(
        self,
        planned: &PlannedTrees,
        manifest: CopiesManifest,
    ) -> Result<(CopiesManifest, CopySummary), CopyError> {
        check_room(&self.folder, self.estimate_disk_need(planned))?;
        let new = self.new_folder();
        remove_if_present(&new)?;
        let written = self.write_new_trees(planned, manifest);
        // It now holds the old trees or, after an error, an incomplete set of new ones.
        remove_if_present(&new)?;
        written
    }

    fn write_new_trees(
        &self,
        planned: &PlannedTrees,
        mut manifest: CopiesManifest,
    ) -> Result<(CopiesManifest, CopySummary), CopyError> {
        let new = self.new_folder();
        let trees = new.join("trees");
        for folder in [&self.incoming_folder(), &new.join("objects"), &trees] {
            fs::create_dir_all(folder).map_err(CopyError::io("make", folder))?;
        }
        let written = write_trees(&planned.plans, self, &trees)?;
        let summary = planned.summarize(&written.failed());
        manifest.add_objects(planned, &written, &summary);
        self.replace_trees(planned.plans.len())?;
        manifest.write(&self.folder)?;
        Ok((manifest, summary))
    }

    /// Moves the new trees to their places, and all old ones out of them.
    fn replace_trees(&self, count: usize) -> Result<(), CopyError> {
        let trees = self.new_folder().join("trees");
        for number in 0..count {
            let (new, place) = (trees.join(number.to_string()), self.folder.join(number.to_string()));
            exchange_folders(&new, &place).map_err(CopyError::io("replace", &place))?;
        }
        for entry in fs::read_dir(&self.folder).map_err(CopyError::io("read", &self.folder))?.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<usize>().ok());
            if number.is_some_and(|number| number >= count) {
                remove_if_present(&entry.path())?;
            }
        }
        Ok(())
    }

    /// The folder for everything that this run writes, until all of it is complete.
    fn new_folder(&self) -> PathBuf {
        self.folder.join(".new")
    }
}

impl CopyStorage for OutputFolder {
    fn incoming_folder(&self) -> PathBuf {
        self.new_folder().join("incoming")
    }

    fn find_copy(&self, key: &str) -> Option<StoredCopy> {
        self.earlier.get(key).cloned()
    }

    fn add_copy(&self, key: &str, copy: WrittenCopy) -> Result<StoredCopy, CopyError> {
        let path = self.new_folder().join("objects").join(key);
        let error = CopyError::io("write", &path);
        copy.file.persist(&path).map_err(|failure| error(failure.error))?;
        Ok(StoredCopy { path, digest: copy.digest })
    }
}

/// The copies of the manifest in a folder whose content has the recorded digest.
fn find_unchanged_copies(folder: &Path) -> BTreeMap<String, StoredCopy> {
    let Ok(manifest) = CopiesManifest::read(folder) else { return BTreeMap::new() };
    let copies: Vec<_> = manifest.objects.into_iter().flat_map(|object| object.copies).collect();
    let unchanged = copies.into_par_iter().filter_map(|copy| {
        let path = folder.join(&copy.path);
        let is_unchanged = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
            && digest::of_file(&path).is_ok_and(|digest| digest == copy.sha256);
        is_unchanged.then_some((copy.key, StoredCopy { path, digest: copy.sha256 }))
    });
    unchanged.collect()
}

/// Moves the folder `new` to `place`, and the folder that was at `place` out of the way.
fn exchange_folders(new: &Path, place: &Path) -> io::Result<()> {
    if !place.exists() {
        return fs::rename(new, place);
    }
    match renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // Not every file system can exchange.
        Err(_) => {
            fs::rename(place, new.with_extension("old"))?;
            fs::rename(new, place)
        }
    }
}

fn remove_if_present(path: &Path) -> Result<(), CopyError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CopyError::io("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
