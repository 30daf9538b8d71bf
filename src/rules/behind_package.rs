//! `behind`: what a module does by itself that a package above it keeps from being imported.

use super::failure_trace::trace_failure;
use super::{VerdictInput, messages};
use crate::model::{Mode, ModuleFinding, NotRunReason, TrialOutcome};

/// What would come next if what stands in its way were gone. `alone` holds the trials without the packages around a
/// module. `None` where there was none, since nothing stands in its way or its declaration says enough, and where it
/// does not import without what its packages do.
pub fn check_behind_package(
    case: &VerdictInput<'_>,
    alone: &VerdictInput<'_>,
    name: &str,
) -> Option<ModuleFinding> {
    let TrialOutcome::NotRun(NotRunReason::Behind(_)) = case.trials.get(name, Mode::OwnGil)?.outcome else {
        return None;
    };
    let does = if alone.trials.get(name, Mode::OwnGil)?.outcome == TrialOutcome::Imported {
        "is imported by each interpreter, and nothing was found".to_owned()
    } else {
        let cause = trace_failure(alone, name, Mode::OwnGil)?.cause;
        // Without its packages it lacks what they do: an exception is no wonder.
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
