//! Lets interpreters with private copies import `faulthandler`, without its functions that change the whole process.
//!
//! CPython refuses the module in interpreters with their own GIL, since some of its functions keep an object for the whole
//! process: a later call, from any interpreter, frees it (`fatal_error.file`, `thread.file` and `user_signals`,
//! `Modules/faulthandler.c`). These functions raise `RuntimeError` here. The import itself does nothing
//! (`PyExec_faulthandler`); joblib, and with it scikit-learn, needs no more than that.

use std::ffi::{CStr, CString};
use std::ptr::null_mut;

use super::loader_state::{LoaderState, keys};
use super::raise::{Raised, check};
use crate::python::{self, FunctionDef, Object, PyObject};

/// The name of the module.
const NAME: &str = "faulthandler";

/// The functions that set, replace or free an object of the process.
static REFUSED: [(&CStr, FunctionDef); 6] = [
    (c"enable", FunctionDef::new(c"enable", py_refuse)),
    (c"disable", FunctionDef::new(c"disable", py_refuse)),
    (c"register", FunctionDef::new(c"register", py_refuse)),
    (c"unregister", FunctionDef::new(c"unregister", py_refuse)),
    (c"dump_traceback_later", FunctionDef::new(c"dump_traceback_later", py_refuse)),
    (c"cancel_dump_traceback_later", FunctionDef::new(c"cancel_dump_traceback_later", py_refuse)),
];

/// Whether a specification or a module is that of `faulthandler`, by the attribute that holds its name, in an interpreter
/// that CPython's check applies to. Always false before 3.14, where a garbage collection visits the objects that the module
/// keeps.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter; `object` is alive.
pub(super) unsafe fn is_faulthandler(state: LoaderState, object: *mut PyObject, attribute: &CStr) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if state.get(keys::OVERRIDE).is_none() || python::collects_for_faulthandler() {
            return false;
        }
        let Some(name) = Object::new(python::PyObject_GetAttrString(object, attribute.as_ptr())) else {
            python::PyErr_Clear();
            return false;
        };
        let is_str = python::has_type_flag(name.as_ptr(), python::Py_TPFLAGS_UNICODE_SUBCLASS);
        is_str && python::str_to_string(name.as_ptr()).is_some_and(|name| name == NAME)
    }
}

/// Replaces the functions that change the whole process.
///
/// # Safety
/// The thread holds the GIL; `module` is alive.
pub(super) unsafe fn refuse_process_functions(module: *mut PyObject) -> Result<(), Raised> {
    // SAFETY: guaranteed by the caller; each reference is checked before use.
    unsafe {
        let module_name = python::new_str(NAME).ok_or(Raised)?;
        for (name, definition) in &REFUSED {
            let own_name = python::new_str(&name.to_string_lossy()).ok_or(Raised)?;
            let function = definition.new_function(own_name.as_ptr(), module_name.as_ptr()).ok_or(Raised)?;
            check(python::PyObject_SetAttrString(module, name.as_ptr(), function.as_ptr()))?;
        }
        Ok(())
    }
}

/// Raises `RuntimeError` with the name of the function, which is its state.
unsafe extern "C" fn py_refuse(name: *mut PyObject, _arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes the state and holds the GIL.
    unsafe {
        let name = python::str_to_string(name).and_then(|name| CString::new(name).ok()).unwrap_or_default();
        python::PyErr_Format(
            python::PyExc_RuntimeError,
            c"faulthandler.%s() changes the whole process: not supported in interpreters with private copies"
                .as_ptr(),
            name.as_ptr(),
        );
        null_mut()
    }
}
