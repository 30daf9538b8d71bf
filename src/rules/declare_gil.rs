//! `declare-gil`: a module that does not declare that it needs no GIL, and what it does without one. Whether it is
//! fit for free threading is its maintainer's to say, as with `declare-slot`.

use super::cause::root;
use super::free_threading::{Enables, enables};
use super::{Case, words};
use crate::model::{Finding, Initialisation, Mode, Outcome};

/// The lines that declare it (CPython documentation, `Py_mod_gil`).
const SLOT: &[&str] = &["{Py_mod_gil, Py_MOD_GIL_NOT_USED},"];

/// The same where there are no slots (`PyUnstable_Module_SetGIL`).
const CALL: &[&str] =
    &["#ifdef Py_GIL_DISABLED", "PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);", "#endif"];

/// What the trial of this module with the GIL forced off tells. `None` where it declares, or was not tried.
pub fn declare_gil(case: &Case<'_>, name: &str) -> Option<Finding> {
    let trial = case.trials.get(name, Mode::FreeThreaded)?;
    let facts = case.facts.get(name)?;
    if enables(case, name) != Enables::Yes {
        return None;
    }
    if trial.outcome == Outcome::Imported {
        return Some(Finding {
            rule: "declare-gil",
            text: format!(
                "passes with the GIL forced off, imported and used by several threads at the same time: where all \
                 that it keeps in C is guarded, all that it lacks is the declaration (now: {})",
                words::gil_declaration(facts)
            ),
            add: if facts.initialisation == Initialisation::SinglePhase { CALL } else { SLOT },
        });
    }
    let what = words::because_of(&root(case, name, Mode::FreeThreaded)?.cause, name);
    Some(Finding { rule: "declare-gil", text: format!("with the GIL forced off: {what}"), add: &[] })
}
