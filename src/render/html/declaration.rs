//! The declaration of a file, with the names of the C API.

use wsgiaudit_probes_core::module_slots;

use crate::report::v1::Declaration;

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
        let init = declaration.init_function.as_deref().unwrap_or("no init function");
        let size = declaration.m_size.map_or_else(|| "not known".to_owned(), |size| size.to_string());
        let lines = vec![
            ("Init function", truncate_text(init, 200)),
            ("Initialisation", declaration.initialisation.name().to_owned()),
            ("Slot 3, own GIL", declaration.multiple_interpreters.to_string()),
            ("Slot 4, no GIL", declaration.gil.to_string()),
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

fn build_slot((id, value): &(u16, u64)) -> SlotView {
    let name = module_slots::name(*id).unwrap_or("unknown slot");
    let is_value = module_slots::is_declaration(*id) || *id == module_slots::STATE_SIZE;
    SlotView { id: *id, name, value: if is_value { value.to_string() } else { format!("at {value:#x}") } }
}
