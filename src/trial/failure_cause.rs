//! Finds the cause of a failed import from its exception. A load that merely failed earlier is not a cause.

use std::collections::BTreeSet;

use wsgiaudit_probes_core::protocol::Exception;

use super::loads::{nearest_failed_load, to_python_error};
use crate::image::MissingDependency;
use crate::model::{Mode, ModuleLoad, PythonError, Refuser, TrialOutcome, TrialPhase};

/// Outcome of an import that raised: a refusal with its module, or another exception.
///
/// `importing` is the name that was imported.
pub(super) fn outcome_of_exception(
    (mode, place): (Mode, TrialPhase),
    importing: Option<&str>,
    error: &Exception,
    loads: &[ModuleLoad],
    in_control: &BTreeSet<String>,
) -> TrialOutcome {
    if mode == Mode::Main {
        return TrialOutcome::Raised { place, error: to_python_error(error), suspect: None };
    }
    let load = nearest_failed_load(&error.behind, in_control)
        .and_then(|name| Some(find_root_cause(find_failed_load(loads, &name)?, loads)));
    let Some((load, cause)) = load.and_then(|load| Some((load, error_of(load)?))) else {
        let suspect =
            error.raised_in.clone().filter(|module| module != "__main__" || importing == Some(module));
        return TrialOutcome::Raised { place, error: to_python_error(error), suspect };
    };
    let raised = |suspect| TrialOutcome::Raised { place, error: cause.clone(), suspect };
    match &load.raised_in {
        Some(module) => raised(Some(module.clone())),
        // The dynamic linker did not find a library or symbol, and no package is known to provide it.
        None if MissingDependency::parse_message(&cause.text).is_some() => raised(None),
        None if cause.kind != "ImportError" || cause.process_limit().is_some() => {
            raised(Some(load.name.clone()))
        }
        None => {
            let by = if cause.is_cpython_refusal() { Refuser::CPython } else { Refuser::Module };
            TrialOutcome::Refused { by, module: load.name.clone(), place, error: cause.clone() }
        }
    }
}

/// Follows `behind` from a failed load to the first load that failed.
fn find_root_cause<'l>(load: &'l ModuleLoad, loads: &'l [ModuleLoad]) -> &'l ModuleLoad {
    let (mut load, mut seen) = (load, BTreeSet::new());
    while let Some(behind) = &load.behind {
        let before = find_failed_load(loads, behind).filter(|_| seen.insert(behind));
        let Some(before) = before else { break };
        load = before;
    }
    load
}

/// The last failed load of this name.
fn find_failed_load<'l>(loads: &'l [ModuleLoad], name: &str) -> Option<&'l ModuleLoad> {
    loads.iter().rev().find(|load| load.name == name && error_of(load).is_some())
}

fn error_of(load: &ModuleLoad) -> Option<&PythonError> {
    load.result.as_ref()?.as_ref().err()
}
