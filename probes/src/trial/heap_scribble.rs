//! Overwrites memory that an ended interpreter has freed and that others will reuse, as the next request of a
//! server would. So a dangling pointer into that memory causes a failure reliably.

use std::ffi::c_void;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::python;

/// A type pointer with an address that is invalid on every system.
pub(super) const NO_TYPE: u64 = 0xdddd_dddd_dddd_dddd;

/// The pattern written wherever an object may begin (`Include/object.h`): a reference count of 1, so that
/// dropping a reference deallocates the object, and an invalid type.
const PATTERN: [u64; 2] = [1, NO_TYPE];

/// Largest block size of CPython's object allocator, in bytes (`Objects/obmalloc.c`).
const MAX_SMALL_BLOCK: usize = 512;

/// Alignment and size step of that allocator.
const ALIGNMENT: usize = size_of::<[u64; 2]>();

/// Bytes to overwrite for each block size.
const BYTES_PER_SIZE: usize = 1 << 17;

/// Largest block size of the C library's allocator to overwrite, in bytes: enough for types.
const MAX_LARGE_BLOCK: usize = 2048;

/// Number of such blocks of each size.
const BLOCKS_PER_SIZE: usize = 16;

/// Number of threads to use.
///
/// The C library has an arena per thread (malloc(3)) and passes the arenas of ended threads to new threads.
/// Those that take one have an arena of their own from then on, and by the next call another interpreter has
/// ended. So each call uses one thread more, and all arenas are covered.
static THREADS: AtomicUsize = AtomicUsize::new(3);

/// Allocates free memory of all sizes, overwrites it and never frees it.
///
/// # Safety
/// The thread holds the GIL of an interpreter that shares its object allocator with the ended ones.
pub(super) unsafe fn scribble_free_memory() {
    for size in (ALIGNMENT..=MAX_SMALL_BLOCK).step_by(ALIGNMENT) {
        for _ in 0..BYTES_PER_SIZE / size {
            // SAFETY: guaranteed by the caller; the block is never freed.
            unsafe { fill_block(python::PyObject_Malloc(size), size) };
        }
    }
    let threads = THREADS.fetch_add(1, Ordering::Relaxed);
    let all = Barrier::new(threads);
    let take_large = || {
        all.wait();
        for size in (MAX_SMALL_BLOCK..=MAX_LARGE_BLOCK).step_by(ALIGNMENT) {
            for _ in 0..BLOCKS_PER_SIZE {
                // SAFETY: as above.
                unsafe { fill_block(libc::malloc(size), size) };
            }
        }
        // No thread may end, and pass on its arena, before the last one has started.
        all.wait();
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(take_large))));
}

/// Fills a block with the pattern.
///
/// # Safety
/// `block` is null or a block of that size, aligned like objects.
unsafe fn fill_block(block: *mut c_void, size: usize) {
    if !block.is_null() {
        // SAFETY: guaranteed by the caller.
        let words = unsafe { std::slice::from_raw_parts_mut(block.cast::<[u64; 2]>(), size / ALIGNMENT) };
        words.fill(PATTERN);
    }
}
