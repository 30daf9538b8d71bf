//! The record of a trial: events that this process sends to its supervisor, which keeps them in its own
//! memory. So they survive a crash, and what was sent cannot be changed.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use wsgiaudit_probes_core::protocol::{ProtocolPhase, TrialEvent};
use wsgiaudit_probes_core::record_format::encode_event;

use super::relay;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Maximum number of objects that one event describes.
pub(super) const MAX_DESCRIBED: usize = 12;

/// The connection of this process to its supervisor. Its descriptor exists in the table of the driver and the
/// relay only.
static CONNECTION: Mutex<Option<Arc<UnixStream>>> = Mutex::new(None);

thread_local! {
    /// Whether the table of descriptors of this thread has the connection.
    static HOLDS_CONNECTION: Cell<bool> = const { Cell::new(false) };
}

/// Makes this the connection to the supervisor, held by the calling thread, the only one of the process.
pub(super) fn open_record(connection: UnixStream) {
    relay::forget_relay();
    *lock_ignoring_poison(&CONNECTION) = Some(Arc::new(connection));
    hold_connection();
}

/// Lets the calling thread write to the connection itself.
pub(super) fn hold_connection() {
    HOLDS_CONNECTION.set(true);
}

/// Starts the relay. The calling thread holds the connection.
///
/// # Errors
/// If there is no connection.
pub(super) fn start_relay() -> Option<relay::Relay> {
    lock_ignoring_poison(&CONNECTION)
        .as_ref()
        .map(|connection| relay::start_relay(connection.as_raw_fd(), hold_connection))
}

/// Closes the connection. The relay has been stopped.
pub(super) fn close_connection() {
    drop(lock_ignoring_poison(&CONNECTION).take());
}

/// Makes this process, which the main thread of the one on trial has forked, record nothing. It has no connection, and
/// other threads may have held any lock when it was forked.
pub(super) fn close_record() {
    HOLDS_CONNECTION.set(false);
    relay::forget_relay();
}

/// Takes the connection and these descriptors from the calling thread and from those that it starts later.
/// Returns whether that succeeded.
#[must_use]
pub(super) fn give_up_connection(others: &[RawFd]) -> bool {
    let connection = lock_ignoring_poison(&CONNECTION).as_ref().map(|stream| stream.as_raw_fd());
    HOLDS_CONNECTION.set(false);
    let is_separated = unshare_descriptors();
    for descriptor in others.iter().chain(&connection).filter(|_| is_separated) {
        // SAFETY: the owners use these descriptors on threads with another table only.
        unsafe { libc::close(*descriptor) };
    }
    is_separated
}

/// Gives the calling thread a table of descriptors of its own. `close_range` may be allowed where `unshare` is
/// not, as in a container.
#[cfg(target_os = "linux")]
fn unshare_descriptors() -> bool {
    const NONE: libc::c_uint = libc::c_uint::MAX;
    // SAFETY: system calls with constant arguments; no descriptor has the highest number.
    unsafe {
        libc::syscall(libc::SYS_close_range, NONE - 1, NONE - 1, libc::CLOSE_RANGE_UNSHARE) == 0
            || libc::unshare(libc::CLONE_FILES) == 0
    }
}

#[cfg(not(target_os = "linux"))]
fn unshare_descriptors() -> bool {
    false
}

/// Appends an event, and waits until it is on its way. The supervisor keeps a limited number of bytes, and once
/// an event did not fit, no [`TrialEvent::Done`].
pub(super) fn write_event(event: &TrialEvent) {
    let Ok(line) = encode_event(event) else { return };
    if HOLDS_CONNECTION.get() {
        if event.is_progress() {
            flush();
        }
        return send_line(&line);
    }
    // File accesses are many: whatever comes next is sent after them.
    relay::relay_line(&line, !matches!(event, TrialEvent::Touched(_) | TrialEvent::Compiled(_)));
}

/// Waits until the events of all threads are sent.
pub(super) fn flush() {
    relay::relay_line(b"", true);
}

fn send_line(line: &[u8]) {
    let _only = relay::lock_connection();
    if let Some(connection) = lock_ignoring_poison(&CONNECTION).as_deref() {
        // Without a supervisor, this process is killed.
        drop((&mut &*connection).write_all(line));
    }
}

/// Waits until the supervisor has passed the complete record on. Returns whether it did.
pub(super) fn wait_for_receipt() -> bool {
    let connection = lock_ignoring_poison(&CONNECTION).clone();
    connection.is_some_and(|connection| (&mut &*connection).read_exact(&mut [0]).is_ok())
}

/// Appends that a phase begins in this interpreter.
pub(super) fn record_phase(interpreter: &str, phase: ProtocolPhase) {
    write_event(&TrialEvent::Step(interpreter.to_owned(), phase));
}
