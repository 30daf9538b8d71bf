//! Extension modules that a distribution demonstrably does without in the control: importing its names tried to load
//! them, that raised, and the import went on. A module that nothing tried to load shows nothing: it may be imported later.

use std::collections::BTreeSet;

use super::declared_refusal::is_import_error;
use super::{VerdictInput, messages};
use crate::model::{ExtensionFile, ExtensionFileKind, Mode, NotRunReason, Trial, TrialOutcome};

/// Those of these modules, by name; `names` are the distribution's top-level names.
pub fn find_optional_modules(
    case: &VerdictInput<'_>,
    names: &[String],
    modules: &[&ExtensionFile],
) -> BTreeSet<String> {
    let public = names.iter().filter(|name| !name.starts_with('_'));
    let controls: Option<Vec<&Trial>> = public.map(|name| find_imported_control(case, name)).collect();
    let controls = controls.unwrap_or_default();
    let is_lost = |module: &&&ExtensionFile| {
        module.kind == ExtensionFileKind::ExtensionModule
            && fails_in_control(case, &module.name)
            && !controls.iter().any(|control| control.successful_loads().any(|load| load.name == module.name))
            && controls.iter().any(|control| survives_failed_load(case, control, &module.name))
    };
    modules.iter().filter(is_lost).map(|module| module.name.clone()).collect()
}

fn find_imported_control<'a>(case: &'a VerdictInput<'_>, name: &str) -> Option<&'a Trial> {
    case.trials.get(name, Mode::Main).filter(|trial| trial.outcome == TrialOutcome::Imported)
}

/// Whether the control failed at it: what the sandbox denied, or nobody tried, shows nothing.
fn fails_in_control(case: &VerdictInput<'_>, name: &str) -> bool {
    case.trials.get(name, Mode::Main).is_some_and(|trial| match trial.outcome {
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

/// Whether this import went on after it had failed to load the module. Who catches another exception may not catch the
/// `ImportError` of a refusal.
fn survives_failed_load(case: &VerdictInput<'_>, control: &Trial, module: &str) -> bool {
    let is_refused = case.facts.get(module).is_some_and(|facts| messages::is_refused_by_declaration(facts));
    control.loads.iter().filter(|load| load.name == module).any(|load| match &load.result {
        Some(Err(error)) => !is_refused || is_import_error(error),
        Some(Ok(())) | None => false,
    })
}
