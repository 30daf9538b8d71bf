//! How much disk space copies need, and whether it is there.

use std::path::Path;

use rustix::fs::{StatVfs, StatVfsMountFlags};

use super::copy_error::CopyError;
use super::copy_plan::{CopyPlan, PlannedCopy};
use super::write_copy::clone_file;
use crate::regular_file::open_checked;

/// Most bytes of a cloned file that the new names change, in blocks, if its table of strings does not grow. The
/// largest change seen in wheels is that of 300 unique symbols.
const CHANGED_IN_CLONE: u64 = 256 << 10;

/// Free space that folders, links and records may need besides the copies.
const RESERVE: u64 = 16 << 20;

/// Returns how many bytes the missing copies take at most. `is_present` tells for a copy's key whether it exists.
///
/// The copies go to the file system of `folder`. If that can clone files, a copy takes little.
pub(super) fn estimate_disk_need(
    plans: &[CopyPlan],
    folder: &Path,
    is_present: &dyn Fn(&str) -> bool,
) -> u64 {
    let missing: Vec<&PlannedCopy> =
        plans.iter().flat_map(|plan| &plan.copies).filter(|copy| !is_present(&copy.key)).collect();
    let can_clone = missing.first().is_some_and(|copy| {
        open_checked(&copy.source).is_ok_and(|source| clone_file(&source, folder).is_some())
    });
    let sizes = missing.iter().map(|copy| match can_clone {
        true => copy.size.min(copy.growth + CHANGED_IN_CLONE),
        false => copy.size,
    });
    sizes.sum()
}

/// Returns the free space of a folder's file system in bytes, as far as this user may use it.
///
/// # Errors
/// When the file system cannot be queried.
pub(super) fn available_space(folder: &Path) -> Result<u64, CopyError> {
    let space = query_file_system(folder)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Checks that shared objects can be loaded from a folder.
///
/// # Errors
/// When its file system is mounted `noexec`, or cannot be queried.
pub(super) fn check_loadable(folder: &Path) -> Result<(), CopyError> {
    match query_file_system(folder)?.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        true => Err(CopyError::NoExec(folder.to_owned())),
        false => Ok(()),
    }
}

fn query_file_system(folder: &Path) -> Result<StatVfs, CopyError> {
    rustix::fs::statvfs(folder)
        .map_err(|error| CopyError::io("query the file system of", folder)(error.into()))
}

/// Checks that the file system of `folder` has room for so many bytes.
///
/// # Errors
/// When it has less free space, or cannot be queried.
pub(super) fn check_room(folder: &Path, needed: u64) -> Result<(), CopyError> {
    let available = available_space(folder)?;
    match needed == 0 || available >= needed.saturating_add(RESERVE) {
        true => Ok(()),
        false => Err(CopyError::NoRoom { folder: folder.to_owned(), needed, available }),
    }
}
