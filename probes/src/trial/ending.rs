//! What the end of an interpreter frees, on a free-threaded build. Each of its threads has memory of its own there, and
//! each interpreter a pool for what its threads leave (CPython, `Python/pystate.c`, `tstate_mimalloc_bind`), which nobody
//! takes over: a freed object may look for ever as it did when it lived. Whether it does must not depend on chance.
//!
//! So each object that the interpreter reached gets an impossible type as it is freed. As CPython's own debug allocator has
//! it (`Objects/obmalloc.c`, `fill_mem_debug`), what lies before the type stays.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::OnceLock;

use foldhash::HashMap;

use super::freed::NO_TYPE;
use super::sharing::{Heap, Reach, size_of_object};
use crate::python::{self, Free, PyMemAllocatorEx, PyObject, Realloc};

/// Bytes before an object that has one of `FLAGS`: `Py_TPFLAGS_MANAGED_WEAKREF`, `Py_TPFLAGS_MANAGED_DICT`
/// (`Include/object.h`; `_PyType_PreHeaderSize` in `Include/internal/pycore_object.h`).
const PRE_HEADER: usize = 2 * size_of::<usize>();
const FLAGS: std::ffi::c_ulong = 1 << 3 | 1 << 4;

/// What gave the memory of objects back before.
static BEFORE: OnceLock<(Realloc, Free)> = OnceLock::new();

thread_local! {
    /// Of each block that this thread's interpreter has for an object: where the object's type lies.
    static TYPES: RefCell<HashMap<usize, usize>> = RefCell::default();
}

/// From now on sees what the allocator of objects frees.
///
/// # Safety
/// The thread holds the GIL of the main interpreter, and no other interpreter runs.
pub(super) unsafe fn watch() {
    let mut allocator = std::mem::MaybeUninit::uninit();
    // SAFETY: the caller's promise. The first call fills in all of it, and the last copies what wraps it.
    unsafe {
        python::PyMem_GetAllocator(python::PYMEM_DOMAIN_OBJ, allocator.as_mut_ptr());
        let mut allocator: PyMemAllocatorEx = allocator.assume_init();
        BEFORE.get_or_init(|| (allocator.realloc, allocator.free));
        (allocator.realloc, allocator.free) = (realloc, free);
        python::PyMem_SetAllocator(python::PYMEM_DOMAIN_OBJ, &allocator);
    }
}

/// From now on writes over what the interpreter of this thread has and frees. Does nothing where nobody
/// [`watch`]es.
///
/// # Errors
/// The exception, when the interpreter's objects cannot be asked for.
///
/// # Safety
/// As for [`Heap::walk`]; the interpreter runs nothing more, and its end is this thread's.
pub(super) unsafe fn begin() -> Result<(), String> {
    if BEFORE.get().is_none() {
        return Ok(());
    }
    // SAFETY: the caller's promise; every object of the heap lives.
    unsafe {
        let place = size_of_object()? - size_of::<usize>();
        let heap = Heap::walk(&[], Reach::Code)?;
        let types = heap.addresses().map(|address| {
            let before = if python::is_a(address as *mut PyObject, FLAGS) { PRE_HEADER } else { 0 };
            (address - before, address + place)
        });
        TYPES.set(types.collect());
    }
    Ok(())
}

/// Forgets a block. Returns where the type of the object in it lies; `None` where none of the interpreter that ends does.
fn forget(block: *mut c_void) -> Option<usize> {
    TYPES.try_with(|types| types.try_borrow_mut().ok()?.remove(&(block as usize))).ok().flatten()
}

unsafe extern "C" fn free(context: *mut c_void, block: *mut c_void) {
    if let Some(place) = forget(block) {
        // SAFETY: the object was there, and its memory is nobody's for as long as this call has not handed it on.
        unsafe { (place as *mut u64).write_volatile(NO_TYPE) };
    }
    if let Some((_, free)) = BEFORE.get() {
        // SAFETY: passed on.
        unsafe { free(context, block) };
    }
}

unsafe extern "C" fn realloc(context: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void {
    forget(block);
    // SAFETY: passed on. `watch` comes first.
    BEFORE.get().map_or(std::ptr::null_mut(), |(realloc, _)| unsafe { realloc(context, block, size) })
}
