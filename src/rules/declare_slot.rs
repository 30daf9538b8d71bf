//! `declare-slot`: a module that CPython refuses for what it does not declare, and what it does where the
//! check is overridden, or is not made. Whether it is fit for an own GIL is its maintainer's to say: passing the trials proves
//! that nothing was found, and the declaration promises that there is nothing.

use super::cause::root;
use super::{Case, words};
use crate::model::{Cause, Death, Finding, Mode, Outcome, Refuser, Trial};

/// The lines that declare it (CPython documentation, `Py_mod_multiple_interpreters`).
const DECLARATION: &[&str] = &["{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},"];

/// What the trial of this module with the check overridden tells, or with a shared GIL, where CPython does not check.
/// `unchecked` holds those trials; `None` where there was none, or no answer.
pub fn declare_slot(unchecked: &Case<'_>, name: &str) -> Option<Finding> {
    let trial =
        [Mode::OwnGil, Mode::SharedGil].into_iter().find_map(|mode| unchecked.trials.get(name, mode))?;
    let facts = unchecked.facts.get(name).filter(|facts| facts.could_declare())?;
    if trial.outcome == Outcome::Imported {
        return Some(Finding {
            rule: "declare-slot",
            text: format!(
                "passes with CPython's check overridden: where nothing that it keeps in C is shared between \
                 interpreters, all that it lacks is the declaration (now: {})",
                words::declaration(facts)
            ),
            add: DECLARATION,
        });
    }
    let root = root(unchecked, name, trial.mode)?;
    // Refused all the same: the check was not overridden, and nothing was learnt.
    if matches!(root.trial.outcome, Outcome::Refused { by: Refuser::CPython, .. }) {
        return None;
    }
    let cause = match crash_of_a_corrupt_heap(root.trial) {
        Some(what) => Cause { what, ..root.cause },
        None => root.cause,
    };
    let what = words::because_of(&cause, name);
    let how = match trial.mode {
        Mode::OwnGil => "with CPython's check overridden",
        Mode::SharedGil | Mode::Main | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            "where CPython does not check, with a shared GIL"
        }
    };
    Some(Finding { rule: "declare-slot", text: format!("{how}: {what}"), add: &[] })
}

/// A crash in which interpreters with a GIL each use what only one GIL guarded, or what only one of them has allocated:
/// where the damage is noticed, and by whom, is chance. So it is told without the signal and the place of the instruction.
fn crash_of_a_corrupt_heap(trial: &Trial) -> Option<String> {
    // SIGILL, SIGTRAP, SIGABRT, SIGBUS and SIGSEGV. Whatever else ends a process is somebody's intention.
    let Outcome::Crashed { how: Death::Signal(4..=7 | 11), place, .. } = &trial.outcome else { return None };
    (trial.mode == Mode::OwnGil).then(|| format!("crashes {}", place.phrase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NotRun, Place, ReasonId};

    fn told(how: Death, mode: Mode) -> Option<String> {
        let because = NotRun::Because(ReasonId::ProbeFailed, String::new());
        let outcome = Outcome::Crashed { how, place: Place::SecondInterpreter, loading: None };
        crash_of_a_corrupt_heap(&Trial { outcome, ..Trial::not_run("till", mode, because) })
    }

    #[test]
    fn a_corrupt_heap_is_told_without_the_signal_it_dies_by() {
        for signal in [6, 11] {
            let what = told(Death::Signal(signal), Mode::OwnGil);
            assert_eq!(what.as_deref(), Some("crashes in the second interpreter"));
        }
    }

    #[test]
    fn what_is_no_chance_keeps_its_words() {
        assert_eq!(told(Death::Exit(3), Mode::OwnGil), None);
        assert_eq!(told(Death::Signal(15), Mode::OwnGil), None);
        assert_eq!(told(Death::Signal(11), Mode::SharedGil), None);
    }
}
