//! Replaces the functions of the module `_imp` that load modules. Everything that imports uses them. They are C
//! functions like those they replace, so that no traceback or stack has a further frame.

use std::ffi::CStr;
use std::ptr::null_mut;

use wsgiaudit_probes_core::import_check::LoadKind;

use super::check_override::run_load;
use super::copied_definitions::is_copied;
use super::copy_tree::claim_tree;
use super::faulthandler;
use super::library_opening::{replace_in_loaded_modules, replace_in_module};
use super::load_copy::load_copy;
use super::loader_state::{LoaderState, keys, path_to_bytes};
use super::module_file::CopiedSpec;
use super::package_context::find_package_context;
use super::raise::{Raised, check, into_return_value, own};
use crate::python::{self, FunctionDef, Object, PyObject};

static CREATE_DYNAMIC: FunctionDef = FunctionDef::new(c"create_dynamic", py_create_dynamic);
static EXEC_DYNAMIC: FunctionDef = FunctionDef::new(c"exec_dynamic", py_exec);
static CREATE_BUILTIN: FunctionDef = FunctionDef::new(c"create_builtin", py_create_builtin);
static EXEC_BUILTIN: FunctionDef = FunctionDef::new(c"exec_builtin", py_exec);

/// CPython's functions and their replacements.
static FUNCTIONS: [(&CStr, &FunctionDef); 4] = [
    (c"create_dynamic", &CREATE_DYNAMIC),
    (c"exec_dynamic", &EXEC_DYNAMIC),
    (c"create_builtin", &CREATE_BUILTIN),
    (c"exec_builtin", &EXEC_BUILTIN),
];

/// CPython's function that overrides its check of extension modules (3.12+).
const OVERRIDE: &CStr = c"_override_multi_interp_extensions_check";

/// Why no free-threaded Python loads private copies.
pub(super) const NEEDS_GIL: &str = "private copies need a Python with a GIL";

/// Makes the current interpreter load extension modules from the private copies in the folder `tree`: the copy of
/// `/a/b/x.so` is `TREE/a/b/x.so`. Files without a copy are loaded as CPython loads them.
///
/// # Errors
/// A text if this Python cannot do so, or if the tree or the interpreter has been used.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(crate) unsafe fn install_copy_loader(tree: &str) -> Result<(), String> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if let Some(why) = explain_no_support() {
            return Err(why);
        }
        let interpreter = python::current_interpreter_id();
        let tree = claim_tree(tree, interpreter)?;
        install_functions(&tree, interpreter).map_err(|Raised| python::take_error())
    }
}

/// Why private copies cannot be loaded in this Python; `None` if they can.
///
/// # Safety
/// The thread holds the GIL of an interpreter.
pub(super) unsafe fn explain_no_support() -> Option<String> {
    if python::is_free_threaded() {
        return Some(NEEDS_GIL.to_owned());
    }
    if python::find_new_interpreter_function().is_none() {
        return Some("private copies need CPython 3.12 or later".to_owned());
    }
    // SAFETY: guaranteed by the caller.
    unsafe { find_package_context() }.err()
}

/// # Safety
/// The thread holds the interpreter's GIL.
unsafe fn install_functions(tree: &std::path::Path, interpreter: i64) -> Result<(), Raised> {
    // SAFETY: guaranteed by the caller; each reference is checked before use.
    unsafe {
        let module = own(python::PyImport_ImportModule(c"_imp".as_ptr()))?;
        let names = own(python::PyDict_New())?;
        let set = |key: &CStr, value: &Object| {
            check(python::PyDict_SetItemString(names.as_ptr(), key.as_ptr(), value.as_ptr()))
        };
        set(keys::TREE, &path_to_bytes(tree)?)?;
        set(keys::SINGLE_PHASE, &own(python::PyDict_New())?)?;
        let flags = Object::from_borrowed(python::PySys_GetObject(c"getdlopenflags".as_ptr()));
        set(keys::FLAGS, &flags.ok_or(Raised)?)?;
        if interpreter != 0 {
            set(keys::OVERRIDE, &own(python::PyObject_GetAttrString(module.as_ptr(), OVERRIDE.as_ptr()))?)?;
        }
        let state = LoaderState::new(names.as_ptr());
        let module_name = python::new_str("_imp").ok_or(Raised)?;
        for (name, definition) in FUNCTIONS {
            let old = own(python::PyObject_GetAttrString(module.as_ptr(), name.as_ptr()))?;
            let state = state.with_replaced(&old)?;
            let new = definition.new_function(state.as_ptr(), module_name.as_ptr()).ok_or(Raised)?;
            check(python::PyObject_SetAttrString(module.as_ptr(), name.as_ptr(), new.as_ptr()))?;
        }
        replace_in_loaded_modules(state)
    }
}

/// `_imp.create_dynamic(spec, file=None)`
unsafe extern "C" fn py_create_dynamic(state: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes the state and a tuple, and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let state = LoaderState::new(state);
        let count = python::PyTuple_Size(arguments);
        if (1..=2).contains(&count) {
            let spec = python::PyTuple_GetItem(arguments, 0);
            match CopiedSpec::new(state, spec) {
                Ok(Some(copied)) => return into_return_value(load_copy(state, spec, copied, count == 2)),
                Ok(None) => {}
                Err(Raised) => return null_mut(),
            }
        }
        call_replaced(state, LoadKind::Other, arguments)
    }
}

/// `_imp.create_builtin(spec)`
unsafe extern "C" fn py_create_builtin(state: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe {
        let state = LoaderState::new(state);
        let is_admitted = python::PyTuple_Size(arguments) == 1
            && faulthandler::is_faulthandler(state, python::PyTuple_GetItem(arguments, 0), c"name");
        call_replaced(state, if is_admitted { LoadKind::Copy } else { LoadKind::Other }, arguments)
    }
}

/// `_imp.exec_dynamic(module)` and `_imp.exec_builtin(module)`
unsafe extern "C" fn py_exec(state: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe {
        let state = LoaderState::new(state);
        if python::PyTuple_Size(arguments) != 1 {
            return call_replaced(state, LoadKind::Other, arguments);
        }
        let module = python::PyTuple_GetItem(arguments, 0);
        let kind = if is_copied(module) { LoadKind::Copy } else { LoadKind::Other };
        let result = call_replaced(state, kind, arguments);
        if !result.is_null() && replace_functions(state, module).is_err() {
            python::Py_DecRef(result);
            return null_mut();
        }
        result
    }
}

/// Replaces the functions of a module that do not fit interpreters with private copies.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter; `module` is alive.
unsafe fn replace_functions(state: LoaderState, module: *mut PyObject) -> Result<(), Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        replace_in_module(state, module)?;
        match faulthandler::is_faulthandler(state, module, c"__name__") {
            true => faulthandler::refuse_process_functions(module),
            false => Ok(()),
        }
    }
}

/// Calls CPython's function.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter; the arguments are a tuple.
unsafe fn call_replaced(state: LoaderState, kind: LoadKind, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match state.require(keys::REPLACED) {
            Ok(replaced) => run_load(state, kind, || python::PyObject_CallObject(replaced, arguments)),
            Err(Raised) => null_mut(),
        }
    }
}
