//! Memory that an ended interpreter has given back, and that others will use: a server's next request writes there. Whether
//! what still points into it does harm must not depend on chance.

use std::ffi::c_void;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::python;

/// A type at an address that no system has.
pub(super) const NO_TYPE: u64 = 0xdddd_dddd_dddd_dddd;

/// What is written: at every place where an object may begin (`Include/object.h`) the count of one last reference, which
/// whoever drops it brings to an end, and such a type.
const WORDS: [u64; 2] = [1, NO_TYPE];

/// Bytes of the largest block that CPython's own allocator hands out, and of its steps (`Objects/obmalloc.c`).
const SMALL: usize = 512;
const STEP: usize = size_of::<[u64; 2]>();

/// Bytes that are written in such blocks of each size.
const EACH: usize = 1 << 17;

/// Bytes of the largest block of the C library's allocator that is written, as types take them, and how many of each
/// size.
const LARGE: usize = 2048;
const COUNT: usize = 16;

/// Threads that have had interpreters: the C library keeps the memory of each apart (malloc(3), arenas), and gives it
/// to the threads that come next. Those that take it have memory of their own from then on, and another interpreter
/// has ended before it is taken again: each time one more thread takes it, and none of it is left out by chance.
static THREADS: AtomicUsize = AtomicUsize::new(3);

/// Takes free memory, size by size, writes all over it and keeps it.
///
/// # Safety
/// The thread holds the GIL of an interpreter which has its objects where the ended ones had theirs.
pub(super) unsafe fn take() {
    for size in (STEP..=SMALL).step_by(STEP) {
        for _ in 0..EACH / size {
            // SAFETY: the caller's promise; the block is this function's for as long as the process lives.
            unsafe { fill(python::PyObject_Malloc(size), size) };
        }
    }
    let threads = THREADS.fetch_add(1, Ordering::Relaxed);
    let all = Barrier::new(threads);
    let take_large = || {
        all.wait();
        for size in (SMALL..=LARGE).step_by(STEP) {
            for _ in 0..COUNT {
                // SAFETY: as above.
                unsafe { fill(libc::malloc(size), size) };
            }
        }
        // None ends, and hands its memory on, before the last has begun.
        all.wait();
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(take_large))));
}

/// # Safety
/// A block of that size, aligned as objects are, or none.
unsafe fn fill(block: *mut c_void, size: usize) {
    if !block.is_null() {
        // SAFETY: the caller's promise.
        let words = unsafe { std::slice::from_raw_parts_mut(block.cast::<[u64; 2]>(), size / STEP) };
        words.fill(WORDS);
    }
}
