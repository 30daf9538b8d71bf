//! Slots of module definitions with another declaration: that the module supports a GIL per interpreter.

use std::ffi::c_void;

use wsgiaudit_probes_core::module_slots;

use crate::python::PyModuleDef_Slot;

/// `PySlot` (3.15+, `Include/slots.h`).
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PySlot {
    id: u16,
    flags: u16,
    reserved: u32,
    /// A pointer or a number.
    value: u64,
}

/// `Py_MOD_PER_INTERPRETER_GIL_SUPPORTED`
const SUPPORTED: usize = 2;

/// CPython's limit for nested arrays (`Include/internal/pycore_slots.h`).
const MAX_NESTING: usize = 5;

/// The two kinds of arrays.
#[derive(Clone, Copy)]
enum SlotArray {
    Legacy(*const PyModuleDef_Slot),
    Since315(*const PySlot),
}

/// A copy of the slots of a definition that declares support. `None` if they do so already, or declare anything in
/// a nested array.
///
/// # Safety
/// `slots` is null or ends with a zero, as CPython requires.
pub(super) unsafe fn declare_in_definition(slots: *const PyModuleDef_Slot) -> Option<Vec<PyModuleDef_Slot>> {
    let array = SlotArray::Legacy(slots);
    // SAFETY: guaranteed by the caller.
    let (entries, nested) = unsafe { (read_entries(array), collect_nested(array)) };
    let is_declared =
        entries.iter().any(|entry| declares_interpreters(entry.id) && entry.value == SUPPORTED as u64);
    if is_declared || nested.iter().any(|id| declares_interpreters(*id)) {
        return None;
    }
    let kept = entries.into_iter().filter(|entry| !declares_interpreters(entry.id));
    let slot = |id: u16, value: u64| PyModuleDef_Slot { slot: id.into(), value: value as *mut c_void };
    let [legacy, _] = module_slots::MULTIPLE_INTERPRETERS;
    let added = [slot(legacy, SUPPORTED as u64), slot(0, 0)];
    Some(kept.map(|entry| slot(entry.id, entry.value)).chain(added).collect())
}

/// A copy of the slots of an export function (PEP 793) that declares support, unless a nested array declares
/// anything, and that has a token: the address of `slots`, unless it has another. The import system sets that one
/// after the creation (`import_run_modexport` in `Python/import.c`), which nobody else can.
///
/// # Safety
/// As for [`declare_in_definition`].
pub(super) unsafe fn declare_in_slots(slots: *const PySlot) -> Vec<PySlot> {
    let array = SlotArray::Since315(slots);
    // SAFETY: guaranteed by the caller.
    let (mut entries, nested) = unsafe { (read_entries(array), collect_nested(array)) };
    let new = |id, value| PySlot { id, flags: 0, reserved: 0, value };
    let [_, declaration] = module_slots::MULTIPLE_INTERPRETERS;
    if !nested.iter().any(|id| declares_interpreters(*id)) {
        entries.retain(|entry| !declares_interpreters(entry.id));
        entries.push(new(declaration, SUPPORTED as u64));
    }
    let has_token = entries.iter().map(|entry| entry.id).chain(nested).any(|id| id == module_slots::TOKEN);
    if !has_token {
        entries.push(new(module_slots::TOKEN, slots as u64));
    }
    entries.push(new(0, 0));
    entries
}

/// Whether the slot declares which interpreters a module supports.
fn declares_interpreters(id: u16) -> bool {
    module_slots::MULTIPLE_INTERPRETERS.contains(&id)
}

/// Reads an array up to the zero that ends it, in the newer form.
///
/// # Safety
/// The array is null or ends with a zero.
unsafe fn read_entries(array: SlotArray) -> Vec<PySlot> {
    let entry = |index: usize| {
        // SAFETY: guaranteed by the caller; the iteration ends at the zero.
        unsafe {
            match array {
                SlotArray::Legacy(slots) if !slots.is_null() => {
                    let PyModuleDef_Slot { slot, value } = slots.add(index).read();
                    // CPython cuts the number in the same way (`Python/slots.c`).
                    PySlot { id: slot as u16, flags: 0, reserved: 0, value: value as u64 }
                }
                SlotArray::Since315(slots) if !slots.is_null() => slots.add(index).read(),
                SlotArray::Legacy(_) | SlotArray::Since315(_) => {
                    PySlot { id: 0, flags: 0, reserved: 0, value: 0 }
                }
            }
        }
    };
    (0..).map(entry).take_while(|entry| entry.id != 0).collect()
}

/// The numbers of all slots in nested arrays.
///
/// # Safety
/// As for [`read_entries`].
unsafe fn collect_nested(array: SlotArray) -> Vec<u16> {
    let (mut found, mut waiting) = (Vec::new(), vec![(array, 0)]);
    while let Some((array, depth)) = waiting.pop() {
        // SAFETY: nested arrays are as their own.
        for entry in unsafe { read_entries(array) } {
            if depth > 0 {
                found.push(entry.id);
            }
            if depth + 1 >= MAX_NESTING {
                continue;
            }
            match entry.id {
                module_slots::SUBSLOTS => {
                    waiting.push((SlotArray::Since315(entry.value as *const PySlot), depth + 1));
                }
                module_slots::MOD_SLOTS => {
                    waiting.push((SlotArray::Legacy(entry.value as *const PyModuleDef_Slot), depth + 1));
                }
                _ => {}
            }
        }
    }
    found
}
