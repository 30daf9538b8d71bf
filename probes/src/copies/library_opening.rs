//! Libraries of the environment that Python code opens by path, with `ctypes` or `cffi`: they get the private copy
//! too.

use std::ffi::CStr;

use super::loader_state::{LoaderState, keys, object_to_path, path_to_bytes};
use super::raise::{Raised, check, into_return_value, own};
use crate::python::{self, FunctionDef, Object, PyObject};

/// A module's function that opens a library: its first argument is the path.
struct Opener {
    module: &'static CStr,
    function: &'static CStr,
    definition: &'static FunctionDef,
    /// A module that has a reference to it under another name.
    user: Option<(&'static CStr, &'static CStr)>,
}

static CTYPES: FunctionDef = FunctionDef::new(c"dlopen", py_open_copy);
static CFFI: FunctionDef = FunctionDef::new(c"load_library", py_open_copy);

static OPENERS: [Opener; 2] = [
    Opener {
        module: c"_ctypes",
        function: c"dlopen",
        definition: &CTYPES,
        user: Some((c"ctypes", c"_dlopen")),
    },
    Opener { module: c"_cffi_backend", function: c"load_library", definition: &CFFI, user: None },
];

/// Replaces the function of a module that opens libraries, if it is one of those that have one.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter; `module` is alive.
pub(super) unsafe fn replace_in_module(state: LoaderState, module: *mut PyObject) -> Result<(), Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if python::PyModule_Check(module) == 0 {
            return Ok(());
        }
        let Some(name) = Object::new(python::PyModule_GetNameObject(module)) else {
            python::PyErr_Clear();
            return Ok(());
        };
        let Some(name) = python::str_to_string(name.as_ptr()) else { return Ok(()) };
        match OPENERS.iter().find(|opener| opener.module.to_bytes() == name.as_bytes()) {
            Some(opener) => opener.replace(state, module),
            None => Ok(()),
        }
    }
}

/// Replaces these functions in the modules that are loaded already.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter.
pub(super) unsafe fn replace_in_loaded_modules(state: LoaderState) -> Result<(), Raised> {
    for opener in &OPENERS {
        // SAFETY: guaranteed by the caller.
        unsafe {
            if let Some(module) = find_module(opener.module) {
                opener.replace(state, module)?;
            }
        }
    }
    Ok(())
}

impl Opener {
    /// # Safety
    /// As for [`replace_in_module`].
    unsafe fn replace(&self, state: LoaderState, module: *mut PyObject) -> Result<(), Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let Some(old) = Object::new(python::PyObject_GetAttrString(module, self.function.as_ptr()))
            else {
                python::PyErr_Clear();
                return Ok(());
            };
            if is_replacement(&old) {
                return Ok(());
            }
            let state = state.with_replaced(&old)?;
            let name = own(python::PyModule_GetNameObject(module))?;
            let new = self.definition.new_function(state.as_ptr(), name.as_ptr()).ok_or(Raised)?;
            check(python::PyObject_SetAttrString(module, self.function.as_ptr(), new.as_ptr()))?;
            match self.user.and_then(|(user, attribute)| Some((find_module(user)?, attribute))) {
                Some((user, attribute)) => {
                    check(python::PyObject_SetAttrString(user, attribute.as_ptr(), new.as_ptr()))
                }
                None => Ok(()),
            }
        }
    }
}

/// Whether a function is one of these already.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn is_replacement(function: &Object) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let is_c_function = python::PyCFunction_Check(function.as_ptr()) != 0;
        is_c_function
            && python::PyCFunction_GetFunction(function.as_ptr())
                .is_some_and(|code| std::ptr::fn_addr_eq(code, py_open_copy as python::PyCFunction))
    }
}

/// Returns a borrowed module from `sys.modules`.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn find_module(name: &CStr) -> Option<*mut PyObject> {
    // SAFETY: guaranteed by the caller. `sys.modules` keeps the module.
    unsafe {
        let module =
            Object::new(python::PyMapping_GetItemString(python::PyImport_GetModuleDict(), name.as_ptr()));
        if module.is_none() {
            python::PyErr_Clear();
        }
        module.filter(|module| python::PyModule_Check(module.as_ptr()) != 0).map(|module| module.as_ptr())
    }
}

/// Calls the function that this one replaces, with the path of the private copy if there is one. Like the dynamic
/// linker, it takes a name without a slash for the name of a library instead of a path.
unsafe extern "C" fn py_open_copy(state: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes the state and a tuple, and holds the GIL.
    unsafe {
        let state = LoaderState::new(state);
        let result = state.require(keys::REPLACED).and_then(|replaced| {
            let new = replace_path(state, arguments)?;
            let arguments = new.as_ref().map_or(arguments, Object::as_ptr);
            own(python::PyObject_CallObject(replaced, arguments))
        });
        into_return_value(result)
    }
}

/// The arguments with the path of the private copy; `None` if there is no copy.
///
/// # Safety
/// As for [`py_open_copy`].
unsafe fn replace_path(state: LoaderState, arguments: *mut PyObject) -> Result<Option<Object>, Raised> {
    // SAFETY: guaranteed by the caller; items of a tuple are borrowed.
    unsafe {
        let count = python::PyTuple_Size(arguments);
        if count < 1 {
            return Ok(None);
        }
        let path = object_to_path(python::PyTuple_GetItem(arguments, 0))
            .filter(|path| path.as_os_str().as_encoded_bytes().contains(&b'/'));
        let Some(path) = path else { return Ok(None) };
        let Some(copy) = state.find_copy(&path)? else { return Ok(None) };
        let bytes = path_to_bytes(&copy)?;
        let text = own(python::PyUnicode_DecodeFSDefault(python::PyBytes_AsString(bytes.as_ptr())))?;
        let new = own(python::PyTuple_New(count))?;
        for index in 0..count {
            let item = if index == 0 { text.as_ptr() } else { python::PyTuple_GetItem(arguments, index) };
            // The tuple steals a reference.
            python::Py_IncRef(item);
            check(python::PyTuple_SetItem(new.as_ptr(), index, item))?;
        }
        Ok(Some(new))
    }
}
