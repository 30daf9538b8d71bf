//! The declaration of a file, with the names of the C API.

use crate::report::v1::{Declaration, SlotValue};

use super::text::truncate_text;

/// A file's declaration.
#[derive(Debug)]
pub(super) struct DeclarationView {
    /// Label and value: init function, kind of initialisation, `m_size` and so on.
    pub(super) lines: Vec<(&'static str, String)>,
    pub(super) slots: Vec<SlotView>,
    pub(super) hazards: Vec<(String, String)>,
    pub(super) doubts: Vec<String>,
}

/// A slot of the module definition.
#[derive(Debug)]
pub(super) struct SlotView {
    pub(super) id: u16,
    pub(super) name: &'static str,
    pub(super) value: String,
}

impl DeclarationView {
    pub(super) fn from_declaration(declaration: &Declaration) -> Self {
        let word = |slot: &SlotValue| match slot {
            SlotValue::Word(word) => truncate_text(word, 40),
            SlotValue::Value(value) => value.to_string(),
        };
        let init = declaration.init_function.as_deref().unwrap_or("no init function");
        let size = declaration.m_size.map_or_else(|| "not known".to_owned(), |size| size.to_string());
        let lines = vec![
            ("Init function", truncate_text(init, 200)),
            ("Initialisation", truncate_text(&declaration.initialisation, 40)),
            ("Slot 3, own GIL", word(&declaration.multiple_interpreters)),
            ("Slot 4, no GIL", word(&declaration.gil)),
            ("m_size", size),
        ];
        Self {
            lines,
            slots: declaration.slots.iter().flatten().take(40).map(build_slot).collect(),
            hazards: declaration
                .hazards
                .iter()
                .map(|hazard| (truncate_text(&hazard.kind, 60), truncate_text(&hazard.evidence, 600)))
                .collect(),
            doubts: declaration.doubts.iter().map(|doubt| truncate_text(doubt, 400)).collect(),
        }
    }
}

/// Names a slot, by the ids in CPython's `moduleobject.h`, and those of 3.15 (PEP 793, PEP 820).
fn build_slot((id, value): &(u16, u64)) -> SlotView {
    let (name, is_value) = match id {
        1 | 84 => ("Py_mod_create", false),
        2 | 85 => ("Py_mod_exec", false),
        3 | 86 => ("Py_mod_multiple_interpreters", true),
        4 | 87 => ("Py_mod_gil", true),
        92 => ("Py_slot_subslots", false),
        94 => ("Py_mod_slots", false),
        100 => ("Py_mod_name", false),
        101 => ("Py_mod_doc", false),
        102 => ("Py_mod_state_size", true),
        103 => ("Py_mod_methods", false),
        104 => ("Py_mod_state_traverse", false),
        105 => ("Py_mod_state_clear", false),
        106 => ("Py_mod_state_free", false),
        109 => ("Py_mod_abi", false),
        110 => ("Py_mod_token", false),
        _ => ("unknown slot", false),
    };
    SlotView { id: *id, name, value: if is_value { value.to_string() } else { format!("at {value:#x}") } }
}
