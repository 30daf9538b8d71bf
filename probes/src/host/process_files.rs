//! Files in which the processes of a server leave their latest figures, so that the live page of each shows all.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What their names begin and end with; the process's number stands between.
const PREFIX: &str = "process-";
const SUFFIX: &str = ".json";

/// Size limit of a file.
const MAX_SIZE: u64 = 1 << 16;

/// Other processes that are listed.
const MAX_PROCESSES: usize = 256;

/// After this many intervals without a new file, a process is not shown.
const OLD_AFTER_INTERVALS: f64 = 3.0;

/// The files of all processes. That of this process is removed at the end.
#[derive(Debug)]
pub(super) struct ProcessFiles {
    folder: PathBuf,
    own: PathBuf,
}

impl ProcessFiles {
    /// The files in this folder.
    pub(super) fn new(folder: &Path) -> Self {
        let own = folder.join(format!("{PREFIX}{}{SUFFIX}", std::process::id()));
        Self { folder: folder.to_owned(), own }
    }

    /// Writes the figures of this process, which have their `time`.
    pub(super) fn write(&self, figures: &Value) {
        // Written aside: others read whole files.
        let aside = self.own.with_extension("new");
        // Without it, the pages of the others show less.
        let _ = fs::write(&aside, figures.to_string()).and_then(|()| fs::rename(&aside, &self.own));
    }

    /// Reads the figures of the other processes that have written some lately. Times are in seconds.
    pub(super) fn read_others(&self, now: f64, interval: f64) -> Vec<Value> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(PREFIX) && name.ends_with(SUFFIX) && *path != self.own
        });
        let is_new = |figures: &Value| {
            figures["time"].as_f64().is_some_and(|time| now - time <= interval * OLD_AFTER_INTERVALS + 1.0)
        };
        // Processes that were killed have left their files.
        let read = paths.filter_map(|path| read_file(&path).ok());
        read.filter(is_new).take(MAX_PROCESSES).collect()
    }
}

impl Drop for ProcessFiles {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.own);
    }
}

fn read_file(path: &Path) -> io::Result<Value> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(MAX_SIZE).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
