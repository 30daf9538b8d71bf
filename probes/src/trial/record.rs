//! The record of a trial: events in a file that is mapped before foreign code runs, so that they survive a
//! crash.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Mutex;

use wsgiaudit_probes_core::protocol::{ProtocolPhase, RECORD_SIZE, TrialEvent};
use wsgiaudit_probes_core::record_format::{RecordPosition, encode_event};

use crate::lock::lock_ignoring_poison;

/// Maximum number of objects that one event describes.
pub(super) const MAX_DESCRIBED: usize = 12;

/// The record of this process. A child of a zygote replaces the inherited one.
static CURRENT: Mutex<Option<MappedRecord>> = Mutex::new(None);

struct MappedRecord {
    map: *mut u8,
    position: RecordPosition,
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
    *lock_ignoring_poison(&CURRENT) =
        Some(MappedRecord { map: map.cast(), position: RecordPosition::default() });
    Ok(())
}

/// Makes this process, a child of the one on trial, record nothing.
pub(super) fn close_record() {
    *lock_ignoring_poison(&CURRENT) = None;
}

/// Appends an event. A full record takes no more events, and so never contains [`TrialEvent::Done`].
pub(super) fn write_event(event: &TrialEvent) {
    let Ok(line) = encode_event(event) else { return };
    let mut current = lock_ignoring_poison(&CURRENT);
    let Some(record) = current.as_mut() else { return };
    let Some((start, head)) = record.position.reserve_line(line.len()) else { return };
    // SAFETY: the range lies within the mapping, and the length is written after the bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(line.as_ptr(), record.map.add(start), line.len());
        std::sync::atomic::fence(std::sync::atomic::Ordering::Release);
        record.map.cast::<u64>().write_volatile(u64::from_ne_bytes(head));
    }
}

/// Appends that a phase begins in this interpreter.
pub(super) fn record_phase(interpreter: &str, phase: ProtocolPhase) {
    write_event(&TrialEvent::Step(interpreter.to_owned(), phase));
}
