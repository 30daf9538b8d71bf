//! What a module was created from, as it runs: `PyModuleDef` (`Include/moduleobject.h`), whose layout the stable
//! ABI fixes but for the object's head, which is longer in a free-threaded build.

use crate::protocol::Definition;
use crate::python::{self, PyObject};

/// An array without an end is not an array.
const MOST_SLOTS: usize = 64;
/// Slots that hold a number, in both numberings; those of others are addresses.
const NUMBERS: [u16; 4] = [3, 4, 86, 87];
/// Slots that lead to more slots (PEP 820).
const NESTED: [u16; 2] = [92, 94];

/// The definition of a module; `None` for what is no module, has none, or nests its slots.
///
/// # Safety
/// `module` is an object, and the thread holds its interpreter's GIL.
pub(super) unsafe fn of(module: *mut PyObject, is_free_threaded: bool) -> Option<Definition> {
    // SAFETY: a definition outlives its modules; its fields lie at these offsets on 64-bit machines, and its
    // array of slots, if there is one, ends with a zero.
    unsafe {
        let definition = python::PyModule_GetDef(module).cast::<u8>();
        if definition.is_null() {
            python::PyErr_Clear();
            return None;
        }
        let head = if is_free_threaded { 32 } else { 16 };
        let field = |offset: usize| definition.add(head + offset);
        let m_size = field(40).cast::<i64>().read();
        let array = field(56).cast::<*const u8>().read();
        let mut slots = Vec::new();
        while !array.is_null() && slots.len() < MOST_SLOTS {
            let slot = array.add(slots.len() * 16);
            let id = u16::try_from(slot.cast::<i32>().read()).ok()?;
            if id == 0 {
                break;
            }
            if NESTED.contains(&id) {
                return None;
            }
            let value = slot.add(8).cast::<u64>().read();
            slots.push((id, NUMBERS.contains(&id).then_some(value)));
        }
        Some(Definition { m_size, slots })
    }
}
