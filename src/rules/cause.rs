//! Follows a failure to its root: the module that did it, and the imports that lead there.

use std::path::Path;

use super::{Case, words};
use crate::model::{Cause, Load, Mode, NotRun, Outcome, Place, Refuser, Trial};

/// A failure, followed to its root.
pub(super) struct Root<'a> {
    /// The trial that shows it.
    pub(super) trial: &'a Trial,
    /// Where it comes from.
    pub(super) cause: Cause,
}

/// Follows the trial of this name. `None` where there is no failure, or none to follow.
pub(super) fn root<'a>(case: &'a Case<'_>, name: &str, mode: Mode) -> Option<Root<'a>> {
    let mut way = vec![name.to_owned()];
    let mut trial = case.trials.get(name, mode)?;
    while let Outcome::NotRun(NotRun::Behind(other)) = &trial.outcome {
        if way.contains(other) {
            return None;
        }
        way.push(other.clone());
        trial = case.trials.get(other, mode)?;
    }
    if let Some(fault) = &trial.python {
        way.push(trial.subject.clone());
        way.push(fault.subject.clone());
        let what = words::of_the_python(fault);
        let (module, chain) = (fault.subject.clone(), once_each(way));
        return Some(Root { trial, cause: Cause { rule: "python-defect", module, chain, what } });
    }
    let (module, chain) = match &trial.outcome {
        Outcome::Refused { module, error, .. } => (module.clone(), error.chain.clone()),
        Outcome::Raised { suspect, error, .. } => {
            let module = suspect.clone().unwrap_or_else(|| trial.subject.clone());
            (module, error.chain.clone())
        }
        Outcome::Crashed { place, loading, .. } | Outcome::TimedOut { place, loading } => {
            (culprit(trial, *place, loading.as_ref()), Vec::new())
        }
        Outcome::Shares { objects, .. } => {
            let owner = objects.iter().find_map(|object| object.module.clone());
            (owner.unwrap_or_else(|| trial.subject.clone()), Vec::new())
        }
        Outcome::LosesDescriptors { loading, .. } => {
            (loading.clone().unwrap_or_else(|| trial.subject.clone()), Vec::new())
        }
        Outcome::LeftThreads { .. } => (trial.subject.clone(), Vec::new()),
        Outcome::Imported | Outcome::NotRun(_) => return None,
    };
    way.extend(chain);
    way.push(module.clone());
    let what = words::did(trial, case.facts.get(module.as_str()).copied());
    let rule = rule(&trial.outcome)?;
    Some(Root { trial, cause: Cause { rule, module, chain: once_each(way), what } })
}

/// The id of the rule that such an outcome breaks.
fn rule(outcome: &Outcome) -> Option<&'static str> {
    Some(match outcome {
        Outcome::Refused { by: Refuser::CPython, .. } => "refused",
        Outcome::Refused { by: Refuser::Module, .. } => "refuses-by-itself",
        Outcome::Raised { .. } => "raises",
        Outcome::Crashed { .. } => "crashes",
        Outcome::TimedOut { .. } => "hangs",
        Outcome::LosesDescriptors { .. } => "loses-descriptors",
        Outcome::LeftThreads { .. } => "leaves-threads",
        Outcome::Shares { .. } => "shares-objects",
        Outcome::Imported | Outcome::NotRun(_) => return None,
    })
}

/// The extension module that holds the instruction which crashed.
fn crashed_in(trial: &Trial) -> Option<&String> {
    let object = &trial.crash.as_ref()?.site.as_ref()?.object;
    let is_it = |load: &&Load| Path::new(&load.path).file_name().is_some_and(|name| name == object.as_str());
    trial.loads.iter().find(is_it).map(|load| &load.name)
}

/// What was being loaded when it happened; else the subject.
fn culprit(trial: &Trial, place: Place, loading: Option<&String>) -> String {
    match place {
        // Each thread loads something: what crashed is what the instruction lies in, where that is known.
        Place::Storm => crashed_in(trial).or(loading),
        Place::Import | Place::SecondInterpreter | Place::UseAfterEnd | Place::AfterAnotherEnded => loading,
        Place::Startup | Place::Teardown | Place::Exit => None,
    }
    .unwrap_or(&trial.subject)
    .clone()
}

fn once_each(way: Vec<String>) -> Vec<String> {
    let mut seen = Vec::with_capacity(way.len());
    for name in way {
        seen.retain(|each| *each != name);
        seen.push(name);
    }
    seen
}
