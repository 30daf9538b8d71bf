//! Makes trees of copies on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::copy_error::CopyError;
use super::copy_plan::{CopyPlan, PlannedCopy};
use super::elf::ElfError;
use super::write_copy::{SourceContent, WrittenCopy};

/// Where the files of copies are kept, by their keys.
pub(super) trait CopyStorage: Sync {
    /// The folder for files that are being written.
    fn incoming_folder(&self) -> PathBuf;

    /// Returns the file of a copy, if it is there and its content is what was written.
    fn find_copy(&self, key: &str) -> Option<StoredCopy>;

    /// Keeps a copy that was written into the folder for incoming files, and returns its file.
    fn add_copy(&self, key: &str, copy: WrittenCopy) -> Result<StoredCopy, CopyError>;
}

/// A copy in its storage.
#[derive(Clone, Debug)]
pub(super) struct StoredCopy {
    pub(super) path: PathBuf,
    /// SHA-256 of the copy.
    pub(super) digest: String,
}

/// Why copies could not be made, by source.
pub(super) type FailedCopies = BTreeMap<PathBuf, ElfError>;

/// What was written.
pub(super) struct WrittenTrees {
    /// For each source, in the order of the plans: its path, and the SHA-256 digests of its copies, one for each
    /// tree. The error says that its names cannot be rewritten; then no tree has a copy.
    pub(super) digests: Vec<(PathBuf, Result<Vec<String>, ElfError>)>,
}

impl WrittenTrees {
    /// The sources whose names cannot be rewritten.
    pub(super) fn failed(&self) -> FailedCopies {
        let failed = |(path, digests): &(PathBuf, Result<_, _>)| {
            Some((path.clone(), digests.as_ref().err().copied()?))
        };
        self.digests.iter().filter_map(failed).collect()
    }
}

/// Makes the trees of plans, which have the same sources, as subfolders `0`, `1`, ... of `folder`. Copies that the
/// storage does not have are added to it.
///
/// # Errors
/// When a source changed since the plan was made, or the operating system returns an error.
pub(super) fn write_trees(
    plans: &[CopyPlan],
    storage: &dyn CopyStorage,
    folder: &Path,
) -> Result<WrittenTrees, CopyError> {
    let sources = plans.first().map_or(0, |plan| plan.copies.len());
    let files: Vec<Result<Vec<StoredCopy>, ElfError>> = (0..sources)
        .into_par_iter()
        .map(|index| {
            let copies: Vec<&PlannedCopy> = plans.iter().filter_map(|plan| plan.copies.get(index)).collect();
            provide_copies(&copies, storage)
        })
        .collect::<Result<_, CopyError>>()?;
    for (number, plan) in plans.iter().enumerate() {
        let tree = folder.join(number.to_string());
        make_folders(plan, &tree)?;
        for (copy, files) in plan.copies.iter().zip(&files) {
            let place = tree.join(&copy.destination);
            match files.as_ref().map(|files| files.get(number)) {
                Ok(Some(file)) => link_or_copy(&file.path, &place)?,
                // Shared by all interpreters, as trials report.
                Ok(None) | Err(_) => symlink(&copy.source, &place).map_err(CopyError::io("make", &place))?,
            }
        }
        for (path, target) in &plan.links {
            let place = tree.join(path);
            symlink(target, &place).map_err(CopyError::io("make", &place))?;
        }
        plan.folders.link_data(&tree)?;
    }
    let copies = plans.first().into_iter().flat_map(|plan| &plan.copies).zip(files);
    let digests = copies.map(|(copy, files)| {
        let digests = files.map(|files| files.into_iter().map(|file| file.digest).collect());
        (copy.source.clone(), digests)
    });
    Ok(WrittenTrees { digests: digests.collect() })
}

/// Returns the files of one source's copies, one for each tree. The source is read at most once.
fn provide_copies(
    copies: &[&PlannedCopy],
    storage: &dyn CopyStorage,
) -> Result<Result<Vec<StoredCopy>, ElfError>, CopyError> {
    let (incoming, mut content) = (storage.incoming_folder(), None);
    let mut files = Vec::new();
    for copy in copies {
        if let Some(file) = storage.find_copy(&copy.key) {
            files.push(file);
            continue;
        }
        let content = match &content {
            Some(content) => content,
            None => content.insert(SourceContent::read(copy, &incoming)?),
        };
        match content.write_copy(copy, &incoming)? {
            Ok(written) => files.push(storage.add_copy(&copy.key, written)?),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(files))
}

fn make_folders(plan: &CopyPlan, tree: &Path) -> Result<(), CopyError> {
    let paths = plan.copies.iter().map(|copy| &copy.destination).chain(plan.links.keys());
    let folders = paths.filter_map(|path| path.parent()).chain([Path::new("")]).map(Path::to_owned);
    let folders: BTreeSet<PathBuf> = folders.chain(plan.folders.paths_in_tree()).collect();
    for folder in folders {
        let place = tree.join(folder);
        fs::create_dir_all(&place).map_err(CopyError::io("make", place))?;
    }
    Ok(())
}

/// Makes a hard link, or a copy where the file system has no more links to give.
fn link_or_copy(file: &Path, place: &Path) -> Result<(), CopyError> {
    let write_error = || CopyError::io("write", place);
    match fs::hard_link(file, place) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(write_error()(error)),
        Err(_) => fs::copy(file, place).map(drop).map_err(write_error()),
    }
}
