//! Slots of module definitions: numbers, names and kinds of values.
//! Sources: CPython's `Include/moduleobject.h` and `Include/slots.h`; PEP 793, PEP 820.

/// `Py_mod_create`, before and since 3.15.
pub const CREATE: [u16; 2] = [1, 84];
/// `Py_mod_exec`.
pub const EXEC: [u16; 2] = [2, 85];
/// `Py_mod_multiple_interpreters` (3.12+).
pub const MULTIPLE_INTERPRETERS: [u16; 2] = [3, 86];
/// `Py_mod_gil` (3.13+).
pub const GIL: [u16; 2] = [4, 87];
/// `Py_slot_subslots`: refers to another array of `PySlot`.
pub const SUBSLOTS: u16 = 92;
/// `Py_mod_slots`: refers to an array of `PyModuleDef_Slot`.
pub const MOD_SLOTS: u16 = 94;
/// `Py_mod_state_size`.
pub const STATE_SIZE: u16 = 102;
/// `Py_mod_token`: tells a module without a `PyModuleDef` from others.
pub const TOKEN: u16 = 110;

/// Whether the slot declares what a module supports: its value is a small number.
pub fn is_declaration(id: u16) -> bool {
    MULTIPLE_INTERPRETERS.contains(&id) || GIL.contains(&id)
}

/// Whether the slot refers to a nested array of slots.
pub fn is_nested(id: u16) -> bool {
    [SUBSLOTS, MOD_SLOTS].contains(&id)
}

/// The name of a slot in CPython's headers.
pub fn name(id: u16) -> Option<&'static str> {
    Some(match id {
        1 | 84 => "Py_mod_create",
        2 | 85 => "Py_mod_exec",
        3 | 86 => "Py_mod_multiple_interpreters",
        4 | 87 => "Py_mod_gil",
        SUBSLOTS => "Py_slot_subslots",
        MOD_SLOTS => "Py_mod_slots",
        100 => "Py_mod_name",
        101 => "Py_mod_doc",
        STATE_SIZE => "Py_mod_state_size",
        103 => "Py_mod_methods",
        104 => "Py_mod_state_traverse",
        105 => "Py_mod_state_clear",
        106 => "Py_mod_state_free",
        109 => "Py_mod_abi",
        TOKEN => "Py_mod_token",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        let named = [
            (CREATE, "Py_mod_create"),
            (EXEC, "Py_mod_exec"),
            (MULTIPLE_INTERPRETERS, "Py_mod_multiple_interpreters"),
            (GIL, "Py_mod_gil"),
        ];
        for (ids, expected) in named {
            assert_eq!(ids.map(name), [Some(expected); 2]);
        }
        assert_eq!((name(0), name(99)), (None, None));
        assert_eq!([SUBSLOTS, MOD_SLOTS].map(name), [Some("Py_slot_subslots"), Some("Py_mod_slots")]);
        let since_3_15 =
            ["name", "doc", "state_size", "methods", "state_traverse", "state_clear", "state_free"];
        for (id, expected) in (100..).zip(since_3_15) {
            assert_eq!(name(id), Some(format!("Py_mod_{expected}").as_str()), "{id}");
        }
        assert_eq!([109, 110].map(name), [Some("Py_mod_abi"), Some("Py_mod_token")]);
    }

    #[test]
    fn declarations_and_nested_arrays() {
        let ids = |is: fn(u16) -> bool| (0..=200).filter(|id| is(*id)).collect::<Vec<u16>>();
        assert_eq!(ids(is_declaration), [3, 4, 86, 87]);
        assert_eq!(ids(is_nested), [92, 94]);
    }
}
