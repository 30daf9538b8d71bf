//! Collects the loads of a trial from its record, and links each failed load to the failed load that caused
//! it.

use std::collections::BTreeSet;
use std::path::Path;

use wsgiaudit_probes_core::interpreter_names::MAIN;
use wsgiaudit_probes_core::protocol::{Exception, LoadFailure, TrialEvent};

use crate::image::MissingDependency;
use crate::model::{LoadedModuleDef, ModuleLoad, PythonError};

/// Collects every load, in order.
///
/// `in_control` names the modules that the control could load. Only those count as missing here.
pub(super) fn collect_loads(events: &[TrialEvent], in_control: &BTreeSet<String>) -> Vec<ModuleLoad> {
    let mut loads: Vec<ModuleLoad> = Vec::new();
    // Exception of an init function that ran in the main interpreter, until the load that ran it fails.
    let mut uncaught: Option<&Exception> = None;
    for event in events {
        if let TrialEvent::Loading { interpreter, name, path, chain } = event {
            let chain = full_import_chain(&loads, interpreter, chain);
            loads.push(new_load(interpreter, name, path, chain));
            uncaught = None;
        } else if let TrialEvent::Uncaught(error) = event {
            uncaught = Some(error);
        } else if let TrialEvent::Failed { interpreter, name, error } = event {
            let hidden = uncaught.take().filter(|_| error.text == RAISED_IN_MAIN);
            record_failure(&mut loads, in_control, (interpreter, name), hidden.unwrap_or(error));
        } else if let Some(load) = event.load().and_then(|load| find_last_load(&mut loads, load)) {
            if let TrialEvent::GilEnabled { .. } = event {
                load.enables_gil = true;
            } else if let TrialEvent::Declared { definition, .. } = event {
                let slots = definition.slots.clone();
                load.declared = Some(LoadedModuleDef { m_size: definition.m_size, slots });
            } else if let TrialEvent::Loaded { .. } = event {
                // A load that has failed stays failed: another attempt is a load of its own.
                load.result.get_or_insert(Ok(()));
            }
        }
    }
    loads
}

/// CPython's message when an init function raises in the main interpreter on behalf of a sub-interpreter
/// (3.13, `Python/import.c`). CPython prints the original exception itself.
const RAISED_IN_MAIN: &str = "failed to import from subinterpreter due to exception";

fn new_load(interpreter: &str, name: &str, path: &str, chain: Vec<String>) -> ModuleLoad {
    ModuleLoad {
        interpreter: interpreter.to_owned(),
        name: name.to_owned(),
        path: path.to_owned(),
        chain,
        enables_gil: false,
        declared: None,
        behind: None,
        raised_in: None,
        result: None,
    }
}

/// The modules being imported.
///
/// An import in the main interpreter during another interpreter's load is part of that load.
fn full_import_chain(loads: &[ModuleLoad], interpreter: &str, chain: &[String]) -> Vec<String> {
    let outer = loads.iter().rev().find(|load| load.result.is_none());
    let outer = outer.filter(|load| interpreter == MAIN && load.interpreter != MAIN);
    let before = outer.into_iter().flat_map(|load| load.chain.iter().chain([&load.name]));
    before.chain(chain).cloned().collect()
}

/// The last load of this name in this interpreter.
fn find_last_load<'a>(
    loads: &'a mut [ModuleLoad],
    (interpreter, name): (&str, &str),
) -> Option<&'a mut ModuleLoad> {
    loads.iter_mut().rev().find(|load| load.interpreter == interpreter && load.name == name)
}

/// Marks the last load of this name as failed, and links it to the failed load that caused it.
fn record_failure(
    loads: &mut [ModuleLoad],
    in_control: &BTreeSet<String>,
    (interpreter, name): (&str, &str),
    error: &Exception,
) {
    let is_it = |load: &ModuleLoad| load.interpreter == interpreter && load.name == name;
    let Some(position) = loads.iter().rposition(is_it) else { return };
    let (earlier, rest) = loads.split_at_mut(position);
    let Some((load, inner)) = rest.split_first_mut() else { return };
    let missed = |other: &&ModuleLoad| is_failure(other) && in_control.contains(&other.name);
    let behind = nearest_failed_load(&error.behind, in_control)
        .or_else(|| find_failed_provider(earlier.iter().filter(missed), &error.text))
        .or_else(|| find_mentioned_failure(inner.iter().filter(missed), &error.text));
    let chain = load.chain.iter().cloned().chain([name.to_owned()]).collect();
    let raised = PythonError { chain, ..to_python_error(error) };
    load.behind = behind.filter(|other| other != name);
    load.raised_in = error.raised_in.clone().filter(|module| module != name);
    load.result = Some(Err(raised));
}

