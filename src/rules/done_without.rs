//! Extension modules that a distribution demonstrably does without in the control: importing its names tried to load
//! them, that raised, and the import went on. A module that nothing tried to load shows nothing: it may be imported later.

use std::collections::BTreeSet;

use super::declared::is_import_error;
use super::{Case, words};
use crate::model::{FileKind, Mode, Module, NotRun, Outcome, Trial};

/// Those of these modules, by name; `names` are the distribution's top-level names.
pub fn done_without(case: &Case<'_>, names: &[String], modules: &[&Module]) -> BTreeSet<String> {
    let public = names.iter().filter(|name| !name.starts_with('_'));
    let controls: Option<Vec<&Trial>> = public.map(|name| imported(case, name)).collect();
    let controls = controls.unwrap_or_default();
    let is_lost = |module: &&&Module| {
        module.kind == FileKind::ExtensionModule
            && fails(case, &module.name)
            && !controls.iter().any(|control| control.loaded().any(|load| load.name == module.name))
            && controls.iter().any(|control| survives(case, control, &module.name))
    };
    modules.iter().filter(is_lost).map(|module| module.name.clone()).collect()
}

fn imported<'a>(case: &'a Case<'_>, name: &str) -> Option<&'a Trial> {
    case.trials.get(name, Mode::Main).filter(|trial| trial.outcome == Outcome::Imported)
}

/// Whether the control failed at it: what the sandbox denied, or nobody tried, shows nothing.
fn fails(case: &Case<'_>, name: &str) -> bool {
    case.trials.get(name, Mode::Main).is_some_and(|trial| match trial.outcome {
        Outcome::Imported | Outcome::NotRun(NotRun::Because(..) | NotRun::Shadowed(_)) => false,
        Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(NotRun::Behind(_)) => true,
    })
}

/// Whether this import went on after it had failed to load the module. Who catches another exception may not catch the
/// `ImportError` of a refusal.
fn survives(case: &Case<'_>, control: &Trial, module: &str) -> bool {
    let is_refused = case.facts.get(module).is_some_and(|facts| words::refused_by_declaration(facts));
    control.loads.iter().filter(|load| load.name == module).any(|load| match &load.result {
        Some(Err(error)) => !is_refused || is_import_error(error),
        Some(Ok(())) | None => false,
    })
}
