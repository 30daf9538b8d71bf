//! Rule `declare-gil`: the behavior, with the GIL forced off, of a module that does not declare that it needs
//! no GIL.
//!
//! Only its maintainer can decide whether the module supports free threading, as with `declare-slot`.

use super::failure_trace::trace_failure;
use super::free_threading::{GilActivation, gil_activation};
use super::{VerdictInput, messages};
use crate::model::{InitKind, Mode, ModuleFinding, TrialOutcome};

/// The slot to add (CPython documentation, `Py_mod_gil`).
const SLOT: &[&str] = &["{Py_mod_gil, Py_MOD_GIL_NOT_USED},"];

/// The call to add to a module without slots (`PyUnstable_Module_SetGIL`).
const CALL: &[&str] =
    &["#ifdef Py_GIL_DISABLED", "PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);", "#endif"];

/// Reports the trial of a module with the GIL forced off.
///
/// Returns `None` if the module declares that it needs no GIL, or was not tried.
pub fn check_gil_declaration(input: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trial = input.trials.get(name, Mode::FreeThreaded)?;
    let facts = input.facts.get(name)?;
    if gil_activation(input, name) != GilActivation::Yes {
        return None;
    }
    if trial.outcome == TrialOutcome::Imported {
        return Some(ModuleFinding {
            rule: "declare-gil",
            text: format!(
                "passes with the GIL forced off, imported and used by several threads at the same time: if \
                 all of its C data is protected, only the declaration is missing (now: {})",
                messages::describe_gil_declaration(facts)
            ),
            add: if facts.initialisation == InitKind::SinglePhase { CALL } else { SLOT },
        });
    }
    let what = messages::describe_cause(&trace_failure(input, name, Mode::FreeThreaded)?.cause, name);
    Some(ModuleFinding { rule: "declare-gil", text: format!("with the GIL forced off: {what}"), add: &[] })
}
