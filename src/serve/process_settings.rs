//! Properties of the supervisor's process: its working folder and umask, which the hosts inherit, and its number in a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::process::umask;

use crate::cli::ServeArgs;

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
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(path: &Path) -> Result<Self> {
        // Not through a link: with `--user`, that user may have put it there for root to overwrite another file.
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let opened = OpenOptions::new()
            .write(true)
            .read(true)
            .create(true)
            .truncate(true)
            .custom_flags(flags)
            .open(path);
        let written = opened.and_then(|mut file| {
            file.write_all(contents().as_bytes())?;
            Ok(file)
        });
        let file = written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Whether the file at the path is still the one that was opened, with what was written.
    fn is_ours(&self) -> io::Result<bool> {
        let (found, opened) = (fs::symlink_metadata(&self.path)?, self.file.metadata()?);
        let mut text = vec![0; contents().len()];
        self.file.read_exact_at(&mut text, 0)?;
        let is_same = (found.dev(), found.ino()) == (opened.dev(), opened.ino());
        Ok(is_same && opened.len() == text.len() as u64 && text == contents().as_bytes())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another process may have written it since.
        // With `--user`, this process may have lost the rights to read and to remove it.
        if self.is_ours().unwrap_or(false) && fs::remove_file(&self.path).is_err() {
            drop(self.file.set_len(0));
        }
    }
}

fn contents() -> String {
    format!("{}\n", std::process::id())
}
