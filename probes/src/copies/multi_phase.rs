//! Modules that CPython creates from a definition (PEP 489) or from slots (PEP 793).

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::copied_definitions;
use super::module_file::ModuleFile;
use super::raise::{Raised, is_raised, own};
use super::slots::{self, PySlot};
use crate::python::{self, Object, PyModuleDef, PyModuleDef_Slot, PyObject};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// `PYTHON_API_VERSION` (`Include/modsupport.h`), which the macro `PyModule_FromDefAndSpec` passes.
const API_VERSION: c_int = 1013;

/// `PyModExport_x`.
type ExportFunction = unsafe extern "C" fn() -> *const PySlot;

/// `PyModule_FromSlotsAndSpec` (3.15+).
type FromSlotsAndSpec = unsafe extern "C" fn(*const PySlot, *mut PyObject) -> *mut PyObject;

/// The slots of a definition: its own, and the ones that declare support.
#[derive(Clone, Copy)]
struct SlotPair {
    own: usize,
    declaring: usize,
}

/// The definitions whose slots were replaced once, by address.
static REPLACED: Mutex<BTreeMap<usize, SlotPair>> = Mutex::new(BTreeMap::new());

/// Creates a module from the definition that an init function returned. Meanwhile, the definition declares that it
/// supports a GIL per interpreter. It is part of the private copy, so nobody else sees that.
///
/// # Safety
/// The thread holds the GIL; the definition is one of a private copy.
pub(super) unsafe fn create_from_definition(
    definition: *mut PyModuleDef,
    spec: *mut PyObject,
) -> Result<Object, Raised> {
    copied_definitions::remember(definition.cast());
    // SAFETY: guaranteed by the caller. Definitions lie in writable memory: CPython itself writes to them.
    unsafe {
        let pair = find_slots(definition);
        (*definition).m_slots = pair.declaring as *mut PyModuleDef_Slot;
        let module = own(python::PyModule_FromDefAndSpec2(definition, spec, API_VERSION));
        (*definition).m_slots = pair.own as *mut PyModuleDef_Slot;
        module
    }
}

/// # Safety
/// As for [`create_from_definition`].
unsafe fn find_slots(definition: *mut PyModuleDef) -> SlotPair {
    let mut replaced = lock_ignoring_poison(&REPLACED);
    // SAFETY: guaranteed by the caller.
    unsafe {
        let own = (*definition).m_slots as usize;
        if let Some(pair) = replaced.get(&(definition as usize))
            && [pair.own, pair.declaring].contains(&own)
        {
            return *pair;
        }
        let declaring = match slots::declare_in_definition(own as *const PyModuleDef_Slot) {
            Some(slots) => slots.leak().as_ptr() as usize,
            None => own,
        };
        let pair = SlotPair { own, declaring };
        replaced.insert(definition as usize, pair);
        pair
    }
}

/// Creates a module with its export function, as `import_run_modexport` of `Python/import.c` (3.15).
///
/// # Safety
/// The thread holds the GIL; the functions are an export function and [`FROM_SLOTS`].
pub(super) unsafe fn create_from_export(
    export: NonNull<c_void>,
    from_slots: NonNull<c_void>,
    file: &ModuleFile,
    spec: *mut PyObject,
) -> Result<Object, Raised> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let export = transmute::<*mut c_void, ExportFunction>(export.as_ptr());
        let from_slots = transmute::<*mut c_void, FromSlotsAndSpec>(from_slots.as_ptr());
        let slots = export();
        if slots.is_null() {
            if !is_raised() {
                let format = c"module export hook for module %R failed without setting an exception";
                raise_with_repr(format, &file.name);
            }
            return Err(Raised);
        }
        if is_raised() {
            // CPython goes on, too.
            raise_with_repr(c"module export hook for module %R raised unreported exception", &file.name);
        }
        copied_definitions::remember(slots.cast());
        let declaring = slots::declare_in_slots(slots);
        let module = own(from_slots(declaring.as_ptr(), spec))?;
        copied_definitions::remember_token(module.as_ptr());
        Ok(module)
    }
}

/// The function that creates modules from slots, since 3.15.
pub(super) const FROM_SLOTS: &CStr = c"PyModule_FromSlotsAndSpec";

/// # Safety
/// The thread holds the GIL; the format has one `%R`.
unsafe fn raise_with_repr(format: &CStr, name: &Object) {
    // SAFETY: guaranteed by the caller.
    unsafe { python::PyErr_Format(python::PyExc_SystemError, format.as_ptr(), name.as_ptr()) };
}
