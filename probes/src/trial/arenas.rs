//! Tracks the memory arenas of each interpreter's objects.
//!
//! An interpreter with its own GIL has its own object allocator (CPython 3.12+, `Objects/obmalloc.c`), which
//! allocates memory in arenas. So an access to an arena is an access to memory of that interpreter, wherever
//! the address comes from.
//!
//! Objects of more than 512 bytes, mostly types, lie elsewhere. Free-threaded builds have no arenas.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};

use crate::python::{self, PyObjectArenaAllocator};

/// Maximum number of tracked arenas, of 1 MiB each. Objects in further arenas are not watched.
const MAX_ARENAS: usize = 1024;

struct Arena {
    /// 0 if this entry is unused.
    start: AtomicUsize,
    size: AtomicUsize,
    /// Id of the interpreter that allocated it.
    interpreter: AtomicI64,
    is_closed: AtomicBool,
}

impl Arena {
    fn contains_address(&self, address: usize) -> bool {
        address.wrapping_sub(self.start.load(SeqCst)) < self.size.load(SeqCst)
    }

    fn set_protection(&self, rights: c_int) {
        let (start, size) = (self.start.load(SeqCst), self.size.load(SeqCst));
        // SAFETY: readable and writable memory mapped by the object allocator and not released yet.
        unsafe { libc::mprotect(start as *mut c_void, size, rights) };
    }
}

static ARENAS: [Arena; MAX_ARENAS] = [const {
    Arena {
        start: AtomicUsize::new(0),
        size: AtomicUsize::new(0),
        interpreter: AtomicI64::new(-1),
        is_closed: AtomicBool::new(false),
    }
}; MAX_ARENAS];

/// The arena allocator that was installed before.
static PREVIOUS_ALLOCATOR: OnceLock<PyObjectArenaAllocator> = OnceLock::new();

/// Starts tracking which interpreter allocates each arena.
///
/// # Safety
/// The thread holds the main interpreter's GIL, and no other interpreter runs.
pub(super) unsafe fn track_arenas() {
    let mut allocator = std::mem::MaybeUninit::uninit();
    // SAFETY: guaranteed by the caller. The first call initializes the struct, and the last copies its
    // argument.
    unsafe {
        python::PyObject_GetArenaAllocator(allocator.as_mut_ptr());
        let before = allocator.assume_init();
        if PREVIOUS_ALLOCATOR.set(before).is_ok() {
            python::PyObject_SetArenaAllocator(&PyObjectArenaAllocator {
                alloc: alloc_arena,
                free: free_arena,
                ..before
            });
        }
    }
}

/// Id of the interpreter that this thread is attached to.
///
/// # Safety
/// The thread holds its GIL.
pub(super) unsafe fn current_interpreter_id() -> i64 {
    // SAFETY: guaranteed by the caller.
    unsafe { python::PyInterpreterState_GetID(python::PyInterpreterState_Get()) }
}

/// Whether any arena of an interpreter is tracked.
pub(super) fn has_arenas(interpreter: i64) -> bool {
    ARENAS.iter().any(|arena| arena.start.load(SeqCst) != 0 && arena.interpreter.load(SeqCst) == interpreter)
}

/// Whether an address lies in an arena of this interpreter.
pub(super) fn is_in_arena_of(interpreter: i64, address: usize) -> bool {
    let is_its_own = |arena: &&Arena| arena.interpreter.load(SeqCst) == interpreter;
    ARENAS.iter().filter(is_its_own).any(|arena| arena.contains_address(address))
}

/// Whether an address lies in an arena of any interpreter.
pub(super) fn is_in_arena(address: usize) -> bool {
    ARENAS.iter().any(|arena| arena.contains_address(address))
}

/// Denies all threads access to the arenas of an interpreter.
pub(super) fn deny_access(interpreter: i64) {
    for arena in ARENAS.iter().filter(|arena| arena.interpreter.load(SeqCst) == interpreter) {
        arena.is_closed.store(true, SeqCst);
        arena.set_protection(libc::PROT_NONE);
    }
}

/// Restores access to all arenas. Async-signal-safe.
pub(super) fn restore_access() {
    for arena in &ARENAS {
        if arena.is_closed.swap(false, SeqCst) {
            arena.set_protection(libc::PROT_READ | libc::PROT_WRITE);
        }
    }
}

/// Whether an address lies in an arena to which access is denied. Async-signal-safe.
pub(super) fn is_access_denied(address: usize) -> bool {
    ARENAS.iter().any(|arena| arena.is_closed.load(SeqCst) && arena.contains_address(address))
}

unsafe extern "C" fn alloc_arena(_context: *mut c_void, size: usize) -> *mut c_void {
    let Some(before) = PREVIOUS_ALLOCATOR.get() else { return null_mut() };
    // SAFETY: passed on. The object allocator needs a GIL and allocates for the interpreter that holds it.
    let (block, interpreter) = unsafe { ((before.alloc)(before.context, size), current_interpreter_id()) };
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

unsafe extern "C" fn free_arena(_context: *mut c_void, block: *mut c_void, size: usize) {
    let is_freed = |arena: &&Arena| !block.is_null() && arena.start.load(SeqCst) == block as usize;
    if let Some(arena) = ARENAS.iter().find(is_freed) {
        arena.is_closed.store(false, SeqCst);
        arena.interpreter.store(-1, SeqCst);
        arena.size.store(0, SeqCst);
        arena.start.store(0, SeqCst);
    }
    if let Some(before) = PREVIOUS_ALLOCATOR.get() {
        // SAFETY: passed on.
        unsafe { (before.free)(before.context, block, size) };
    }
}
