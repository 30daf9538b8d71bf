//! Rule `declare-slot`: the behavior, without CPython's check, of a module that CPython refuses for its
//! declaration.
//!
//! Only its maintainer can decide whether the module supports an own GIL. Passing the trials shows that no
//! problem was found, whereas the declaration promises that there is none.

use super::declaration_advice::{Advice, advise_own_gil, list_own_gil_hazards};
use super::evidence::ModuleEvidence;
use crate::model::{
    AbnormalExit, BinaryFacts, Mode, ModuleFinding, Refuser, RootCause, RuleId, Toolchain, Trial,
    TrialOutcome,
};
use crate::rules::failure_trace::trace_failure;
use crate::rules::messages;

/// Reports the trial of a module without CPython's check: with the check overridden, or with a shared GIL,
/// where CPython does not check.
///
/// Returns `None` if there was no such trial, or if it gave no result.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let (unchecked, name) = (evidence.unchecked, evidence.module.name.as_str());
    let trial =
        [Mode::OwnGil, Mode::SharedGil].into_iter().find_map(|mode| unchecked.trials.get(name, mode))?;
    let facts = unchecked.facts.get(name).filter(|facts| facts.could_declare_own_gil())?;
    if trial.outcome == TrialOutcome::Imported {
        return Some(advise_declaration(facts, evidence.module.toolchain));
    }
    let root = trace_failure(unchecked, name, trial.mode)?;
    // The override had no effect, so the trial shows nothing new.
    if matches!(root.trial.outcome, TrialOutcome::Refused { by: Refuser::CPython, .. }) {
        return None;
    }
    let cause = match describe_heap_corruption(root.trial) {
        Some(what) => RootCause { what, ..root.cause },
        None => root.cause,
    };
    let what = messages::describe_cause(&cause, name);
    let how = match trial.mode {
        Mode::OwnGil => "with CPython's check overridden",
        Mode::SharedGil | Mode::OwnGilCopies | Mode::Main | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            "where CPython does not check, with a shared GIL"
        }
    };
    Some(ModuleFinding { rule: RuleId::DeclareSlot, text: format!("{how}: {what}"), add: &[] })
}

/// Says what a module lacks that passes without the check. It never names the line to add beside a hazard.
fn advise_declaration(facts: &BinaryFacts, toolchain: Option<Toolchain>) -> ModuleFinding {
    let now = messages::describe_slot_declaration(facts);
    let passes = "passes with CPython's check overridden";
    let (text, add): (String, &[&str]) = match (
        list_own_gil_hazards(facts, toolchain),
        advise_own_gil(toolchain),
    ) {
        (Some(hazards), _) => {
            (format!("{passes}; before it declares support, remove {hazards} (now: {now})"), &[])
        }
        (None, Advice::Add(lines)) => (
            format!(
                "{passes}: if none of its C data is shared between interpreters, only the declaration is missing \
                 (now: {now})"
            ),
            lines,
        ),
        (None, Advice::None(why)) => (format!("{passes} (now: {now}); {why}"), &[]),
    };
    ModuleFinding { rule: RuleId::DeclareSlot, text, add }
}

