//! Detects that a module closes or replaces file descriptors it does not own, by means of a sentinel
//! descriptor.

use std::sync::Mutex;

use wsgiaudit_probes_core::protocol::TrialEvent;

use super::record;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

struct DescriptorSentinel {
    descriptor: libc::c_int,
    /// Device and inode of its file: a pipe, so they are unique.
    file: (libc::dev_t, libc::ino_t),
    /// `Some` once it is lost, with the extension module during whose load that was first noticed.
    lost: Option<Option<String>>,
}

static SENTINEL: Mutex<Option<DescriptorSentinel>> = Mutex::new(None);

/// Opens a sentinel. The one inherited from a parent process is not closed, since its number may be in use
/// for something else by now.
pub(super) fn open_sentinel() {
    let mut ends = [0; 2];
    // SAFETY: an array for two descriptors.
    let is_open = unsafe { libc::pipe(ends.as_mut_ptr()) } == 0;
    let file = file_identity(ends[0]).filter(|_| is_open);
    let sentinel = file.map(|file| DescriptorSentinel { descriptor: ends[0], file, lost: None });
    *lock_ignoring_poison(&SENTINEL) = sentinel;
}

/// Checks the sentinel. If it is newly lost, remembers this extension module as the cause.
pub(super) fn check_sentinel(module: Option<&str>) {
    let mut sentinel = lock_ignoring_poison(&SENTINEL);
    let is_lost = |sentinel: &&mut DescriptorSentinel| {
        sentinel.lost.is_none() && file_identity(sentinel.descriptor) != Some(sentinel.file)
    };
    if let Some(sentinel) = sentinel.as_mut().filter(is_lost) {
        sentinel.lost = Some(module.map(str::to_owned));
    }
}

/// Checks the sentinel and records a loss. Returns whether it is lost.
pub(super) fn record_if_lost() -> bool {
    check_sentinel(None);
    let sentinel = lock_ignoring_poison(&SENTINEL);
    let lost = sentinel.as_ref().and_then(|sentinel| sentinel.lost.clone());
    lost.map(|module| record::write_event(&TrialEvent::DescriptorsLost(module))).is_some()
}

fn file_identity(descriptor: libc::c_int) -> Option<(libc::dev_t, libc::ino_t)> {
    // SAFETY: a zeroed `stat` is valid, and fstat writes to nothing else.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &raw mut found) == 0).then_some((found.st_dev, found.st_ino))
    }
}
