//! Finds hazards in a file other than its declaration, each with evidence.

use std::collections::BTreeSet;

use super::memory::Image;
use super::static_types::find_readied_types;
use crate::model::{BinaryFacts, BinaryHazard, InitKind, RuleId, SlotDeclaration};

/// Zero-filled memory in every linked file: `completed.0` of the compiler's start-up code, with alignment.
const LINKER_MEMORY: u64 = 64;
/// Limit of names in one line of evidence.
const MAX_NAMES: usize = 4;

/// All hazards found in a module, in the order of the rules. `facts` is what it declares. A module without
/// findings may still have hazards.
pub(super) fn find_hazards(image: &Image, facts: &BinaryFacts) -> Vec<BinaryHazard> {
    let found = [
        (RuleId::GilStateApi, gil_state_evidence(image)),
        (RuleId::StaticType, static_type_evidence(image)),
        (RuleId::StateFindModule, find_module_evidence(image)),
        (RuleId::GlobalState, global_state_evidence(facts)),
        (RuleId::OwnInterpreterGuard, own_guard_evidence(image, facts)),
        (RuleId::WritableGlobals, writable_globals_evidence(image, facts)),
    ];
    let found =
        found.into_iter().filter_map(|(kind, evidence)| Some(BinaryHazard { kind, evidence: evidence? }));
    found.collect()
}

fn join_names(names: &BTreeSet<String>) -> String {
    let shown = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// These functions support only the main interpreter (`Doc/c-api/init.rst`, PEP 788).
fn gil_state_evidence(image: &Image) -> Option<String> {
    let names = image.imports.iter().filter(|import| import.name.starts_with("PyGILState_"));
    let names: BTreeSet<String> = names.map(|import| import.name.clone()).collect();
    (!names.is_empty()).then(|| format!("imports {}", join_names(&names)))
}

fn static_type_evidence(image: &Image) -> Option<String> {
    let names = find_readied_types(image);
    (!names.is_empty()).then(|| format!("calls PyType_Ready on static types: {}", join_names(&names)))
}

fn find_module_evidence(image: &Image) -> Option<String> {
    image.imports_symbol("PyState_FindModule").then(|| "imports PyState_FindModule".to_owned())
}

fn global_state_evidence(facts: &BinaryFacts) -> Option<String> {
    (facts.m_size == Some(-1)).then(|| "m_size is -1".to_owned())
}

/// Applies only if the declaration was determined.
fn own_guard_evidence(image: &Image, facts: &BinaryFacts) -> Option<String> {
    let lacks = match (facts.initialisation, facts.multiple_interpreters_slot()) {
        (InitKind::None | InitKind::Undetermined, _) | (_, SlotDeclaration::Undetermined) => false,
        (_, SlotDeclaration::Absent) => true,
        (_, SlotDeclaration::Value(value)) => value != 2,
    };
    (lacks && image.imports_symbol("PyInterpreterState_GetID")).then(|| {
        "imports PyInterpreterState_GetID without slot 3 = 2: nearly all such modules refuse every second \
         interpreter by themselves, mod_wsgi's ordinary sub-interpreters too"
            .to_owned()
    })
}

/// Zero-filled memory holds no constant tables: it is written at run time, and shared by all interpreters.
fn writable_globals_evidence(image: &Image, facts: &BinaryFacts) -> Option<String> {
    if facts.multiple_interpreters_slot() != SlotDeclaration::Value(2) {
        return None;
    }
    let segments = image.segments.iter().filter(|segment| segment.writable);
    let size: u64 = segments.map(|segment| segment.size.saturating_sub(segment.file_size)).sum();
    (size > LINKER_MEMORY).then(|| {
        format!("declares slot 3 = 2 and has {size} bytes of zero-filled writable memory (a hint, no proof)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_names_a_few_functions() {
        for (names, expected) in [
            (&["b", "a"][..], "a, b"),
            (&["a", "b", "c", "d"], "a, b, c, d"),
            (&["a", "b", "c", "d", "e", "f"], "a, b, c, d and 2 more"),
        ] {
            assert_eq!(join_names(&names.iter().map(|&name| name.to_owned()).collect()), expected);
        }
    }
}
