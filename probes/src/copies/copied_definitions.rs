//! The definitions of modules that were loaded from private copies. A copy belongs to one interpreter of a process,
//! so their addresses tell whether a module is one of them.

use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::ptr::{null, null_mut};
use std::sync::Mutex;

use crate::python::{self, PyObject};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Addresses of `PyModuleDef`s, and tokens of modules without one (3.15+).
static ADDRESSES: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Remembers the definition or token of modules of a private copy.
pub(super) fn remember(definition: *const c_void) {
    if !definition.is_null() {
        lock_ignoring_poison(&ADDRESSES).insert(definition as usize);
    }
}

/// Remembers the token that a module of a private copy has chosen itself.
///
/// # Safety
/// `module` is alive, and the thread holds the GIL.
pub(super) unsafe fn remember_token(module: *mut PyObject) {
    // SAFETY: guaranteed by the caller.
    remember(unsafe { find_token(module) });
}

/// Whether an object is a module that was loaded from a private copy.
///
/// # Safety
/// `module` is alive, and the thread holds the GIL.
pub(super) unsafe fn is_copied(module: *mut PyObject) -> bool {
    // SAFETY: guaranteed by the caller.
    let address = unsafe { find_token(module) };
    !address.is_null() && lock_ignoring_poison(&ADDRESSES).contains(&(address as usize))
}

/// The token of a module, which is the address of its definition if it has one; null if the object is no module or
/// has neither. An exception that is set is kept.
///
/// # Safety
/// `module` is alive, and the thread holds the GIL.
unsafe fn find_token(module: *mut PyObject) -> *const c_void {
    type GetToken = unsafe extern "C" fn(*mut PyObject, *mut *mut c_void) -> c_int;
    // SAFETY: guaranteed by the caller; both functions accept modules.
    unsafe {
        if python::PyModule_Check(module) == 0 {
            return null();
        }
        match python::find_symbol(c"PyModule_GetToken") {
            Some(function) => {
                let mut token = null_mut();
                transmute::<*mut c_void, GetToken>(function.as_ptr())(module, &raw mut token);
                token
            }
            None => python::PyModule_GetDef(module).cast::<c_void>(),
        }
    }
}
