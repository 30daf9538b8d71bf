//! Rule `declare-slot`: the behavior, without CPython's check, of a module that CPython refuses for its
//! declaration.
//!
//! Only its maintainer can decide whether the module supports an own GIL. Passing the trials shows that no
//! problem was found, whereas the declaration promises that there is none.

use super::evidence::ModuleEvidence;
use crate::model::{AbnormalExit, Mode, ModuleFinding, Refuser, RootCause, RuleId, Trial, TrialOutcome};
use crate::rules::failure_trace::trace_failure;
use crate::rules::messages;

/// The slot to add (CPython documentation, `Py_mod_multiple_interpreters`).
const DECLARATION: &[&str] = &["{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},"];

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
        return Some(ModuleFinding {
            rule: RuleId::DeclareSlot,
            text: format!(
                "passes with CPython's check overridden: if none of its C data is shared between interpreters, \
                 only the declaration is missing (now: {})",
                messages::describe_slot_declaration(facts)
            ),
            add: DECLARATION,
        });
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
    use crate::model::{InitKind, NotRunReason, ReasonId, TrialPhase};
    use crate::rules::test_evidence::*;

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
        assert_eq!((passes.rule, passes.add), (RuleId::DeclareSlot, DECLARATION));
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