/// The nearest failed load that an exception comes from.
///
/// Loads that the control could do take precedence; then those that the exception was raised from. A load
/// that was merely tried before and fails in the control too explains nothing.
pub(super) fn nearest_failed_load(behind: &[LoadFailure], in_control: &BTreeSet<String>) -> Option<String> {
    let is_missed = |each: &&LoadFailure| in_control.contains(&each.name);
    let nearest = behind.iter().find(is_missed).or_else(|| behind.iter().find(|each| !each.is_handled));
    nearest.map(|each| each.name.clone())
}

/// The earlier failed load whose package provides what the dynamic linker did not find.
fn find_failed_provider<'l>(failed: impl Iterator<Item = &'l ModuleLoad>, message: &str) -> Option<String> {
    let missing = MissingDependency::parse_message(message)?;
    let top = |load: &ModuleLoad| load.name.split('.').next().unwrap_or_default().to_owned();
    let mut failed = failed.collect::<Vec<_>>().into_iter().rev();
    failed
        .find(|load| missing.is_provided_by_package(Path::new(&load.path), &top(load)))
        .map(|load| load.name.clone())
}

/// The failed load inside this one that has the same message, or whose package the message names.
///
/// It covers C code that drops an exception and raises its own, as numpy's `import_array` does.
fn find_mentioned_failure<'l>(
    mut failed: impl Iterator<Item = &'l ModuleLoad>,
    message: &str,
) -> Option<String> {
    let is_word = |top: &str| {
        let mut words = message.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.any(|word| word == top)
    };
    let says_the_same = |load: &ModuleLoad| matches!(&load.result, Some(Err(error)) if !message.is_empty() && error.text == message);
    failed
        .find(|load| says_the_same(load) || load.name.split('.').next().is_some_and(is_word))
        .map(|load| load.name.clone())
}

fn is_failure(load: &ModuleLoad) -> bool {
    matches!(load.result, Some(Err(_)))
}

pub(super) fn to_python_error(exception: &Exception) -> PythonError {
    PythonError { kind: exception.kind.clone(), text: exception.text.clone(), chain: exception.chain.clone() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wsgiaudit_probes_core::protocol::{Exception, TrialEvent};

    use super::collect_loads;

    fn loading(name: &str) -> TrialEvent {
        let (interpreter, name) = ("A".to_owned(), name.to_owned());
        TrialEvent::Loading { interpreter, path: format!("/{name}.so"), name, chain: Vec::new() }
    }

    fn loaded(name: &str) -> TrialEvent {
        TrialEvent::Loaded { interpreter: "A".to_owned(), name: name.to_owned() }
    }

    fn failed(name: &str) -> TrialEvent {
        let error = Exception {
            kind: "ImportError".to_owned(),
            text: "refused".to_owned(),
            chain: Vec::new(),
            behind: Vec::new(),
            raised_in: None,
        };
        TrialEvent::Failed { interpreter: "A".to_owned(), name: name.to_owned(), error }
    }

    #[test]
    fn a_load_that_has_failed_stays_failed() {
        let results = |events: &[TrialEvent]| {
            let loads = collect_loads(events, &BTreeSet::new());
            loads.iter().map(|load| load.result.as_ref().map(Result::is_ok)).collect::<Vec<_>>()
        };
        assert_eq!(results(&[loading("m"), loaded("m")]), [Some(true)]);
        assert_eq!(results(&[loading("m"), failed("m"), loaded("m")]), [Some(false)]);
        assert_eq!(results(&[loading("m"), loaded("m"), failed("m")]), [Some(false)]);
        assert_eq!(
            results(&[loading("m"), failed("m"), loading("m"), loaded("m")]),
            [Some(false), Some(true)]
        );
        assert_eq!(results(&[loading("m"), loaded("other")]), [None]);
    }
}
