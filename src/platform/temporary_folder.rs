//! Temporary folders, and the end of this process in the middle of its work: nothing of it is left behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::{kill_all_groups, remove_folder, sweep_orphans};

/// The temporary folders of this process.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A temporary folder, which is removed whatever was done to it.
#[derive(Debug)]
pub struct TemporaryFolder(TempDir);

impl TemporaryFolder {
    /// Creates a folder in the system's folder for temporary files.
    ///
    /// Trials see its path, so it is named as Python's `tempfile` names folders.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new() -> io::Result<Self> {
        with_folders(|folders| {
            let folder = tempfile::Builder::new().prefix("tmp").rand_bytes(8).tempdir()?;
            folders.push(folder.path().to_owned());
            Ok(Self(folder))
        })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Before `TempDir` does it, which fails without permissions and overflows the stack in deep folders.
        drop(remove_folder(self.path()));
        with_folders(|folders| folders.retain(|folder| folder != self.path()));
    }
}

/// Ends this process at once: kills its child processes and removes its temporary folders.
pub fn end_process(status: i32) -> ! {
    kill_all_groups();
    sweep_orphans();
    // What still runs in another thread may write once more.
    for _ in 0..3 {
        with_folders(|folders| folders.retain(|folder| remove_folder(folder).is_err() && folder.exists()));
    }
    std::process::exit(status)
}

fn with_folders<R>(change: impl FnOnce(&mut Vec<PathBuf>) -> R) -> R {
    change(&mut FOLDERS.lock().unwrap_or_else(PoisonError::into_inner))
}
