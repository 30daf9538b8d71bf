//! Follows a failure to its root: the module that did it, and the imports that lead there.

use std::path::Path;

use super::{VerdictInput, messages};
use crate::model::{Mode, ModuleLoad, NotRunReason, Refuser, RootCause, Trial, TrialOutcome, TrialPhase};

/// A failure, followed to its root.
pub(super) struct TracedFailure<'a> {
    /// The trial that shows it.
    pub(super) trial: &'a Trial,
    /// Where it comes from.
    pub(super) cause: RootCause,
}

/// Follows the trial of this name. `None` where there is no failure, or none to follow.
pub(super) fn trace_failure<'a>(
    case: &'a VerdictInput<'_>,
    name: &str,
    mode: Mode,
) -> Option<TracedFailure<'a>> {
    let mut way = vec![name.to_owned()];
    let mut trial = case.trials.get(name, mode)?;
    while let TrialOutcome::NotRun(NotRunReason::Behind(other)) = &trial.outcome {
        if way.contains(other) {
            return None;
        }
        way.push(other.clone());
        trial = case.trials.get(other, mode)?;
    }
    if let Some(fault) = &trial.python {
        way.push(trial.subject.clone());
        way.push(fault.subject.clone());
        let what = messages::describe_python_fault(fault);
        let (module, chain) = (fault.subject.clone(), keep_last_occurrences(way));
        return Some(TracedFailure {
            trial,
            cause: RootCause { rule: "python-defect", module, chain, what },
        });
    }
    let (module, chain) = match &trial.outcome {
        TrialOutcome::Refused { module, error, .. } => (module.clone(), error.chain.clone()),
        TrialOutcome::Raised { suspect, error, .. } => {
            let module = suspect.clone().unwrap_or_else(|| trial.subject.clone());
            (module, error.chain.clone())
        }
        TrialOutcome::Crashed { place, loading, .. } | TrialOutcome::TimedOut { place, loading } => {
            (find_culprit(trial, *place, loading.as_ref()), Vec::new())
        }
        TrialOutcome::Shares { objects, .. } => {
            let owner = objects.iter().find_map(|object| object.module.clone());
            (owner.unwrap_or_else(|| trial.subject.clone()), Vec::new())
        }
        TrialOutcome::LosesDescriptors { loading, .. } => {
            (loading.clone().unwrap_or_else(|| trial.subject.clone()), Vec::new())
        }
        TrialOutcome::LeftThreads { .. } => (trial.subject.clone(), Vec::new()),
        TrialOutcome::Imported | TrialOutcome::NotRun(_) => return None,
    };
    way.extend(chain);
    way.push(module.clone());
    let what = messages::describe_failure(trial, case.facts.get(module.as_str()).copied());
    let rule = rule_of_outcome(&trial.outcome)?;
    Some(TracedFailure { trial, cause: RootCause { rule, module, chain: keep_last_occurrences(way), what } })
}

/// The id of the rule that such an outcome breaks.
fn rule_of_outcome(outcome: &TrialOutcome) -> Option<&'static str> {
    Some(match outcome {
        TrialOutcome::Refused { by: Refuser::CPython, .. } => "refused",
        TrialOutcome::Refused { by: Refuser::Module, .. } => "refuses-by-itself",
        TrialOutcome::Raised { .. } => "raises",
        TrialOutcome::Crashed { .. } => "crashes",
        TrialOutcome::TimedOut { .. } => "hangs",
        TrialOutcome::LosesDescriptors { .. } => "loses-descriptors",
        TrialOutcome::LeftThreads { .. } => "leaves-threads",
        TrialOutcome::Shares { .. } => "shares-objects",
        TrialOutcome::Imported | TrialOutcome::NotRun(_) => return None,
    })
}

/// The extension module that holds the instruction which crashed.
fn module_at_crash_site(trial: &Trial) -> Option<&String> {
    let object = &trial.crash.as_ref()?.site.as_ref()?.object;
    let is_it =
        |load: &&ModuleLoad| Path::new(&load.path).file_name().is_some_and(|name| name == object.as_str());
    trial.loads.iter().find(is_it).map(|load| &load.name)
}

/// What was being loaded when it happened; else the subject.
fn find_culprit(trial: &Trial, place: TrialPhase, loading: Option<&String>) -> String {
    match place {
        // Each thread loads something: what crashed is what the instruction lies in, where that is known.
        TrialPhase::Storm => module_at_crash_site(trial).or(loading),
        TrialPhase::Import
        | TrialPhase::SecondInterpreter
        | TrialPhase::UseAfterEnd
        | TrialPhase::AfterAnotherEnded => loading,
        TrialPhase::Startup | TrialPhase::Teardown | TrialPhase::Exit => None,
    }
    .unwrap_or(&trial.subject)
    .clone()
}

fn keep_last_occurrences(way: Vec<String>) -> Vec<String> {
    let mut seen = Vec::with_capacity(way.len());
    for name in way {
        seen.retain(|each| *each != name);
        seen.push(name);
    }
    seen
}
