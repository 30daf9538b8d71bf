//! The memory that each interpreter's objects lie in. One with a GIL of its own has an allocator of objects of its own
//! (CPython 3.12 and later, `Objects/obmalloc.c`), which takes its memory in arenas: whoever uses an object in an arena uses
//! an object of that interpreter, wherever it has the address from.
//!
//! Objects of more than 512 bytes, types for the most part, lie elsewhere. A free-threaded build has no arenas.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};

use crate::python::{self, PyObjectArenaAllocator};

/// Arenas that are known at a time. They have 1 MiB each; objects in more of them are not watched.
const MOST: usize = 1024;

struct Arena {
    /// 0: this entry is free.
    start: AtomicUsize,
    size: AtomicUsize,
    /// The number of the interpreter that it was taken for.
    interpreter: AtomicI64,
    is_closed: AtomicBool,
}

impl Arena {
    fn holds(&self, address: usize) -> bool {
        address.wrapping_sub(self.start.load(SeqCst)) < self.size.load(SeqCst)
    }

    fn protect(&self, rights: c_int) {
        let (start, size) = (self.start.load(SeqCst), self.size.load(SeqCst));
        // SAFETY: memory that the allocator of objects has mapped to read and write, and not given back.
        unsafe { libc::mprotect(start as *mut c_void, size, rights) };
    }
}

static ARENAS: [Arena; MOST] = [const {
    Arena {
        start: AtomicUsize::new(0),
        size: AtomicUsize::new(0),
        interpreter: AtomicI64::new(-1),
        is_closed: AtomicBool::new(false),
    }
}; MOST];

/// What gave arenas before.
static BEFORE: OnceLock<PyObjectArenaAllocator> = OnceLock::new();

/// From now on notes for which interpreter each arena is taken.
///
/// # Safety
/// The thread holds the main interpreter's GIL, and no other interpreter runs.
pub(super) unsafe fn note() {
    let mut allocator = std::mem::MaybeUninit::uninit();
    // SAFETY: the caller's promise. The first call fills in all of it, and the last copies what wraps it.
    unsafe {
        python::PyObject_GetArenaAllocator(allocator.as_mut_ptr());
        let before = allocator.assume_init();
        if BEFORE.set(before).is_ok() {
            python::PyObject_SetArenaAllocator(&PyObjectArenaAllocator { alloc, free, ..before });
        }
    }
}

/// The number of the interpreter that this thread is in.
///
/// # Safety
/// The thread holds its GIL.
pub(super) unsafe fn interpreter() -> i64 {
    // SAFETY: the caller's promise.
    unsafe { python::PyInterpreterState_GetID(python::PyInterpreterState_Get()) }
}

/// Whether any arena of an interpreter is known.
pub(super) fn has_any(interpreter: i64) -> bool {
    ARENAS.iter().any(|arena| arena.start.load(SeqCst) != 0 && arena.interpreter.load(SeqCst) == interpreter)
}

/// Closes the arenas of an interpreter to every thread.
pub(super) fn close(interpreter: i64) {
    for arena in ARENAS.iter().filter(|arena| arena.interpreter.load(SeqCst) == interpreter) {
        arena.is_closed.store(true, SeqCst);
        arena.protect(libc::PROT_NONE);
    }
}

/// Opens all that are closed. Async-signal-safe.
pub(super) fn open() {
    for arena in &ARENAS {
        if arena.is_closed.swap(false, SeqCst) {
            arena.protect(libc::PROT_READ | libc::PROT_WRITE);
        }
    }
}

/// Whether an address lies in one that is closed. Async-signal-safe.
pub(super) fn is_closed(address: usize) -> bool {
    ARENAS.iter().any(|arena| arena.is_closed.load(SeqCst) && arena.holds(address))
}

unsafe extern "C" fn alloc(_context: *mut c_void, size: usize) -> *mut c_void {
    let Some(before) = BEFORE.get() else { return null_mut() };
    // SAFETY: passed on. The allocator of objects needs a GIL, and takes an arena for the interpreter that has it.
    let (block, interpreter) = unsafe { ((before.alloc)(before.context, size), interpreter()) };
    if block.is_null() {
        return block;
    }
    let is_claimed = |arena: &&Arena| arena.start.compare_exchange(0, block as usize, SeqCst, SeqCst).is_ok();
    if let Some(arena) = ARENAS.iter().find(is_claimed) {
        arena.size.store(size, SeqCst);
        arena.interpreter.store(interpreter, SeqCst);
    }
    block
}

unsafe extern "C" fn free(_context: *mut c_void, block: *mut c_void, size: usize) {
    let is_it = |arena: &&Arena| !block.is_null() && arena.start.load(SeqCst) == block as usize;
    if let Some(arena) = ARENAS.iter().find(is_it) {
        arena.is_closed.store(false, SeqCst);
        arena.interpreter.store(-1, SeqCst);
        arena.size.store(0, SeqCst);
        arena.start.store(0, SeqCst);
    }
    if let Some(before) = BEFORE.get() {
        // SAFETY: passed on.
        unsafe { (before.free)(before.context, block, size) };
    }
}
