//! Raises Python exceptions as CPython's loader does.

use std::ffi::CStr;
use std::ptr::null_mut;

use crate::python::{self, Object, PyObject};

/// A Python exception is set.
pub(super) struct Raised;

/// Takes ownership of a new reference, or reports the exception that the call has set.
///
/// # Safety
/// As for [`Object::new`].
pub(super) unsafe fn own(reference: *mut PyObject) -> Result<Object, Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe { Object::new(reference) }.ok_or(Raised)
}

/// Checks the status of a call that sets an exception if it fails.
pub(super) fn check(status: std::ffi::c_int) -> Result<(), Raised> {
    if status < 0 { Err(Raised) } else { Ok(()) }
}

/// What a C function returns to CPython: the object, or null if an exception is set.
pub(super) fn into_return_value(result: Result<Object, Raised>) -> *mut PyObject {
    result.map_or(null_mut(), Object::into_ptr)
}

/// Whether an exception is set.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn is_raised() -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe { !python::PyErr_Occurred().is_null() }
}

/// Raises a `SystemError` whose text is `format` with `name` for `%s`. An exception that is set becomes its cause
/// and context, as `_PyErr_FormatFromCause` (`Python/errors.c`) does it.
///
/// # Safety
/// The thread holds the GIL; `format` has one `%s`.
pub(super) unsafe fn raise_system_error(format: &CStr, name: &CStr) -> Raised {
    // SAFETY: each exception is normalized, so that its value is an exception, and owned by an `Object` or the
    // thread.
    unsafe {
        let cause = take_exception();
        python::PyErr_Format(python::PyExc_SystemError, format.as_ptr(), name.as_ptr());
        if let Some(cause) = cause
            && let Some(error) = take_exception()
        {
            // Both steal a reference.
            python::Py_IncRef(cause.as_ptr());
            python::PyException_SetCause(error.as_ptr(), cause.as_ptr());
            python::PyException_SetContext(error.as_ptr(), cause.into_ptr());
            set_exception(error);
        }
    }
    Raised
}

/// Raises an `ImportError` with these attributes.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn raise_import_error(text: &Object, name: &Object, path: &Object) -> Raised {
    // SAFETY: guaranteed by the caller.
    unsafe {
        drop(Object::new(python::PyErr_SetImportError(text.as_ptr(), name.as_ptr(), path.as_ptr())));
    }
    Raised
}

/// Takes the exception that is set, with its traceback.
///
/// # Safety
/// The thread holds the GIL.
#[expect(deprecated, reason = "PyErr_GetRaisedException is 3.12+; the library also loads into older ones")]
pub(super) unsafe fn take_exception() -> Option<Object> {
    // SAFETY: the three pointers become owned references or null.
    unsafe {
        let (mut kind, mut value, mut trace) = (null_mut(), null_mut(), null_mut());
        python::PyErr_Fetch(&mut kind, &mut value, &mut trace);
        if kind.is_null() {
            return None;
        }
        python::PyErr_NormalizeException(&mut kind, &mut value, &mut trace);
        let (_kind, value, trace) = (Object::new(kind), Object::new(value)?, Object::new(trace));
        if let Some(trace) = trace {
            python::PyException_SetTraceback(value.as_ptr(), trace.as_ptr());
        }
        Some(value)
    }
}

/// Sets an exception that [`take_exception`] returned.
///
/// # Safety
/// The thread holds the GIL.
#[expect(deprecated, reason = "PyErr_SetRaisedException is 3.12+; the library also loads into older ones")]
pub(super) unsafe fn set_exception(error: Object) {
    // SAFETY: PyErr_Restore steals the three references.
    unsafe {
        let kind = python::PyObject_Type(error.as_ptr());
        let trace = python::PyException_GetTraceback(error.as_ptr());
        python::PyErr_Restore(kind, error.into_ptr(), trace);
    }
}
