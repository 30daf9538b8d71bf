//! Rule `declare-gil`: the behavior, with the GIL forced off, of a module that does not declare that it needs
//! no GIL.
//!
//! Only its maintainer can decide whether the module supports free threading, as with `declare-slot`.

use super::declaration_advice::{Advice, advise_no_gil};
use super::evidence::ModuleEvidence;
use crate::model::{InitKind, Mode, ModuleFinding, RuleId, TrialOutcome};
use crate::rules::failure_trace::trace_failure;
use crate::rules::free_threading::{GilActivation, gil_activation};
use crate::rules::messages;

/// Reports the trial of a module with the GIL forced off.
///
/// Returns `None` if the module declares that it needs no GIL, or was not tried.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let (input, name) = (evidence.input, evidence.module.name.as_str());
    let trial = input.trials.get(name, Mode::FreeThreaded)?;
    let facts = input.facts.get(name)?;
    if gil_activation(input, name) != GilActivation::Yes {
        return None;
    }
    if trial.outcome == TrialOutcome::Imported {
        let passes = "passes with the GIL forced off, imported and used by several threads at the same time";
        let now = messages::describe_gil_declaration(facts);
        let has_slots = facts.initialisation != InitKind::SinglePhase;
        let (text, add): (String, &[&str]) = match advise_no_gil(evidence.module.toolchain, has_slots) {
            Advice::Add(lines) => (
                format!(
                    "{passes}: if all of its C data is protected, only the declaration is missing (now: {now})"
                ),
                lines,
            ),
            Advice::None(why) => (format!("{passes} (now: {now}); {why}"), &[]),
        };
        return Some(ModuleFinding { rule: RuleId::DeclareGil, text, add });
    }
    let what = messages::describe_cause(&trace_failure(input, name, Mode::FreeThreaded)?.cause, name);
    Some(ModuleFinding {
        rule: RuleId::DeclareGil,
        text: format!("with the GIL forced off: {what}"),
        add: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TrialPhase;
    use crate::rules::test_evidence::*;
    use crate::rules::trial::declaration_advice::NO_GIL_SLOT;

    #[test]
    fn a_module_that_switches_the_gil_on_is_tried_with_the_gil_off() {
        let found = |outcome, slots: &[(u16, u64)]| {
            let evidence = TestEvidence::new([trial("till", Mode::FreeThreaded, outcome)])
                .with_facts("till", facts(InitKind::MultiPhase, slots));
            finding(check, &evidence, vec![])
        };
        let passes = found(TrialOutcome::Imported, &[]).unwrap();
        assert_eq!((passes.rule, passes.add), (RuleId::DeclareGil, NO_GIL_SLOT));
        assert!(passes.text.ends_with("only the declaration is missing (now: no slot 4)"), "{}", passes.text);
        let crashes = found(crashed(TrialPhase::Storm), &[(4, 0)]).unwrap();
        assert_eq!(
            crashes.text,
            "with the GIL forced off: crashes when threads import and use it at the same time (SIGSEGV)"
        );
        assert!(crashes.add.is_empty());
        assert_eq!(found(TrialOutcome::Imported, &[(4, 1)]), None);
        assert_eq!(found(behind("lamp"), &[]), None);
        assert_eq!(finding(check, &TestEvidence::default(), vec![]), None);
    }
}
