//! Reads what a child left in its folder: the record, the end of what it printed, and its numbers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::protocol::{Event, RECORD_HEAD, RECORD_SIZE};

/// Bytes of the file of numbers that are read: what is on trial may write to it.
const IDS: u64 = 64 << 10;

/// Every event in a trial's record, in order, and apart from them what it read from disk, each after so many events.
/// Stops at the first that is damaged; none where there is no record: the absence of an answer is itself an answer.
pub(super) fn events(folder: &Path) -> (Vec<Event>, Vec<(usize, String)>) {
    let bytes = read_record(&folder.join("record")).unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok());
    let (mut events, mut touched) = (Vec::new(), Vec::new());
    for event in lines {
        if let Event::Touched(path) = event {
            touched.push((events.len(), path));
        } else {
            events.push(event);
        }
    }
    (events, touched)
}

fn read_record(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut head = [0; RECORD_HEAD];
    file.read_exact(&mut head)?;
    let length = u64::from_le_bytes(head).min((RECORD_SIZE - RECORD_HEAD) as u64);
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The end of what the child printed, both streams together: at most so many bytes.
pub(super) fn printed(folder: &Path, most: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(folder.join("output"))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// The numbers of the child's process and of its threads, as far as the probes know them.
pub(super) fn ids(folder: &Path) -> BTreeSet<u64> {
    let read = || {
        let mut text = String::new();
        File::open(folder.join("ids")).ok()?.take(IDS).read_to_string(&mut text).ok()?;
        Some(text)
    };
    let lines = read().unwrap_or_default();
    lines.lines().filter_map(|line| line.parse().ok()).collect()
}
