//! Poisons the objects that the end of an interpreter frees, on a free-threaded build.
//!
//! There, each thread has its own heap and each interpreter a pool for the heaps of its ended threads
//! (CPython, `Python/pystate.c`, `tstate_mimalloc_bind`), which is not reused. So a freed object could look
//! alive forever, and a use after free would go unnoticed.
//!
//! Therefore each object that the interpreter could reach gets an invalid type pointer when it is freed. Like
//! CPython's debug allocator (`Objects/obmalloc.c`, `fill_mem_debug`), this leaves the bytes before the type
//! untouched.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::OnceLock;

use foldhash::HashMap;

use super::heap_scribble::NO_TYPE;
use super::sharing::{HeapScope, HeapSnapshot, pyobject_size};
use crate::python::{self, FreeFunction, PyMemAllocatorEx, PyObject, ReallocFunction};

/// Bytes before an object whose type has one of [`PRE_HEADER_FLAGS`] (`_PyType_PreHeaderSize` in
/// `Include/internal/pycore_object.h`).
const PRE_HEADER_SIZE: usize = 2 * size_of::<usize>();

/// `Py_TPFLAGS_MANAGED_WEAKREF` and `Py_TPFLAGS_MANAGED_DICT` (`Include/object.h`).
const PRE_HEADER_FLAGS: std::ffi::c_ulong = 1 << 3 | 1 << 4;

/// The previous functions of the object allocator.
static PREVIOUS_FUNCTIONS: OnceLock<(ReallocFunction, FreeFunction)> = OnceLock::new();

thread_local! {
    /// For each memory block of an object of this thread's interpreter: the address of the object's type
    /// pointer.
    static TYPE_ADDRESSES: RefCell<HashMap<usize, usize>> = RefCell::default();
}

/// Installs the hook into the object allocator that poisons freed objects.
///
/// # Safety
/// The thread holds the GIL of the main interpreter, and no other interpreter runs.
pub(super) unsafe fn install_free_hook() {
    let mut allocator = std::mem::MaybeUninit::uninit();
    // SAFETY: guaranteed by the caller. The first call initializes the struct, and the last copies its
    // argument.
    unsafe {
        python::PyMem_GetAllocator(python::PYMEM_DOMAIN_OBJ, allocator.as_mut_ptr());
        let mut allocator: PyMemAllocatorEx = allocator.assume_init();
        PREVIOUS_FUNCTIONS.get_or_init(|| (allocator.realloc, allocator.free));
        (allocator.realloc, allocator.free) = (realloc_tracked, free_poisoned);
        python::PyMem_SetAllocator(python::PYMEM_DOMAIN_OBJ, &allocator);
    }
}

/// From now on, poisons objects of this thread's interpreter when they are freed. Does nothing without
/// [`install_free_hook`].
///
/// # Errors
/// The exception, if the interpreter's objects cannot be listed.
///
/// # Safety
/// As for [`HeapSnapshot::walk_heap`]; no more code runs in the interpreter, and this thread ends it.
pub(super) unsafe fn start_poisoning() -> Result<(), String> {
    if PREVIOUS_FUNCTIONS.get().is_none() {
        return Ok(());
    }
    // SAFETY: guaranteed by the caller; all objects of the heap are alive.
    unsafe {
        let type_offset = pyobject_size()? - size_of::<usize>();
        let heap = HeapSnapshot::walk_heap(&[], HeapScope::Code)?;
        let types = heap.addresses().map(|address| {
            let before = if python::has_type_flag(address as *mut PyObject, PRE_HEADER_FLAGS) {
                PRE_HEADER_SIZE
            } else {
                0
            };
            (address - before, address + type_offset)
        });
        TYPE_ADDRESSES.set(types.collect());
    }
    Ok(())
}

/// Removes a block. Returns the address of the type pointer of its object; `None` if it is not an object of
/// the ending interpreter.
fn forget_block(block: *mut c_void) -> Option<usize> {
    TYPE_ADDRESSES.try_with(|types| types.try_borrow_mut().ok()?.remove(&(block as usize))).ok().flatten()
}

unsafe extern "C" fn free_poisoned(context: *mut c_void, block: *mut c_void) {
    if let Some(type_address) = forget_block(block) {
        // SAFETY: the block holds a dead object, and is not released before the call below.
        unsafe { (type_address as *mut u64).write_volatile(NO_TYPE) };
    }
    if let Some((_, free)) = PREVIOUS_FUNCTIONS.get() {
        // SAFETY: passed on.
        unsafe { free(context, block) };
    }
}

unsafe extern "C" fn realloc_tracked(context: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void {
    forget_block(block);
    // SAFETY: passed on. `install_free_hook` has set `PREVIOUS_FUNCTIONS`.
    PREVIOUS_FUNCTIONS
        .get()
        .map_or(std::ptr::null_mut(), |(realloc, _)| unsafe { realloc(context, block, size) })
}
