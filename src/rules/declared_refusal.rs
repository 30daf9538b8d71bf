//! Judges untried modules by their declaration.
//!
//! CPython's check reads nothing but the declaration, so a refusal needs no trial. A module that the control
//! could not import is refused all the same.

use super::failure_trace::trace_failure;
use super::free_threading::{GilActivation, gil_activation};
use super::{VerdictInput, messages};
use crate::model::{Judgement, Mode, ModuleLoad, PythonError, RootCause, Trial, TrialOutcome, Verdict};

/// Judges a name that could not be tried as blocked, if CPython refuses it by its declaration, or refuses the
/// module whose failure ended its import in the control. Returns `None` if no declaration decides.
pub(super) fn judge_declared_refusal(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<Judgement> {
    let cause =
        refusal_of_module(input, name, mode).or_else(|| refusal_of_required_module(input, name, mode))?;
    let reason = messages::describe_cause(&cause, name);
    Some(Judgement::from_evidence(Verdict::Blocked, Some(cause), reason))
}

/// Returns the refusal of this module by its declaration.
fn refusal_of_module(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<RootCause> {
    let facts = input.facts.get(name)?;
    let is_refused = match mode {
        Mode::Main | Mode::FreeThreaded => false,
        Mode::OwnGil => messages::is_refused_by_declaration(facts),
        Mode::SharedGil | Mode::FreeThreadedGroup => {
            input.is_free_threaded && messages::is_refused_in_free_threaded_group(facts)
        }
    };
    let (rule, what) = if is_refused {
        ("refused", messages::describe_refusal(Some(facts)))
    } else if mode.is_free_threaded() && gil_activation(input, name) == GilActivation::Yes {
        ("switches-gil-on", messages::describe_gil_activation(Some(facts)))
    } else {
        return None;
    };
    Some(RootCause { rule, module: name.to_owned(), chain: vec![name.to_owned()], what })
}

/// Returns the refusal of the module whose failed load ended the import of `name` in the control. Code that
/// did not catch that `ImportError` does not catch CPython's either.
fn refusal_of_required_module(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<RootCause> {
    let root = trace_failure(input, name, Mode::Main)?;
    let loads = find_fatal_loads(root.trial)?;
    let found = loads.into_iter().find_map(|load| Some((load, refusal_of_module(input, &load.name, mode)?)));
    let (load, cause) = found?;
    let mut chain: Vec<String> = Vec::new();
    for each in root.cause.chain.iter().chain(&load.chain).chain([&load.name]) {
        chain.retain(|known| known != each);
        chain.push(each.clone());
    }
    Some(RootCause { chain, ..cause })
}

/// Returns the failed loads whose `ImportError` is the one that ended the import.
fn find_fatal_loads(trial: &Trial) -> Option<Vec<&ModuleLoad>> {
    let TrialOutcome::Raised { error, .. } = &trial.outcome else { return None };
    let is_same = |other: &PythonError| other.kind == error.kind && other.text == error.text;
    let is_fatal = |load: &&ModuleLoad| matches!(&load.result, Some(Err(other)) if is_same(other));
    is_import_error(error).then(|| trial.loads.iter().rev().filter(is_fatal).collect())
}

/// Whether `except ImportError` catches this exception.
pub(super) fn is_import_error(error: &PythonError) -> bool {
    ["ImportError", "ModuleNotFoundError"].contains(&error.kind.as_str())
}
