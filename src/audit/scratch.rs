//! The scratch folder of an audit: everything that the audit and its trials write. It is removed when the
//! audit ends.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::platform::TemporaryFolder;

/// A temporary folder.
#[derive(Debug)]
pub(super) struct ScratchFolder(TemporaryFolder);

impl ScratchFolder {
    /// Creates the folder.
    pub(super) fn new() -> Result<Self> {
        let folder = TemporaryFolder::new().with_context(|| {
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
