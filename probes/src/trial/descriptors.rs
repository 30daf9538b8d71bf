//! Sees that descriptors which are not a module's own are closed, or replaced: by one that was opened before.

use std::sync::{Mutex, PoisonError};

use super::record;
use crate::protocol::Event;

struct Sentinel {
    descriptor: libc::c_int,
    /// The device and the number of the file that it leads to: a pipe's are nobody else's.
    file: (libc::dev_t, libc::ino_t),
    /// The extension module in whose load it was first seen to be lost, if one's was under way.
    lost: Option<Option<String>>,
}

static SENTINEL: Mutex<Option<Sentinel>> = Mutex::new(None);

/// Opens a descriptor to be looked at. That of a process this one was forked from stays open: its number may be
/// somebody else's by now.
pub(super) fn begin() {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let is_open = unsafe { libc::pipe(ends.as_mut_ptr()) } == 0;
    let file = file(ends[0]).filter(|_| is_open);
    let sentinel = file.map(|file| Sentinel { descriptor: ends[0], file, lost: None });
    *SENTINEL.lock().unwrap_or_else(PoisonError::into_inner) = sentinel;
}

/// Looks whether it is still there, and blames this extension module if it is not.
pub(super) fn look(module: Option<&str>) {
    let mut sentinel = SENTINEL.lock().unwrap_or_else(PoisonError::into_inner);
    let is_lost = |sentinel: &&mut Sentinel| {
        sentinel.lost.is_none() && file(sentinel.descriptor) != Some(sentinel.file)
    };
    if let Some(sentinel) = sentinel.as_mut().filter(is_lost) {
        sentinel.lost = Some(module.map(str::to_owned));
    }
}

/// Whether it is lost, which is recorded.
pub(super) fn are_lost() -> bool {
    look(None);
    let sentinel = SENTINEL.lock().unwrap_or_else(PoisonError::into_inner);
    let lost = sentinel.as_ref().and_then(|sentinel| sentinel.lost.clone());
    lost.map(|module| record::write(&Event::DescriptorsLost(module))).is_some()
}

fn file(descriptor: libc::c_int) -> Option<(libc::dev_t, libc::ino_t)> {
    // SAFETY: a zeroed `stat` is a valid one, and fstat writes to nothing else.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &raw mut found) == 0).then_some((found.st_dev, found.st_ino))
    }
}
