//! Detects uses of an object by a thread of another interpreter.
//!
//! The pages that contain the object are protected, so that each access faults. The signal handler records
//! the access, unprotects the page for that one instruction, and protects it again. The running code does not
//! notice. All memory of another interpreter's objects is watched in the same way ([`arenas`]), so addresses
//! need not be known.
//!
//! Single-stepping works only on x86-64 Linux. Elsewhere, a page stays unprotected after its first fault:
//! fewer uses are detected, but no wrong ones.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed};

use wsgiaudit_probes_core::memory_map::{PAGE_SIZE, is_in_ranges, page_of, pages_of_range};

use super::arena_accesses::{self, ArenaAccess};
use super::arenas;
use super::sharing::{RetainingPointer, writable_ranges};
use super::signal_context::{instruction_pointer, set_single_step};

/// Maximum number of objects watched at a time: enough to show that one is used.
const MAX_OBJECTS: usize = 64;

struct WatchedRange {
    start: AtomicUsize,
    end: AtomicUsize,
    is_used: AtomicBool,
}

static WATCHED: [WatchedRange; MAX_OBJECTS] = [const {
    WatchedRange { start: AtomicUsize::new(0), end: AtomicUsize::new(0), is_used: AtomicBool::new(false) }
}; MAX_OBJECTS];

/// Number of entries in use. 0 means that nothing is watched.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Id of the thread whose accesses count, or [`ANY_THREAD`].
static THREAD: AtomicI32 = AtomicI32::new(0);
const ANY_THREAD: i32 = -1;

/// The page that is unprotected for one instruction.
static UNPROTECTED: AtomicUsize = AtomicUsize::new(0);

/// Watches objects until dropped.
pub(super) struct PageWatch {
    pages: Vec<usize>,
    pointers: Vec<RetainingPointer>,
}

impl PageWatch {
    /// Denies all threads access to these objects and to the arenas of this interpreter, and records accesses
    /// of the calling thread.
    pub(super) fn start_watch(mut pointers: Vec<RetainingPointer>, interpreter: Option<i64>) -> Self {
        let heap = writable_ranges();
        pointers.retain(|pointer| {
            is_in_ranges(&heap, pointer.object) && is_in_ranges(&heap, pointer.object + pointer.size - 1)
        });
        pointers.truncate(MAX_OBJECTS);
        for (watched, pointer) in WATCHED.iter().zip(&pointers) {
            watched.start.store(pointer.object, Relaxed);
            watched.end.store(pointer.object + pointer.size, Relaxed);
            watched.is_used.store(false, Relaxed);
        }
        let mut pages: Vec<usize> = pointers.iter().flat_map(pages_of_object).collect();
        pages.sort_unstable();
        pages.dedup();
        // SAFETY: gettid cannot fail.
        THREAD.store(unsafe { libc::gettid() }, Relaxed);
        UNPROTECTED.store(0, Relaxed);
        COUNT.store(pointers.len(), Relaxed);
        arena_accesses::clear_accesses();
        interpreter.into_iter().for_each(arenas::deny_access);
        pages.iter().for_each(|page| protect_page(*page, libc::PROT_NONE));
        Self { pages, pointers }
    }

    /// Stops watching. Returns the objects that were used, and the accesses to arenas.
    pub(super) fn stop_watch(self) -> (Vec<RetainingPointer>, Vec<ArenaAccess>) {
        let used = self.used_objects();
        drop(self);
        // SAFETY: nothing is watched anymore.
        (used, unsafe { arena_accesses::recorded_accesses() })
    }

    /// Returns the objects that were used so far.
    fn used_objects(&self) -> Vec<RetainingPointer> {
        let is_used = |(watched, _): &(&WatchedRange, &RetainingPointer)| watched.is_used.load(Relaxed);
        WATCHED.iter().zip(&self.pointers).filter(is_used).map(|(_, pointer)| pointer.clone()).collect()
    }
}

impl Drop for PageWatch {
    fn drop(&mut self) {
        COUNT.store(0, Relaxed);
        arenas::restore_access();
        self.pages.iter().for_each(|page| protect_page(*page, libc::PROT_READ | libc::PROT_WRITE));
    }
}

/// Denies all threads access to the arenas that an ended interpreter has left, and records every access, for
/// as long as the process lives. No [`PageWatch`] may start afterwards.
pub(super) fn watch_ended_interpreter(interpreter: i64) {
    if THREAD.swap(ANY_THREAD, Relaxed) != ANY_THREAD {
        arena_accesses::clear_accesses();
    }
    arenas::deny_access(interpreter);
}

fn pages_of_object(pointer: &RetainingPointer) -> impl Iterator<Item = usize> + use<> {
    pages_of_range(pointer.object..pointer.object + pointer.size)
}

fn protect_page(page: usize, rights: c_int) {
    // SAFETY: a page of anonymous memory that was readable and writable.
    unsafe { libc::mprotect(page as *mut c_void, PAGE_SIZE, rights) };
}

/// Handles a signal of a watched page. Returns false for any other signal. Async-signal-safe.
///
/// # Safety
/// The arguments are those the kernel passed to the handler.
pub(super) unsafe fn handle_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) -> bool {
    /// `SEGV_ACCERR` (sigaction(2)): the page is mapped, but protected.
    const PROTECTED: c_int = 2;
    if signal == libc::SIGTRAP {
        let page = UNPROTECTED.swap(0, Relaxed);
        if page != 0 {
            set_single_step(context, false);
            if is_page_watched(page) {
                protect_page(page, libc::PROT_NONE);
            }
        }
        return page != 0;
    }
    // SAFETY: guaranteed by the caller.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    let page = page_of(address);
    if signal != libc::SIGSEGV || code != PROTECTED || !is_page_watched(page) {
        return false;
    }
    protect_page(page, libc::PROT_READ | libc::PROT_WRITE);
    let thread = THREAD.load(Relaxed);
    // SAFETY: gettid cannot fail.
    if thread == ANY_THREAD || unsafe { libc::gettid() } == thread {
        let contains_address =
            |each: &&WatchedRange| (each.start.load(Relaxed)..each.end.load(Relaxed)).contains(&address);
        watched_ranges().iter().filter(contains_address).for_each(|each| each.is_used.store(true, Relaxed));
        // SAFETY: the page has just been unprotected; this is a watched thread, in its handler.
        let can_go_on = || unsafe {
            arena_accesses::record_access(address, usize::try_from(instruction_pointer(context)).unwrap_or(0))
        };
        if arenas::is_access_denied(address) && !can_go_on() {
            arenas::restore_access();
        }
    }
    if UNPROTECTED.compare_exchange(0, page, Relaxed, Relaxed).is_ok() && !set_single_step(context, true) {
        UNPROTECTED.store(0, Relaxed);
    }
    true
}

fn watched_ranges() -> &'static [WatchedRange] {
    &WATCHED[..COUNT.load(Relaxed).min(MAX_OBJECTS)]
}

/// Whether this page is to be protected. Async-signal-safe.
fn is_page_watched(page: usize) -> bool {
    let is_in_page =
        |each: &WatchedRange| page_of(each.start.load(Relaxed)) <= page && page < each.end.load(Relaxed);
    watched_ranges().iter().any(is_in_page) || arenas::is_access_denied(page)
}
