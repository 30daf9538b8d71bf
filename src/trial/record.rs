//! Reads a child's record, and its files: the end of its output, and its process and thread ids.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use wsgiaudit_probes_core::protocol::TrialEvent;
use wsgiaudit_probes_core::record_format::decode_events;
use wsgiaudit_probes_core::trial_files;

use crate::regular_file::open_unlinked;

/// Maximum bytes read of the file of ids. The subject may write to it.
const MAX_ID_BYTES: u64 = 64 << 10;

/// The decoded record of a trial.
#[derive(Debug, Default)]
pub(super) struct SplitRecord {
    /// Events, in order.
    pub(super) events: Vec<TrialEvent>,
    /// Paths read from disk, each with the number of events before it.
    pub(super) touched: Vec<(usize, String)>,
    /// Sources that were compiled.
    pub(super) compiled: Vec<String>,
}

/// Decodes a trial's record. Decoding stops at the first damaged event.
pub(super) fn split_record(record: &[u8]) -> SplitRecord {
    let mut split = SplitRecord::default();
    for event in decode_events(record) {
        if let TrialEvent::Touched(path) = event {
            split.touched.push((split.events.len(), path));
        } else if let TrialEvent::Compiled(path) = event {
            split.compiled.push(path);
        } else {
            split.events.push(event);
        }
    }
    split
}

/// Reads the last `most` bytes that the child printed to both streams.
pub(super) fn read_output(folder: &Path, most: u64) -> String {
    read_end(folder, trial_files::OUTPUT, most)
}

/// Reads the last `most` bytes of a file that grows.
pub(super) fn read_end(folder: &Path, name: &str, most: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = open_unlinked(folder, name)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Reads the ids of the child's process and of its threads, as far as the probes know them.
pub(super) fn read_ids(folder: &Path) -> BTreeSet<u64> {
    let read = || {
        let mut text = String::new();
        open_unlinked(folder, trial_files::IDS).ok()?.take(MAX_ID_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    };
    let lines = read().unwrap_or_default();
    lines.lines().filter_map(|line| line.parse().ok()).collect()
}
