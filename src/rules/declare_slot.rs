//! `declare-slot`: a module that CPython refuses for what it does not declare, and what it does where the
//! check is overridden, or is not made. Whether it is fit for an own GIL is its maintainer's to say: passing the trials proves
//! that nothing was found, and the declaration promises that there is nothing.

use super::failure_trace::trace_failure;
use super::{VerdictInput, messages};
use crate::model::{AbnormalExit, Mode, ModuleFinding, Refuser, RootCause, Trial, TrialOutcome};

/// The lines that declare it (CPython documentation, `Py_mod_multiple_interpreters`).
const DECLARATION: &[&str] = &["{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},"];

/// What the trial of this module with the check overridden tells, or with a shared GIL, where CPython does not check.
/// `unchecked` holds those trials; `None` where there was none, or no answer.
pub fn check_slot_declaration(unchecked: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trial =
        [Mode::OwnGil, Mode::SharedGil].into_iter().find_map(|mode| unchecked.trials.get(name, mode))?;
    let facts = unchecked.facts.get(name).filter(|facts| facts.could_declare_own_gil())?;
    if trial.outcome == TrialOutcome::Imported {
        return Some(ModuleFinding {
            rule: "declare-slot",
            text: format!(
                "passes with CPython's check overridden: where nothing that it keeps in C is shared between \
                 interpreters, all that it lacks is the declaration (now: {})",
                messages::describe_slot_declaration(facts)
            ),
            add: DECLARATION,
        });
    }
    let root = trace_failure(unchecked, name, trial.mode)?;
    // Refused all the same: the check was not overridden, and nothing was learnt.
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
        Mode::SharedGil | Mode::Main | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            "where CPython does not check, with a shared GIL"
        }
    };
    Some(ModuleFinding { rule: "declare-slot", text: format!("{how}: {what}"), add: &[] })
}

/// A crash in which interpreters with a GIL each use what only one GIL guarded, or what only one of them has allocated:
/// where the damage is noticed, and by whom, is chance. So it is told without the signal and the place of the instruction.
fn describe_heap_corruption(trial: &Trial) -> Option<String> {
    // SIGILL, SIGTRAP, SIGABRT, SIGBUS and SIGSEGV. Whatever else ends a process is somebody's intention.
    let TrialOutcome::Crashed { how: AbnormalExit::Signal(4..=7 | 11), place, .. } = &trial.outcome else {
        return None;
    };
    (trial.mode == Mode::OwnGil).then(|| format!("crashes {}", place.phrase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NotRunReason, ReasonId, TrialPhase};

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
}
