//! Traces a failure to its root cause: the module that failed, and the chain of imports that leads to it.

use std::path::Path;

use super::{VerdictInput, messages};
use crate::model::{Mode, ModuleLoad, NotRunReason, Refuser, RootCause, Trial, TrialOutcome, TrialPhase};

/// A failure and its root cause.
pub(super) struct TracedFailure<'a> {
    /// The trial in which it happened.
    pub(super) trial: &'a Trial,
    /// Its root cause.
    pub(super) cause: RootCause,
}

/// Traces the failure of a subject in a mode. Returns `None` if it did not fail, or if the cause cannot be
/// traced.
pub(super) fn trace_failure<'a>(
    input: &'a VerdictInput<'_>,
    name: &str,
    mode: Mode,
) -> Option<TracedFailure<'a>> {
    let mut imports = vec![name.to_owned()];
    let mut trial = input.trials.get(name, mode)?;
    while let TrialOutcome::NotRun(NotRunReason::Behind(other)) = &trial.outcome {
        if imports.contains(other) {
            return None;
        }
        imports.push(other.clone());
        trial = input.trials.get(other, mode)?;
    }
    if let Some(fault) = &trial.python {
        imports.push(trial.subject.clone());
        imports.push(fault.subject.clone());
        let what = messages::describe_python_fault(fault);
        let (module, chain) = (fault.subject.clone(), keep_last_occurrences(imports));
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
    imports.extend(chain);
    imports.push(module.clone());
    let what = messages::describe_failure(trial, input.facts.get(module.as_str()).copied());
    let rule = rule_of_outcome(&trial.outcome)?;
    Some(TracedFailure {
        trial,
        cause: RootCause { rule, module, chain: keep_last_occurrences(imports), what },
    })
}

/// Returns the id of the rule that reports an outcome. `None` for outcomes that are no failure.
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

/// Returns the extension module whose file contains the faulting instruction.
fn module_at_crash_site(trial: &Trial) -> Option<&String> {
    let object = &trial.crash.as_ref()?.site.as_ref()?.object;
    let is_it =
        |load: &&ModuleLoad| Path::new(&load.path).file_name().is_some_and(|name| name == object.as_str());
    trial.loads.iter().find(is_it).map(|load| &load.name)
}

/// Returns the module that a crash or a timeout is attributed to: the one that was being loaded, otherwise
/// the subject.
fn find_culprit(trial: &Trial, phase: TrialPhase, loading: Option<&String>) -> String {
    match phase {
        // Several threads load modules at the same time. The faulting instruction is better evidence.
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

/// Removes repeated names from a chain of imports and keeps the last occurrence of each.
fn keep_last_occurrences(chain: Vec<String>) -> Vec<String> {
    let mut seen = Vec::with_capacity(chain.len());
    for name in chain {
        seen.retain(|each| *each != name);
        seen.push(name);
    }
    seen
}
