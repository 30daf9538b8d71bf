//! Loads an extension module from its private copy: the steps of `_imp_create_dynamic_impl`
//! (`Python/import.c`), in the importing interpreter.

use wsgiaudit_probes_core::import_check::LoadKind;

use super::check_override::run_load;
use super::init_function::{Initialized, cast_init_function, run_init_function};
use super::loader_state::LoaderState;
use super::module_file::{CopiedSpec, ModuleFile};
use super::multi_phase::{FROM_SLOTS, create_from_definition, create_from_export};
use super::raise::{Raised, raise_import_error};
use super::shared_object::{OpenFile, SharedObject};
use super::single_phase;
use crate::python::{self, Object, PyObject};

/// Creates a module. `is_file_given` says whether the caller has passed a file object, which CPython does not use:
/// it opens the file itself then.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter; `spec` is alive.
pub(super) unsafe fn load_copy(
    state: LoaderState,
    spec: *mut PyObject,
    copied: CopiedSpec,
    is_file_given: bool,
) -> Result<Object, Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let file = ModuleFile::new(copied)?;
        run_load(state, LoadKind::Copy, || {
            if let Some(module) = single_phase::load_again(state, &file)? {
                return Ok(module);
            }
            load_first_time(state, spec, &file, is_file_given)
        })
    }
}

/// # Safety
/// As for [`load_copy`].
unsafe fn load_first_time(
    state: LoaderState,
    spec: *mut PyObject,
    file: &ModuleFile,
    is_file_given: bool,
) -> Result<Object, Raised> {
    // SAFETY: guaranteed by the caller; functions have the types that their names stand for.
    unsafe {
        raise_audit_event(file)?;
        let _open = is_file_given.then(|| OpenFile::open(&file.origin)).transpose()?;
        let object = SharedObject::open(state, file)?;
        let from_slots = python::find_symbol(FROM_SLOTS);
        if let Some(from_slots) = from_slots
            && let Some(export) = object.find_function(&file.functions.export)
        {
            return create_from_export(export, from_slots, file, spec);
        }
        let Some(init) = object.find_function(&file.functions.init) else {
            let text = file.functions.describe_missing(from_slots.is_some());
            let text = python::new_str(&text).ok_or(Raised)?;
            return Err(raise_import_error(&text, &file.name, &file.origin));
        };
        let init = cast_init_function(init);
        match run_init_function(init, file, &file.encoded)? {
            Initialized::MultiPhase(definition) => create_from_definition(definition, spec),
            Initialized::SinglePhase(module, definition) => {
                single_phase::add_module(state, file, init, module, definition)
            }
        }
    }
}

/// Raises the audit event of an extension module that is about to be opened (PEP 578).
///
/// # Safety
/// The thread holds the GIL.
unsafe fn raise_audit_event(file: &ModuleFile) -> Result<(), Raised> {
    // SAFETY: guaranteed by the caller; the format asks for five objects.
    unsafe {
        let (event, format, none) = (c"import".as_ptr(), c"OOOOO".as_ptr(), python::Py_None());
        let (name, origin) = (file.name.as_ptr(), file.origin.as_ptr());
        match python::PySys_Audit(event, format, name, origin, none, none, none) {
            0 => Ok(()),
            _ => Err(Raised),
        }
    }
}
