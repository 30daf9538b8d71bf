//! Follows pointers from the static data of shared objects into memory from `malloc`, such as a container of C++, to
//! objects of an interpreter.
//!
//! A block is recognized by the header that glibc keeps before it, and the next one's (`malloc/malloc.c`,
//! `struct malloc_chunk`). Other allocators have none, and their blocks are not followed. The search is conservative: a
//! number may look like a pointer. So what it finds is only watched.

use std::collections::{HashSet, VecDeque};

use wsgiaudit_probes_core::malloc_chunk::usable_size;
use wsgiaudit_probes_core::memory_map::{is_in_ranges, is_within_range};

use crate::python::{self, PyThreadState};
use crate::trial::arenas;

/// Maximum number of bytes read in one search.
const MAX_BYTES: usize = 32 << 20;

/// Maximum size of a block: larger tables do not hold object pointers.
const MAX_BLOCK: usize = 4 << 20;

/// A word on the heap that holds the address of an object.
pub(super) struct HeapWord {
    /// Address of the word.
    pub(super) word: usize,
    /// Address of the object.
    pub(super) object: usize,
    /// Index of the root that led to it.
    pub(super) root: usize,
}

/// Follows the addresses in `roots`, breadth first, through blocks in these writable ranges. Returns a word for each object
/// that is found: what lies in an arena, where every use is watched anyway, is not followed and not returned.
///
/// # Safety
/// The thread holds a GIL; the ranges are mapped, and no other thread of the process runs.
pub(super) unsafe fn follow_pointers(
    roots: &[usize],
    written: &[(usize, usize)],
    is_object: impl Fn(usize) -> bool,
) -> Vec<HeapWord> {
    // SAFETY: guaranteed by the caller.
    let states = unsafe { interpreter_states() };
    let (mut seen, mut objects) = (HashSet::new(), HashSet::new());
    let (mut found, mut read) = (Vec::new(), 0);
    let mut waiting: VecDeque<(usize, usize)> =
        roots.iter().copied().zip(0..).filter(|(address, _)| !is_object(*address)).collect();
    while let Some((block, root)) = waiting.pop_front() {
        if arenas::is_in_arena(block) || !seen.insert(block) {
            continue;
        }
        // SAFETY: guaranteed by the caller.
        let Some(size) = (unsafe { block_size(block, written) }) else { continue };
        let holds_state = states.iter().any(|state| (block..block + size).contains(state));
        if holds_state || read + size > MAX_BYTES {
            continue;
        }
        read += size;
        for word in (block..block + size).step_by(8) {
            // SAFETY: within a block in mapped memory.
            let value = unsafe { (word as *const usize).read_volatile() };
            if value == 0 || value % 8 != 0 || !is_in_ranges(written, value) || arenas::is_in_arena(value) {
                continue;
            }
            if !is_object(value) {
                waiting.push_back((value, root));
            } else if objects.insert(value) {
                found.push(HeapWord { word, object: value, root });
            }
        }
    }
    found
}

/// The number of usable bytes of the block at this address; `None` if no block begins there.
///
/// # Safety
/// The ranges are mapped.
unsafe fn block_size(block: usize, written: &[(usize, usize)]) -> Option<usize> {
    let read = |address: usize| {
        // SAFETY: guaranteed by the caller.
        is_within_range(written, &(address..address + 8))
            .then(|| unsafe { (address as *const usize).read_volatile() })
    };
    usable_size(block, MAX_BLOCK, read).filter(|size| is_within_range(written, &(block..block + size)))
}

/// Addresses of the states of all interpreters and their threads: through these, everything of an interpreter could be
/// reached.
///
/// # Safety
/// The thread holds a GIL, and no other thread runs Python code.
unsafe fn interpreter_states() -> Vec<usize> {
    let mut states = Vec::new();
    // SAFETY: guaranteed by the caller: no interpreter and no thread state comes or goes meanwhile.
    unsafe {
        let mut interpreter = python::PyInterpreterState_Head();
        while !interpreter.is_null() {
            states.push(interpreter as usize);
            let mut thread: *mut PyThreadState = python::PyInterpreterState_ThreadHead(interpreter);
            while !thread.is_null() {
                states.push(thread as usize);
                thread = python::PyThreadState_Next(thread);
            }
            interpreter = python::PyInterpreterState_Next(interpreter);
        }
    }
    states
}
