//! What the loader keeps in an interpreter: a dictionary that its functions get as their first argument, so that
//! it ends with the interpreter.

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::copy_tree::find_copy;
use super::raise::{Raised, check, own};
use crate::python::{self, Object, PyObject};

/// The keys of the dictionary.
pub(super) mod keys {
    use std::ffi::CStr;

    /// The folder of the tree (`bytes`).
    pub(in super::super) const TREE: &CStr = c"tree";
    /// The single-phase modules that were loaded (`dict`).
    pub(in super::super) const SINGLE_PHASE: &CStr = c"single-phase";
    /// `sys.getdlopenflags`.
    pub(in super::super) const FLAGS: &CStr = c"getdlopenflags";
    /// `_imp._override_multi_interp_extensions_check`; missing in the main interpreter.
    pub(in super::super) const OVERRIDE: &CStr = c"override";
    /// CPython's function that the called one replaces.
    pub(in super::super) const REPLACED: &CStr = c"replaced";
}

/// The state of the loader in the current interpreter. The dictionary is borrowed.
#[derive(Clone, Copy)]
pub(super) struct LoaderState(*mut PyObject);

impl LoaderState {
    /// # Safety
    /// `dictionary` was filled by `install` and outlives the state.
    pub(super) unsafe fn new(dictionary: *mut PyObject) -> Self {
        Self(dictionary)
    }

    /// Returns a borrowed entry.
    ///
    /// # Safety
    /// The thread holds the interpreter's GIL.
    pub(super) unsafe fn get(self, key: &CStr) -> Option<*mut PyObject> {
        // SAFETY: guaranteed by the caller. The function sets no exception.
        let value = unsafe { python::PyDict_GetItemString(self.0, key.as_ptr()) };
        (!value.is_null()).then_some(value)
    }

    /// Returns a borrowed entry that is always there.
    ///
    /// # Safety
    /// As for [`LoaderState::get`].
    pub(super) unsafe fn require(self, key: &CStr) -> Result<*mut PyObject, Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            self.get(key).ok_or_else(|| {
                python::PyErr_SetString(python::PyExc_KeyError, key.as_ptr());
                Raised
            })
        }
    }

    /// A copy of the state with another function in [`keys::REPLACED`].
    ///
    /// # Safety
    /// As for [`LoaderState::get`].
    pub(super) unsafe fn with_replaced(self, function: &Object) -> Result<Object, Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let copy = own(python::PyDict_Copy(self.0))?;
            let key = keys::REPLACED.as_ptr();
            check(python::PyDict_SetItemString(copy.as_ptr(), key, function.as_ptr()))?;
            Ok(copy)
        }
    }

    /// Finds the private copy of a file in the interpreter's tree; `None` if it has none.
    ///
    /// # Safety
    /// As for [`LoaderState::get`].
    pub(super) unsafe fn find_copy(self, file: &Path) -> Result<Option<PathBuf>, Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let tree = bytes_to_path(self.require(keys::TREE)?).ok_or(Raised)?;
            find_copy(&tree, file).map_err(|error| {
                python::raise_error(python::PyExc_OSError, &error);
                Raised
            })
        }
    }
}

/// Converts `bytes` to a path; `None` for any other type.
///
/// # Safety
/// `object` is alive, and the thread holds the GIL.
pub(super) unsafe fn bytes_to_path(object: *mut PyObject) -> Option<PathBuf> {
    // SAFETY: guaranteed by the caller.
    unsafe { python::copy_bytes(object) }.map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
}

/// Converts a path to `bytes`.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn path_to_bytes(path: &Path) -> Result<Object, Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe { python::new_bytes(path.as_os_str().as_bytes()) }.ok_or(Raised)
}

/// Converts a `str`, `bytes` or `os.PathLike` to a path as CPython does; `None` if it cannot.
///
/// # Safety
/// `object` is alive, and the thread holds the GIL.
pub(super) unsafe fn object_to_path(object: *mut PyObject) -> Option<PathBuf> {
    let mut bytes = std::ptr::null_mut::<PyObject>();
    // SAFETY: the converter stores a new reference or fails.
    unsafe {
        if python::PyUnicode_FSConverter(object, (&raw mut bytes).cast()) == 0 {
            python::PyErr_Clear();
            return None;
        }
        let bytes = Object::new(bytes)?;
        bytes_to_path(bytes.as_ptr())
    }
}
