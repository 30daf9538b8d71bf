//! The record of a trial: events that this process sends to its supervisor, which keeps them in its own
//! memory. So they survive a crash, and what was sent cannot be changed.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use wsgiaudit_probes_core::protocol::{ProtocolPhase, TrialEvent};
use wsgiaudit_probes_core::record_format::encode_event;

use crate::lock::lock_ignoring_poison;

/// Maximum number of objects that one event describes.
pub(super) const MAX_DESCRIBED: usize = 12;

/// The connection of this process to its supervisor. Its descriptor exists in the table of the driver and the
/// relay only.
static CONNECTION: Mutex<Option<Arc<UnixStream>>> = Mutex::new(None);

/// Where other threads send their events.
static RELAY: Mutex<Option<Sender<RelayedEvent>>> = Mutex::new(None);

/// Id of the process whose events are relayed. A process that foreign code forks has no relay.
static RELAYED_PROCESS: AtomicU32 = AtomicU32::new(0);

/// An event, or none, and what is dropped once it and all before it are sent.
type RelayedEvent = (Option<TrialEvent>, Option<SyncSender<()>>);

thread_local! {
    /// Whether the table of descriptors of this thread has the connection.
    static HOLDS_CONNECTION: Cell<bool> = const { Cell::new(false) };
}

/// Makes this the connection to the supervisor, held by the calling thread, the only one of the process.
pub(super) fn open_record(connection: UnixStream) {
    RELAYED_PROCESS.store(0, SeqCst);
    *lock_ignoring_poison(&CONNECTION) = Some(Arc::new(connection));
    hold_connection();
}

/// Lets the calling thread write to the connection itself.
pub(super) fn hold_connection() {
    HOLDS_CONNECTION.set(true);
}

/// Takes the connection and these descriptors from the calling thread and from those that it starts later.
pub(super) fn give_up_connection(others: &[RawFd]) {
    let connection = lock_ignoring_poison(&CONNECTION).as_ref().map(|stream| stream.as_raw_fd());
    HOLDS_CONNECTION.set(false);
    let Some(connection) = connection else { return };
    if unshare_descriptors() {
        for descriptor in others.iter().chain([&connection]) {
            // SAFETY: the owners use these descriptors on threads with another table only.
            unsafe { libc::close(*descriptor) };
        }
    }
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

/// Starts the relay: the thread that sends the events of foreign threads. The calling thread holds the
/// connection.
pub(super) fn start_relay() -> JoinHandle<()> {
    let (sender, inbox) = channel();
    *lock_ignoring_poison(&RELAY) = Some(sender);
    RELAYED_PROCESS.store(std::process::id(), SeqCst);
    std::thread::spawn(move || relay_events(&inbox))
}

/// Stops the relay and closes the connection.
pub(super) fn stop_relay(relay: JoinHandle<()>) {
    RELAYED_PROCESS.store(0, SeqCst);
    drop(lock_ignoring_poison(&RELAY).take());
    drop(relay.join());
    drop(lock_ignoring_poison(&CONNECTION).take());
}

/// Sends events until there is no sender. Steps of the protocol are the driver's alone.
fn relay_events(inbox: &Receiver<RelayedEvent>) {
    hold_connection();
    for (event, _sent) in inbox {
        event.iter().filter(|event| !event.is_progress()).for_each(send_event);
    }
}

/// Appends an event, and waits until it is on its way. The supervisor keeps a limited number of bytes, and once
/// an event did not fit, no [`TrialEvent::Done`].
pub(super) fn write_event(event: &TrialEvent) {
    if HOLDS_CONNECTION.get() {
        if event.is_progress() {
            flush();
        }
        return send_event(event);
    }
    // File accesses are many: whatever comes next is sent after them.
    relay_event(Some(event.clone()), !matches!(event, TrialEvent::Touched(_)));
}

/// Waits until the events of all threads are sent.
pub(super) fn flush() {
    relay_event(None, true);
}

/// Passes an event to the relay. Waits until it and all before it are sent, if `waits`.
fn relay_event(event: Option<TrialEvent>, waits: bool) {
    if RELAYED_PROCESS.load(SeqCst) != std::process::id() {
        return;
    }
    let Some(relay) = lock_ignoring_poison(&RELAY).clone() else { return };
    let (sent, is_sent) = sync_channel(1);
    if relay.send((event, waits.then_some(sent))).is_ok() && waits {
        let _is_sent = is_sent.recv();
    }
}

fn send_event(event: &TrialEvent) {
    let Ok(line) = encode_event(event) else { return };
    if let Some(connection) = lock_ignoring_poison(&CONNECTION).as_deref() {
        // Without a supervisor, this process is killed.
        drop((&mut &*connection).write_all(&line));
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
