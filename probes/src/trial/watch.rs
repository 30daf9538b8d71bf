//! Sees that a thread uses an object which is not its interpreter's: the pages that hold it are closed meanwhile,
//! so that each access faults. The fault is noted where it lies in the object; then the page is opened for that one
//! instruction and closed again. What runs notices nothing. In the same way all memory of another interpreter's objects
//! is watched ([`arenas`]): who knows their addresses, need not be known.
//!
//! Where one instruction cannot be told from the next (not on x86-64 Linux), a page stays open after its first fault:
//! what is seen is still true, and less is seen.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed};

use super::sharing::{Keeper, is_in, writable};
use super::uses::{self, Use};
use super::{arenas, crash};

/// Objects that are watched at a time: more are never needed to say that one is used.
const MOST: usize = 64;

/// Bytes of a page, at least.
const PAGE: usize = 4096;

struct Watched {
    start: AtomicUsize,
    end: AtomicUsize,
    is_used: AtomicBool,
}

static WATCHED: [Watched; MOST] = [const {
    Watched { start: AtomicUsize::new(0), end: AtomicUsize::new(0), is_used: AtomicBool::new(false) }
}; MOST];

/// How many of them there are. 0: the handler has no business here.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The thread whose accesses count, as `gettid` says it.
static THREAD: AtomicI32 = AtomicI32::new(0);

/// The page that is open for one instruction.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Objects that are watched until this goes.
pub(super) struct Watch {
    pages: Vec<usize>,
    keepers: Vec<Keeper>,
}

impl Watch {
    /// Closes the pages of these objects, and the arenas of this interpreter, to every thread; what this one uses is noted.
    pub(super) fn begin(mut keepers: Vec<Keeper>, interpreter: Option<i64>) -> Self {
        let heap = writable();
        keepers.retain(|keeper| is_in(&heap, keeper.object) && is_in(&heap, keeper.object + keeper.size - 1));
        keepers.truncate(MOST);
        for (watched, keeper) in WATCHED.iter().zip(&keepers) {
            watched.start.store(keeper.object, Relaxed);
            watched.end.store(keeper.object + keeper.size, Relaxed);
            watched.is_used.store(false, Relaxed);
        }
        let mut pages: Vec<usize> = keepers.iter().flat_map(pages).collect();
        pages.sort_unstable();
        pages.dedup();
        // SAFETY: gettid cannot fail.
        THREAD.store(unsafe { libc::gettid() }, Relaxed);
        OPEN.store(0, Relaxed);
        COUNT.store(keepers.len(), Relaxed);
        uses::begin();
        interpreter.into_iter().for_each(arenas::close);
        pages.iter().for_each(|page| protect(*page, libc::PROT_NONE));
        Self { pages, keepers }
    }

    /// Ends it. What was used: of the objects, and in the arenas.
    pub(super) fn end(self) -> (Vec<Keeper>, Vec<Use>) {
        let used = self.used();
        drop(self);
        // SAFETY: nothing is watched any more.
        (used, unsafe { uses::all() })
    }

    /// Those objects that were used so far.
    fn used(&self) -> Vec<Keeper> {
        let is_used = |(watched, _): &(&Watched, &Keeper)| watched.is_used.load(Relaxed);
        WATCHED.iter().zip(&self.keepers).filter(is_used).map(|(_, keeper)| keeper.clone()).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        COUNT.store(0, Relaxed);
        arenas::open();
        self.pages.iter().for_each(|page| protect(*page, libc::PROT_READ | libc::PROT_WRITE));
    }
}

fn pages(keeper: &Keeper) -> impl Iterator<Item = usize> + use<> {
    let Range { start, end } = keeper.object..keeper.object + keeper.size;
    (start / PAGE * PAGE..end).step_by(PAGE)
}

fn protect(page: usize, rights: c_int) {
    // SAFETY: a page of memory without a file, which was open to read and write.
    unsafe { libc::mprotect(page as *mut c_void, PAGE, rights) };
}

/// Whether this signal is one of a watched page, and dealt with. Async-signal-safe.
///
/// # Safety
/// The arguments are the kernel's.
pub(super) unsafe fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) -> bool {
    /// `SEGV_ACCERR` (sigaction(2)): the page is there, and closed.
    const CLOSED: c_int = 2;
    if signal == libc::SIGTRAP {
        let page = OPEN.swap(0, Relaxed);
        if page != 0 {
            step(context, false);
            if is_watched(page) {
                protect(page, libc::PROT_NONE);
            }
        }
        return page != 0;
    }
    // SAFETY: the caller's promise.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    let page = address / PAGE * PAGE;
    if signal != libc::SIGSEGV || code != CLOSED || !is_watched(page) {
        return false;
    }
    protect(page, libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: gettid cannot fail.
    if unsafe { libc::gettid() } == THREAD.load(Relaxed) {
        let of = |each: &&Watched| (each.start.load(Relaxed)..each.end.load(Relaxed)).contains(&address);
        watched().iter().filter(of).for_each(|each| each.is_used.store(true, Relaxed));
        // SAFETY: the page has just been opened; this is the one thread, and its handler.
        let can_go_on =
            || unsafe { uses::note(address, usize::try_from(crash::instruction(context)).unwrap_or(0)) };
        if arenas::is_closed(address) && !can_go_on() {
            arenas::open();
        }
    }
    if OPEN.compare_exchange(0, page, Relaxed, Relaxed).is_ok() && !step(context, true) {
        OPEN.store(0, Relaxed);
    }
    true
}

fn watched() -> &'static [Watched] {
    &WATCHED[..COUNT.load(Relaxed).min(MOST)]
}

/// Whether this page is to be closed. Async-signal-safe.
fn is_watched(page: usize) -> bool {
    let is_in_page =
        |each: &Watched| each.start.load(Relaxed) / PAGE * PAGE <= page && page < each.end.load(Relaxed);
    watched().iter().any(is_in_page) || arenas::is_closed(page)
}

/// Has the processor stop after the next instruction, or no more. Whether it can be had to.
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    expect(unused_variables, reason = "no layout is known")
)]
fn step(context: *mut c_void, stops: bool) -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: the kernel's third argument of a signal handler.
    unsafe {
        /// The trap flag of the flags register.
        const TRAP: i64 = 0x100;
        let flags = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_EFL as usize];
        *flags = if stops { *flags | TRAP } else { *flags & !TRAP };
        true
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    false
}

/// The threads of this process, with their names (proc(5), `/proc/pid/task/tid/comm`).
pub(super) fn named_threads() -> BTreeMap<String, String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
            Some((task.file_name().to_string_lossy().into_owned(), name.trim_end().to_owned()))
        })
        .collect()
}

/// How many threads this process has; none where that cannot be told.
pub(super) fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}
