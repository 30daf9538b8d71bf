//! Rule `behind`: the behavior of a module whose parent package fails to import.

use super::failure_trace::trace_failure;
use super::{VerdictInput, messages};
use crate::model::{Mode, ModuleFinding, NotRunReason, TrialOutcome};

/// Reports what a module would do if its parent package did not fail. `alone` holds the trials without the
/// real parent packages.
///
/// Returns `None` if there was no such trial, because no package fails or the module's declaration decides
/// already, and if the module does not import without its packages.
pub fn check_behind_package(
    input: &VerdictInput<'_>,
    alone: &VerdictInput<'_>,
    name: &str,
) -> Option<ModuleFinding> {
    let TrialOutcome::NotRun(NotRunReason::Behind(_)) = input.trials.get(name, Mode::OwnGil)?.outcome else {
        return None;
    };
    let does = if alone.trials.get(name, Mode::OwnGil)?.outcome == TrialOutcome::Imported {
        "is imported by each interpreter, and no problem was found".to_owned()
    } else {
        let cause = trace_failure(alone, name, Mode::OwnGil)?.cause;
        // The module may need something that its packages provide. An exception without them shows nothing.
        if cause.rule == "raises" {
            return None;
        }
        messages::describe_cause(&cause, name)
    };
    Some(ModuleFinding {
        rule: "behind",
        text: format!("by itself, without its packages, it {does}"),
        add: &[],
    })
}
