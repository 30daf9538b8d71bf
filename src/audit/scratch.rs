//! The scratch folder of an audit: everything that the audit and its trials write. It is removed when the
//! audit ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use walkdir::WalkDir;

/// A temporary folder that is removed whatever was done to it.
#[derive(Debug)]
pub(super) struct ScratchFolder(TempDir);

impl ScratchFolder {
    /// Creates the folder.
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("wsgiaudit-").tempdir().with_context(|| {
            format!(
                "cannot make a folder in {}\nhint: set TMPDIR to a folder that can be written",
                std::env::temp_dir().display()
            )
        })?;
        Ok(Self(folder))
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Creates a folder in it.
    pub(super) fn create_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // A trial may have removed its own permissions. Restore them, so that nothing is left behind.
        if fs::remove_dir_all(self.path()).is_err() {
            for entry in
                WalkDir::new(self.path()).into_iter().flatten().filter(|entry| entry.file_type().is_dir())
            {
                drop(fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700)));
            }
        }
    }
}
