//! The record: events in a file that is mapped before anything foreign runs, so that they outlive a crash.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use crate::protocol::{Event, RECORD_HEAD, RECORD_SIZE};

/// The record of this process. A zygote's child replaces what it inherited.
static CURRENT: Mutex<Option<Record>> = Mutex::new(None);

struct Record {
    map: *mut u8,
    length: usize,
}

// SAFETY: the mapping belongs to the process, and the mutex lets one thread write at a time.
unsafe impl Send for Record {}

/// Makes this file the record of this process.
///
/// # Errors
/// When it cannot be created, extended or mapped.
pub(super) fn open(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    file.set_len(RECORD_SIZE as u64)?;
    // SAFETY: a shared mapping of our own file, kept for the life of the process; the descriptor may go.
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
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Record { map: map.cast(), length: 0 });
    Ok(())
}

/// Adds an event. A record that is full takes no more, and so never says [`Event::Done`].
pub(super) fn write(event: &Event) {
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
    // SAFETY: the range lies within the mapping, and the length is published after the bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(line.as_ptr(), record.map.add(start), line.len());
        std::sync::atomic::fence(std::sync::atomic::Ordering::Release);
        record.map.cast::<u64>().write_volatile((record.length as u64).to_le());
    }
}
