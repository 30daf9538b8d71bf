//! The relay: a thread that sends the events of foreign threads to the supervisor, over the connection that they do
//! not have.
//!
//! Its memory is static. Pages of the heap may be watched for accesses, and no thread with the connection may
//! handle the faults of such pages: foreign code can replace the handlers.

use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use wsgiaudit_probes_core::record_format::RELAYED;

use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Bytes of the lines that wait to be sent.
const CAPACITY: usize = 1 << 20;

/// Takes the place of a line that is longer: no event, so that the record ends there.
const TOO_LONG: &[u8] = b"?\n";

/// Bytes that are sent at once.
const PART: usize = 16 << 10;

/// Lines that wait to be sent.
struct WaitingLines {
    bytes: [u8; CAPACITY],
    size: usize,
    /// Bytes that were added and sent so far.
    added: u64,
    sent: u64,
    is_running: bool,
}

static LINES: Mutex<WaitingLines> =
    Mutex::new(WaitingLines { bytes: [0; CAPACITY], size: 0, added: 0, sent: 0, is_running: false });

/// Signaled when lines are added, and when the relay is to stop.
static ADDED: Condvar = Condvar::new();

/// Signaled when lines are sent, and when the relay is to stop.
static SENT: Condvar = Condvar::new();

/// Held while whole lines are written to the connection.
static CONNECTION_USE: Mutex<()> = Mutex::new(());

/// Id of the process that has the relay. A process that foreign code forks has none.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The running relay.
pub(super) struct Relay(JoinHandle<()>);

/// Starts the relay, which calls `begin` first. The calling thread has the connection, which stays open until the
/// relay is stopped.
pub(super) fn start_relay(connection: RawFd, begin: fn()) -> Relay {
    {
        let mut lines = lock_ignoring_poison(&LINES);
        (lines.size, lines.added, lines.sent, lines.is_running) = (0, 0, 0, true);
    }
    PROCESS.store(std::process::id(), SeqCst);
    Relay(std::thread::spawn(move || {
        begin();
        send_lines(connection);
    }))
}

impl Relay {
    /// Sends what is left and stops the relay.
    pub(super) fn stop(self) {
        PROCESS.store(0, SeqCst);
        lock_ignoring_poison(&LINES).is_running = false;
        ADDED.notify_all();
        drop(self.0.join());
        SENT.notify_all();
    }
}

/// Forgets the relay of the parent process.
pub(super) fn forget_relay() {
    PROCESS.store(0, SeqCst);
}

/// Lets one thread at a time write to the connection.
pub(super) fn lock_connection() -> MutexGuard<'static, ()> {
    lock_ignoring_poison(&CONNECTION_USE)
}

/// Passes a line to the relay. Waits until it and all before it are sent, if `waits`.
pub(super) fn relay_line(line: &[u8], waits: bool) {
    if PROCESS.load(SeqCst) != std::process::id() {
        return;
    }
    let line = if line.len() > CAPACITY { TOO_LONG } else { line };
    let mut lines = lock_ignoring_poison(&LINES);
    while lines.is_running && CAPACITY - lines.size < line.len() {
        lines = SENT.wait(lines).unwrap_or_else(PoisonError::into_inner);
    }
    if !lines.is_running {
        return;
    }
    let start = lines.size;
    lines.bytes[start..start + line.len()].copy_from_slice(line);
    lines.size += line.len();
    lines.added += line.len() as u64;
    let all = lines.added;
    ADDED.notify_one();
    while waits && lines.is_running && lines.sent < all {
        lines = SENT.wait(lines).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Sends lines until the relay is stopped and all are sent.
fn send_lines(connection: RawFd) {
    // SAFETY: the descriptor is open while the relay runs (see `start_relay`), and is not closed here.
    let connection = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(connection) });
    let mut part = [0; PART];
    while wait_for_lines() {
        let _only = lock_connection();
        let mut begins_line = true;
        loop {
            let (taken, size) = lock_ignoring_poison(&LINES).take_part(&mut part, &mut begins_line);
            // Without a supervisor, this process is killed.
            drop((&mut &*connection).write_all(&part[..size]));
            lock_ignoring_poison(&LINES).sent += taken as u64;
            SENT.notify_all();
            if begins_line {
                break;
            }
        }
    }
}

/// Waits until there are lines to send. Returns whether there are.
fn wait_for_lines() -> bool {
    let mut lines = lock_ignoring_poison(&LINES);
    while lines.size == 0 && lines.is_running {
        lines = ADDED.wait(lines).unwrap_or_else(PoisonError::into_inner);
    }
    lines.size > 0
}

impl WaitingLines {
    /// Moves bytes to `part`, with the mark of the relay before each line. Returns how many were taken, and how many
    /// bytes of `part` they fill.
    fn take_part(&mut self, part: &mut [u8; PART], begins_line: &mut bool) -> (usize, usize) {
        let (mut taken, mut size) = (0, 0);
        while taken < self.size && size + 2 <= PART {
            if std::mem::take(begins_line) {
                part[size] = RELAYED;
                size += 1;
            }
            part[size] = self.bytes[taken];
            *begins_line = part[size] == b'\n';
            (taken, size) = (taken + 1, size + 1);
        }
        self.bytes.copy_within(taken..self.size, 0);
        self.size -= taken;
        (taken, size)
    }
}
