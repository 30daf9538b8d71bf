//! Rule `misread-declaration`: the declaration read from a file differs from the one that the running module
//! makes.
//!
//! This is most likely a defect of wsgiaudit. The verdict is not affected, since it comes from the trials.

use wsgiaudit_probes_core::module_slots;

use super::evidence::ModuleEvidence;
use crate::model::{BinaryFacts, InitKind, LoadedModuleDef, ModuleFinding, RuleId};

/// Compares the declaration in a module's file with the definition that the control recorded.
///
/// Returns `None` if they agree, or if one of them is not known.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let module = evidence.module;
    let running = evidence.input.find_running_definition(&module.name, Some(&module.file))?;
    let text = describe_disagreement(&module.facts, running)?;
    Some(ModuleFinding { rule: RuleId::MisreadDeclaration, text, add: &[] })
}

/// Describes how the two differ. Returns `None` if they do not.
fn describe_disagreement(facts: &BinaryFacts, running: &LoadedModuleDef) -> Option<String> {
    let read: Vec<(u16, Option<u64>)> = match facts.initialisation {
        // The declaration was not read, or the module has no `PyModuleDef`.
        InitKind::Undetermined | InitKind::None | InitKind::ModExport => return None,
        InitKind::SinglePhase => Vec::new(),
        InitKind::MultiPhase => {
            let slots = facts.slots.as_ref()?.iter();
            // Other slots hold an address, which differs from run to run.
            slots.map(|each| (each.id, module_slots::is_declaration(each.id).then_some(each.value))).collect()
        }
    };
    let size = facts.m_size.filter(|size| *size != running.m_size);
    if read == running.slots && size.is_none() {
        return None;
    }
    let describe =
        |slots: &[(u16, Option<u64>)], size: i64| format!("{}, m_size {size}", format_slots(slots));
    Some(format!(
        "its file was read as {}, but at run time it declares {}: report this to wsgiaudit",
        describe(&read, size.unwrap_or(running.m_size)),
        describe(&running.slots, running.m_size)
    ))
}

fn format_slots(slots: &[(u16, Option<u64>)]) -> String {
    let each = slots.iter().map(|(id, value)| match value {
        Some(value) => format!("slot {id} = {value}"),
        None => format!("slot {id}"),
    });
    let all: Vec<String> = each.collect();
    if all.is_empty() { "no slots".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mode, ModuleLoad, Slot};
    use crate::rules::test_evidence::{self, TestEvidence, declaring, finding, imported, load, with_loads};

    fn facts(initialisation: InitKind, slots: &[(u16, u64)]) -> BinaryFacts {
        let slots = slots.iter().map(|(id, value)| Slot { id: *id, value: *value }).collect();
        BinaryFacts { initialisation, m_size: Some(8), slots: Some(slots), ..BinaryFacts::undetermined("") }
    }

    fn running(slots: &[(u16, Option<u64>)]) -> LoadedModuleDef {
        LoadedModuleDef { m_size: 8, slots: slots.to_vec() }
    }

    #[test]
    fn an_address_of_a_function_may_differ_and_a_number_may_not() {
        let read = facts(InitKind::MultiPhase, &[(2, 0x1234), (3, 2)]);
        assert_eq!(describe_disagreement(&read, &running(&[(2, None), (3, Some(2))])), None);
        let other = describe_disagreement(&read, &running(&[(2, None), (3, Some(1))]));
        assert_eq!(
            other.as_deref(),
            Some(
                "its file was read as slot 2, slot 3 = 2, m_size 8, but at run time it declares slot 2, slot 3 = 1, \
                 m_size 8: report this to wsgiaudit"
            )
        );
    }

    #[test]
    fn sizes_and_kinds_are_compared_and_what_was_not_read_is_not() {
        let single = facts(InitKind::SinglePhase, &[]);
        assert_eq!(describe_disagreement(&single, &running(&[])), None);
        assert!(describe_disagreement(&single, &running(&[(2, None)])).is_some());
        assert!(describe_disagreement(&single, &LoadedModuleDef { m_size: -1, slots: Vec::new() }).is_some());
        assert_eq!(describe_disagreement(&BinaryFacts { m_size: None, ..single }, &running(&[])), None);
        assert_eq!(describe_disagreement(&BinaryFacts::undetermined("why"), &running(&[(3, Some(0))])), None);
    }

    #[test]
    fn the_control_s_load_of_the_same_file_is_compared() {
        let found = |name: &str, path: &str, slots: &[(u16, Option<u64>)]| {
            let loaded = ModuleLoad { path: path.to_owned(), ..declaring(load("main", name, Ok(())), slots) };
            let evidence = TestEvidence::new([with_loads(imported("till", Mode::Main), [loaded])])
                .with_facts("till", test_evidence::facts(InitKind::MultiPhase, &[(4, 1), (2, 9)]));
            Some(finding(check, &evidence, vec![])?.rule)
        };
        let same = [(4, Some(1)), (2, None)];
        assert_eq!(found("till", "/site/till.so", &same), None);
        assert_eq!(found("till", "/site/till.so", &[(2, None)]), Some(RuleId::MisreadDeclaration));
        assert_eq!(
            found("till", "/site/till.so", &[(4, Some(0)), (2, None)]),
            Some(RuleId::MisreadDeclaration)
        );
        assert_eq!(found("till", "/site/other.so", &[]), None);
        assert_eq!(found("lamp", "/site/till.so", &[]), None);
    }
}