/// Describes a crash with own GILs without the signal and the address.
///
/// Interpreters with their own GIL corrupt the heap if they share data that only one GIL protected, or use
/// memory that another interpreter allocated. It is chance where the process crashes then, and with which
/// signal. The text must not change from run to run.
fn describe_heap_corruption(trial: &Trial) -> Option<String> {
    // SIGILL, SIGTRAP, SIGABRT, SIGBUS and SIGSEGV. Other signals are sent on purpose.
    let TrialOutcome::Crashed { how: AbnormalExit::Signal(4..=7 | 11), place, .. } = &trial.outcome else {
        return None;
    };
    (trial.mode == Mode::OwnGil).then(|| format!("crashes {}", place.phrase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BinaryHazard, InitKind, NotRunReason, ReasonId, TrialPhase};
    use crate::rules::test_evidence::*;
    use crate::rules::trial::declaration_advice::OWN_GIL_SLOT;

    #[test]
    fn the_line_is_that_of_the_toolchain_and_never_beside_a_hazard() {
        let plain = facts(InitKind::MultiPhase, &[]);
        for toolchain in Toolchain::ALL.map(Some).into_iter().chain([None]) {
            let found = advise_declaration(&plain, toolchain);
            let has_a_declaration =
                matches!(toolchain, None | Some(Toolchain::Cython) | Some(Toolchain::Pybind11));
            assert_eq!(!found.add.is_empty(), has_a_declaration, "{found:?}");
            let is_named = toolchain.is_none_or(|toolchain| found.text.contains(toolchain.name()));
            assert!(has_a_declaration || is_named, "{found:?}");
            let evidence = "calls PyType_Ready on static types: Till".to_owned();
            let hazards = vec![BinaryHazard { kind: RuleId::StaticType, evidence }];
            let shared = advise_declaration(&BinaryFacts { hazards, ..plain.clone() }, toolchain);
            assert!(shared.add.is_empty() && shared.text.contains("remove static-type (now: "), "{shared:?}");
        }
        let cython = advise_declaration(&plain, Some(Toolchain::Cython));
        assert_eq!(cython.add, ["# cython: subinterpreters_compatible = own_gil"]);
    }

    fn told(how: AbnormalExit, mode: Mode) -> Option<String> {
        let because = NotRunReason::Because(ReasonId::ProbeFailed, String::new());
        let outcome = TrialOutcome::Crashed { how, place: TrialPhase::SecondInterpreter, loading: None };
        describe_heap_corruption(&Trial { outcome, ..Trial::not_run("till", mode, because) })
    }

    #[test]
    fn a_corrupt_heap_is_told_without_the_signal_it_dies_by() {
        for signal in [6, 11] {
            let what = told(AbnormalExit::Signal(signal), Mode::OwnGil);
            assert_eq!(what.as_deref(), Some("crashes in the second interpreter"));
        }
    }

    #[test]
    fn what_is_no_chance_keeps_its_words() {
        assert_eq!(told(AbnormalExit::Exit(3), Mode::OwnGil), None);
        assert_eq!(told(AbnormalExit::Signal(15), Mode::OwnGil), None);
        assert_eq!(told(AbnormalExit::Signal(11), Mode::SharedGil), None);
    }

    #[test]
    fn a_module_without_the_check_tells_what_it_would_do() {
        let found = |mode, outcome, slots: &[(u16, u64)]| {
            let evidence = TestEvidence::default().with_facts("till", facts(InitKind::MultiPhase, slots));
            finding(check, &evidence, vec![trial("till", mode, outcome)])
        };
        let passes = found(Mode::OwnGil, TrialOutcome::Imported, &[]).unwrap();
        assert_eq!((passes.rule, passes.add), (RuleId::DeclareSlot, OWN_GIL_SLOT));
        assert!(passes.text.ends_with("only the declaration is missing (now: no slot 3)"), "{}", passes.text);
        for (mode, outcome, text) in [
            (Mode::OwnGil, crashed(TrialPhase::Import), "with CPython's check overridden: crashes at import"),
            (
                Mode::SharedGil,
                crashed(TrialPhase::Import),
                "where CPython does not check, with a shared GIL: crashes at import (SIGSEGV)",
            ),
            (
                Mode::OwnGil,
                refused(Refuser::Module, "till", "no"),
                "with CPython's check overridden: refuses sub-interpreters by itself: no",
            ),
        ] {
            let finding = found(mode, outcome, &[(3, 1)]).unwrap();
            assert_eq!((finding.text.as_str(), finding.add.len()), (text, 0));
        }
        assert_eq!(found(Mode::OwnGil, refused(Refuser::CPython, "till", ""), &[]), None);
        assert_eq!(found(Mode::OwnGil, TrialOutcome::Imported, &[(3, 2)]), None);
        assert_eq!(found(Mode::Main, TrialOutcome::Imported, &[]), None);
        assert_eq!(found(Mode::OwnGil, behind("lamp"), &[]), None);
    }
}
