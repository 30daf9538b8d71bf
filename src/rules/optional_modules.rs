//! Finds the extension modules that a distribution works without in the control.
//!
//! The evidence is a failed load: importing one of the distribution's names tried to load the module, the
//! load raised an exception, and the import went on. A module that no import tried to load is not included,
//! because it may be imported later.

use std::collections::BTreeSet;

use super::declared_refusal::is_import_error;
use super::{VerdictInput, messages};
use crate::model::{ExtensionFile, ExtensionFileKind, Mode, NotRunReason, Trial, TrialOutcome};

/// Returns the names of those `modules` that the distribution works without. `names` are its top-level names.
pub fn find_optional_modules(
    input: &VerdictInput<'_>,
    names: &[String],
    modules: &[&ExtensionFile],
) -> BTreeSet<String> {
    let public = names.iter().filter(|name| !name.starts_with('_'));
    let controls: Option<Vec<&Trial>> = public.map(|name| find_imported_control(input, name)).collect();
    let controls = controls.unwrap_or_default();
    let is_optional = |module: &&&ExtensionFile| {
        module.kind == ExtensionFileKind::ExtensionModule
            && fails_in_control(input, &module.name)
            && !controls.iter().any(|control| control.successful_loads().any(|load| load.name == module.name))
            && controls.iter().any(|control| survives_failed_load(input, control, &module.name))
    };
    modules.iter().filter(is_optional).map(|module| module.name.clone()).collect()
}

/// Returns the control of a name, if it imported the name.
fn find_imported_control<'a>(input: &'a VerdictInput<'_>, name: &str) -> Option<&'a Trial> {
    input.trials.get(name, Mode::Main).filter(|trial| trial.outcome == TrialOutcome::Imported)
}

/// Whether the control of a module failed. A trial that did not take place is no failure.
fn fails_in_control(input: &VerdictInput<'_>, name: &str) -> bool {
    input.trials.get(name, Mode::Main).is_some_and(|trial| match trial.outcome {
        TrialOutcome::Imported
        | TrialOutcome::NotRun(NotRunReason::Because(..) | NotRunReason::Shadowed(_)) => false,
        TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(NotRunReason::Behind(_)) => true,
    })
}

/// Whether this import went on after it had failed to load the module.
///
/// For a module that CPython refuses, only an `ImportError` counts: code that catches another exception may
/// not catch the `ImportError` of the refusal.
fn survives_failed_load(input: &VerdictInput<'_>, control: &Trial, module: &str) -> bool {
    let is_refused = input.facts.get(module).is_some_and(|facts| messages::is_refused_by_declaration(facts));
    control.loads.iter().filter(|load| load.name == module).any(|load| match &load.result {
        Some(Err(error)) => !is_refused || is_import_error(error),
        Some(Ok(())) | None => false,
    })
}
