//! What the supervisor's process has from the command line, and passes on to the hosts.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::Mode;
use rustix::process::umask;

use crate::cli::ServeArgs;

/// A file with the number of this process, removed on drop.
#[derive(Debug)]
pub(super) struct PidFile(Option<PathBuf>);

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            drop(fs::remove_file(path));
        }
    }
}

/// Changes the working folder and the umask, and writes the pid file.
///
/// # Errors
/// If the folder cannot be entered or the file cannot be written.
pub(super) fn apply_process_settings(args: &ServeArgs) -> Result<PidFile> {
    if let Some(folder) = &args.chdir {
        std::env::set_current_dir(folder).with_context(|| format!("cannot enter {}", folder.display()))?;
    }
    if let Some(mask) = args.umask {
        umask(Mode::from_raw_mode(mask));
    }
    let path = args.pid_file.as_ref().map(std::path::absolute).transpose()?;
    if let Some(path) = &path {
        fs::write(path, format!("{}\n", std::process::id()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(PidFile(path))
}
