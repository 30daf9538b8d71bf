//! Properties of the supervisor's process: its working folder and umask, which the hosts inherit, and its number in a file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::Mode;
use rustix::process::umask;

use crate::cli::ServeArgs;
use crate::regular_file;

/// Size limit of a file with the number of a process.
const MAX_SIZE: u64 = 4096;

/// Changes the working folder and the umask.
///
/// # Errors
/// If the folder cannot be entered.
pub(super) fn apply_process_settings(args: &ServeArgs) -> Result<()> {
    if let Some(folder) = &args.chdir {
        std::env::set_current_dir(folder).with_context(|| format!("cannot enter {}", folder.display()))?;
    }
    if let Some(mask) = args.umask {
        umask(Mode::from_raw_mode(mask));
    }
    Ok(())
}

/// A file with the number of this process, removed on drop.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(path: &Path) -> Result<Self> {
        fs::write(path, contents()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another process may have written it since.
        if regular_file::read_text(&self.0, MAX_SIZE).is_ok_and(|text| text == contents()) {
            drop(fs::remove_file(&self.0));
        }
    }
}

fn contents() -> String {
    format!("{}\n", std::process::id())
}
