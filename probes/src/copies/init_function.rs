//! Calls a module's init function, as `_PyImport_RunModInitFunc` of `Python/importdl.c`.

use std::ffi::{CStr, c_void};
use std::mem::transmute;
use std::ptr::NonNull;

use super::module_file::ModuleFile;
use super::package_context::call_with_context;
use super::raise::{Raised, is_raised, raise_system_error};
use crate::python::{self, Object, PyModuleDef, PyObject};

/// `PyInit_x`.
pub(super) type InitFunction = unsafe extern "C" fn() -> *mut PyObject;

/// What an init function returned.
pub(super) enum Initialized {
    /// A definition, from which the module is to be created.
    MultiPhase(*mut PyModuleDef),
    /// A module and its definition.
    SinglePhase(Object, *mut PyModuleDef),
}

/// # Safety
/// `symbol` is an init function.
pub(super) unsafe fn cast_init_function(symbol: NonNull<c_void>) -> InitFunction {
    // SAFETY: guaranteed by the caller.
    unsafe { transmute::<*mut c_void, InitFunction>(symbol.as_ptr()) }
}

/// Calls an init function in the current interpreter and checks what it returns. Errors call the module `name`.
///
/// # Safety
/// The thread holds the GIL; `init` is an init function of the file.
pub(super) unsafe fn run_init_function(
    init: InitFunction,
    file: &ModuleFile,
    name: &CStr,
) -> Result<Initialized, Raised> {
    let fail = |format: &CStr| -> Result<Initialized, Raised> {
        // SAFETY: guaranteed by the caller.
        Err(unsafe { raise_system_error(format, name) })
    };
    // SAFETY: guaranteed by the caller. On a build with a GIL, the type of an object is where `Py_TYPE` reads it.
    unsafe {
        let context = file.utf8_name()?;
        let Some(result) = NonNull::new(call_with_context(context, || init())) else {
            if is_raised() {
                return Err(Raised);
            }
            return fail(c"initialization of %s failed without raising an exception");
        };
        // CPython does not release the result in the next two cases either.
        let result = result.as_ptr();
        if is_raised() {
            return fail(c"initialization of %s raised unreported exception");
        }
        if python::Py_TYPE(result).is_null() {
            return fail(c"init function of %s returned uninitialized object");
        }
        if python::PyObject_TypeCheck(result, &raw mut python::PyModuleDef_Type) != 0 {
            return Ok(Initialized::MultiPhase(result.cast::<PyModuleDef>()));
        }
        if !file.is_ascii {
            return fail(c"initialization of %s did not return PyModuleDef");
        }
        let Some(module) = Object::new(result) else { return Err(Raised) };
        let is_module = python::PyModule_Check(result) != 0;
        let definition = if is_module { python::PyModule_GetDef(result) } else { std::ptr::null_mut() };
        if !definition.is_null() {
            return Ok(Initialized::SinglePhase(module, definition));
        }
        python::PyErr_Clear();
        // 3.12 has one text for both.
        if is_module && !python::runs_init_in_importer() {
            return fail(c"initialization of %s did not return a valid extension module");
        }
        fail(c"initialization of %s did not return an extension module")
    }
}
