//! `declare-gil`: a module that does not declare that it needs no GIL, and what it does without one. Whether it is
//! fit for free threading is its maintainer's to say, as with `declare-slot`.

use super::failure_trace::trace_failure;
use super::free_threading::{GilActivation, gil_activation};
use super::{VerdictInput, messages};
use crate::model::{InitKind, Mode, ModuleFinding, TrialOutcome};

/// The lines that declare it (CPython documentation, `Py_mod_gil`).
const SLOT: &[&str] = &["{Py_mod_gil, Py_MOD_GIL_NOT_USED},"];

/// The same where there are no slots (`PyUnstable_Module_SetGIL`).
const CALL: &[&str] =
    &["#ifdef Py_GIL_DISABLED", "PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);", "#endif"];

/// What the trial of this module with the GIL forced off tells. `None` where it declares, or was not tried.
pub fn check_gil_declaration(case: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trial = case.trials.get(name, Mode::FreeThreaded)?;
    let facts = case.facts.get(name)?;
    if gil_activation(case, name) != GilActivation::Yes {
        return None;
    }
    if trial.outcome == TrialOutcome::Imported {
        return Some(ModuleFinding {
            rule: "declare-gil",
            text: format!(
                "passes with the GIL forced off, imported and used by several threads at the same time: where all \
                 that it keeps in C is guarded, all that it lacks is the declaration (now: {})",
                messages::describe_gil_declaration(facts)
            ),
            add: if facts.initialisation == InitKind::SinglePhase { CALL } else { SLOT },
        });
    }
    let what = messages::describe_cause(&trace_failure(case, name, Mode::FreeThreaded)?.cause, name);
    Some(ModuleFinding { rule: "declare-gil", text: format!("with the GIL forced off: {what}"), add: &[] })
}
