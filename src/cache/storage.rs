//! Where the caches of environments are stored, and which files in them are believed.

use std::path::{Path, PathBuf};

use crate::platform::is_own;
use crate::regular_file;

/// The folder with the caches of all environments.
pub(super) fn environments_folder(cache: &Path) -> PathBuf {
    cache.join("trials")
}

/// Reads a file of the cache that this user has written; `None` if it is missing or invalid.
pub(super) fn read_own(path: &Path, most: u64) -> Option<Vec<u8>> {
    let file = regular_file::open_checked(path).ok()?;
    let is_believed = file.metadata().is_ok_and(|found| is_own(&found));
    regular_file::read_open(file, most).ok().filter(|_| is_believed)
}
