//! The record of a trial: events in a file that is mapped before foreign code runs, so that they survive a
//! crash.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use crate::protocol::{RECORD_HEAD, RECORD_SIZE, TrialEvent};

/// The record of this process. A child of a zygote replaces the inherited one.
static CURRENT: Mutex<Option<MappedRecord>> = Mutex::new(None);

struct MappedRecord {
    map: *mut u8,
    length: usize,
}

// SAFETY: the mapping belongs to the process, and the mutex serializes the writers.
unsafe impl Send for MappedRecord {}

/// Creates the record of this process in this file.
///
/// # Errors
/// If the file cannot be created, extended or mapped.
pub(super) fn open_record(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    file.set_len(RECORD_SIZE as u64)?;
    // SAFETY: a shared mapping of a file of this process, kept for the life of the process; it does not need
    // the descriptor.
    let map = unsafe {
        libc::mmap(
            null_mut(),
            RECORD_SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if map == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(MappedRecord { map: map.cast(), length: 0 });
    Ok(())
}

/// Appends an event. A full record takes no more events, and so never contains [`TrialEvent::Done`].
pub(super) fn write_event(event: &TrialEvent) {
    let Ok(mut line) = serde_json::to_vec(event) else { return };
    line.push(b'\n');
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(record) = current.as_mut() else { return };
    let start = RECORD_HEAD + record.length;
    if start + line.len() > RECORD_SIZE {
        record.length = RECORD_SIZE;
        return;
    }
    record.length += line.len();
    // SAFETY: the range lies within the mapping, and the length is written after the bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(line.as_ptr(), record.map.add(start), line.len());
        std::sync::atomic::fence(std::sync::atomic::Ordering::Release);
        record.map.cast::<u64>().write_volatile((record.length as u64).to_le());
    }
}
