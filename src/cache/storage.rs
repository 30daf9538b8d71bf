//! Where the caches of environments are stored, and how files in them are written.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder with the caches of all environments.
pub(super) fn environments_folder(cache: &Path) -> PathBuf {
    cache.join("trials")
}

/// Writes a file atomically.
pub(super) fn write_atomically(file: &Path, bytes: &[u8]) -> Option<()> {
    let mut beside = tempfile::NamedTempFile::new_in(file.parent()?).ok()?;
    beside.write_all(bytes).ok()?;
    beside.persist(file).ok().map(drop)
}
