//! Modules that their init function creates (`Python/import.c`: `finish_singlephase_extension`,
//! `reload_singlephase_extension`).
//!
//! CPython keeps what it needs to load such a module again in a cache of the process. Here it is kept in the
//! interpreter, so that nothing of one interpreter reaches another.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use super::copied_definitions;
use super::init_function::{InitFunction, Initialized, cast_init_function, run_init_function};
use super::loader_state::{LoaderState, keys};
use super::module_file::ModuleFile;
use super::raise::{Raised, check, is_raised, own};
use crate::python::{self, Object, PyModuleDef, PyObject};

/// `m_size` of modules that do not support repeated initialization: a second import copies the namespace of the
/// first.
const NOT_REPEATABLE: isize = -1;

/// Adds a module that was just created to the interpreter.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter; the definition is the module's.
pub(super) unsafe fn add_module(
    state: LoaderState,
    file: &ModuleFile,
    init: InitFunction,
    module: Object,
    definition: *mut PyModuleDef,
) -> Result<Object, Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        copied_definitions::remember(definition.cast());
        set_file(&module, file);
        let names = match (*definition).m_size {
            NOT_REPEATABLE => own(python::PyDict_Copy(python::PyModule_GetDict(module.as_ptr())))?,
            _ => Object::from_borrowed(python::Py_None()).ok_or(Raised)?,
        };
        let loaded = Loaded { definition, init, names };
        loaded.store(state, file)?;
        set_state_module(&module, definition)?;
        check(python::PyObject_SetItem(
            python::PyImport_GetModuleDict(),
            file.name.as_ptr(),
            module.as_ptr(),
        ))?;
        Ok(module)
    }
}

/// Loads a module again that was loaded in this interpreter before; `None` if it was not.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter.
pub(super) unsafe fn load_again(state: LoaderState, file: &ModuleFile) -> Result<Option<Object>, Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let Some(loaded) = Loaded::find(state, file)? else { return Ok(None) };
        let modules = python::PyImport_GetModuleDict();
        let module = if (*loaded.definition).m_size == NOT_REPEATABLE {
            let module = Object::from_borrowed(python::PyImport_AddModuleObject(file.name.as_ptr()));
            let module = module.ok_or(Raised)?;
            let names = python::PyModule_GetDict(module.as_ptr());
            if names.is_null() {
                return Err(Raised);
            }
            check(python::PyDict_Update(names, loaded.names.as_ptr()))?;
            module
        } else {
            let Some(module) = loaded.initialize_again(file)? else { return Ok(None) };
            check(python::PyObject_SetItem(modules, file.name.as_ptr(), module.as_ptr()))?;
            module
        };
        if let Err(raised) = set_state_module(&module, loaded.definition) {
            python::PyObject_DelItem(modules, file.name.as_ptr());
            return Err(raised);
        }
        Ok(Some(module))
    }
}

/// A module that was loaded in this interpreter.
struct Loaded {
    definition: *mut PyModuleDef,
    init: InitFunction,
    /// A copy of the namespace after the first load, or `None` if the init function may be called again.
    names: Object,
}

impl Loaded {
    /// # Safety
    /// The thread holds the GIL.
    unsafe fn store(&self, state: LoaderState, file: &ModuleFile) -> Result<(), Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let definition = own(python::PyLong_FromVoidPtr(self.definition.cast()))?;
            let init = own(python::PyLong_FromVoidPtr(self.init as *mut c_void))?;
            let (definition, init, names) = (definition.as_ptr(), init.as_ptr(), self.names.as_ptr());
            let entry = own(python::PyTuple_Pack(3, definition, init, names))?;
            let key = new_key(file)?;
            let cache = state.require(keys::SINGLE_PHASE)?;
            check(python::PyDict_SetItem(cache, key.as_ptr(), entry.as_ptr()))
        }
    }

    /// # Safety
    /// The thread holds the GIL.
    unsafe fn find(state: LoaderState, file: &ModuleFile) -> Result<Option<Self>, Raised> {
        // SAFETY: guaranteed by the caller; the entries are what `store` wrote, and `add_module` was given.
        unsafe {
            let key = new_key(file)?;
            let entry = python::PyDict_GetItemWithError(state.require(keys::SINGLE_PHASE)?, key.as_ptr());
            let Some(entry) = Object::from_borrowed(entry) else {
                return if is_raised() { Err(Raised) } else { Ok(None) };
            };
            let pointer = |index| python::PyLong_AsVoidPtr(python::PyTuple_GetItem(entry.as_ptr(), index));
            let init = cast_init_function(NonNull::new(pointer(1)).ok_or(Raised)?);
            let names = Object::from_borrowed(python::PyTuple_GetItem(entry.as_ptr(), 2)).ok_or(Raised)?;
            Ok(Some(Self { definition: pointer(0).cast::<PyModuleDef>(), init, names }))
        }
    }

    /// Calls the init function once more. `None` if 3.12 would load the module from its file then.
    ///
    /// # Safety
    /// The thread holds the GIL.
    unsafe fn initialize_again(&self, file: &ModuleFile) -> Result<Option<Object>, Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            if python::runs_init_in_importer() {
                // 3.12 neither sets the package context here nor checks the result.
                let module = Object::new((self.init)());
                return if module.is_none() && is_raised() { Err(Raised) } else { Ok(module) };
            }
            let name = CStr::from_ptr(file.utf8_name()?);
            match run_init_function(self.init, file, name)? {
                Initialized::SinglePhase(module, _) => {
                    set_file(&module, file);
                    Ok(Some(module))
                }
                // CPython asserts that this does not happen.
                Initialized::MultiPhase(_) => Ok(None),
            }
        }
    }
}

/// The key of CPython's cache: file and name.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn new_key(file: &ModuleFile) -> Result<Object, Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe { own(python::PyTuple_Pack(2, file.origin.as_ptr(), file.name.as_ptr())) }
}

/// Sets `__file__`, ignoring errors as CPython does.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn set_file(module: &Object, file: &ModuleFile) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let status =
            python::PyModule_AddObjectRef(module.as_ptr(), c"__file__".as_ptr(), file.origin.as_ptr());
        if status < 0 {
            python::PyErr_Clear();
        }
    }
}

/// Makes `PyState_FindModule` find the module.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn set_state_module(module: &Object, definition: *mut PyModuleDef) -> Result<(), Raised> {
    // SAFETY: guaranteed by the caller. The same module must not be added twice, which is a fatal error.
    unsafe {
        let there: *mut PyObject = python::PyState_FindModule(definition);
        if there == module.as_ptr() {
            return Ok(());
        }
        check(python::PyState_AddModule(module.as_ptr(), definition))
    }
}
