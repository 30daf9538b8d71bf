//! What an import failed because of, by what has raised: never by what merely failed before it.

use std::collections::BTreeSet;

use super::loads::{named, python_error};
use super::protocol::Exception;
use crate::image::Missing;
use crate::model::{Load, Mode, Outcome, Place, PythonError, Refuser};

/// An import that raised: was it a refusal, and whose? `importing`: the name that was imported.
pub(super) fn failed(
    (mode, place): (Mode, Place),
    importing: Option<&str>,
    error: &Exception,
    loads: &[Load],
    in_control: &BTreeSet<String>,
) -> Outcome {
    if mode == Mode::Main {
        return Outcome::Raised { place, error: python_error(error), suspect: None };
    }
    let load = named(&error.behind, in_control).and_then(|name| Some(origin(failure(loads, &name)?, loads)));
    let Some((load, cause)) = load.and_then(|load| Some((load, error_of(load)?))) else {
        let suspect =
            error.raised_in.clone().filter(|module| module != "__main__" || importing == Some(module));
        return Outcome::Raised { place, error: python_error(error), suspect };
    };
    let raised = |suspect| Outcome::Raised { place, error: cause.clone(), suspect };
    match &load.raised_in {
        Some(module) => raised(Some(module.clone())),
        // What it misses, nobody is known to have.
        None if Missing::read(&cause.text).is_some() => raised(None),
        None if cause.kind != "ImportError" => raised(Some(load.name.clone())),
        None => {
            let by = if cause.is_cpythons_refusal() { Refuser::CPython } else { Refuser::Module };
            Outcome::Refused { by, module: load.name.clone(), place, error: cause.clone() }
        }
    }
}

/// The load that a failed load failed because of, and so on to the first of them.
fn origin<'l>(load: &'l Load, loads: &'l [Load]) -> &'l Load {
    let (mut load, mut seen) = (load, BTreeSet::new());
    while let Some(behind) = &load.behind {
        let before = failure(loads, behind).filter(|_| seen.insert(behind));
        let Some(before) = before else { break };
        load = before;
    }
    load
}

/// The last failed load of this name.
fn failure<'l>(loads: &'l [Load], name: &str) -> Option<&'l Load> {
    loads.iter().rev().find(|load| load.name == name && error_of(load).is_some())
}

fn error_of(load: &Load) -> Option<&PythonError> {
    load.result.as_ref()?.as_ref().err()
}
