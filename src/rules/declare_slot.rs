//! `declare-slot`: a module that CPython refuses for what it does not declare, and what it does where the
//! check is overridden, or is not made. Whether it is fit for an own GIL is its maintainer's to say: passing the trials proves
//! that nothing was found, and the declaration promises that there is nothing.

use super::cause::root;
use super::{Case, words};
use crate::model::{Finding, Mode, Outcome, Refuser};

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
    let what = words::because_of(&root.cause, name);
    let how = match trial.mode {
        Mode::OwnGil => "with CPython's check overridden",
        Mode::SharedGil | Mode::Main | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            "where CPython does not check, with a shared GIL"
        }
    };
    Some(Finding { rule: "declare-slot", text: format!("{how}: {what}"), add: &[] })
}
