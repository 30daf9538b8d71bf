//! What CPython refuses for a module's declaration alone. It needs no trial: the check reads the declaration, and what
//! keeps the module from being imported elsewhere does not change it.

use super::failure_trace::trace_failure;
use super::free_threading::{GilActivation, gil_activation};
use super::{VerdictInput, messages};
use crate::model::{Judgement, Mode, ModuleLoad, PythonError, RootCause, Trial, TrialOutcome, Verdict};

/// The judgement of a name that could not be tried: refused itself, or stopped in the control by a module that is.
/// `None` where its declaration settles nothing.
pub(super) fn judge_declared_refusal(case: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<Judgement> {
    let cause =
        refusal_of_module(case, name, mode).or_else(|| refusal_of_required_module(case, name, mode))?;
    let reason = messages::describe_cause(&cause, name);
    Some(Judgement::from_evidence(Verdict::Blocked, Some(cause), reason))
}

/// Of the module with this name.
fn refusal_of_module(case: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<RootCause> {
    let facts = case.facts.get(name)?;
    let is_refused = match mode {
        Mode::Main | Mode::FreeThreaded => false,
        Mode::OwnGil => messages::is_refused_by_declaration(facts),
        Mode::SharedGil | Mode::FreeThreadedGroup => {
            case.is_free_threaded && messages::is_refused_in_free_threaded_group(facts)
        }
    };
    let (rule, what) = if is_refused {
        ("refused", messages::describe_refusal(Some(facts)))
    } else if mode.is_free_threaded() && gil_activation(case, name) == GilActivation::Yes {
        ("switches-gil-on", messages::describe_gil_activation(Some(facts)))
    } else {
        return None;
    };
    Some(RootCause { rule, module: name.to_owned(), chain: vec![name.to_owned()], what })
}

/// Of the module whose failed load ended the control's import of this name. What let one `ImportError` through lets
/// CPython's through as well.
fn refusal_of_required_module(case: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<RootCause> {
    let root = trace_failure(case, name, Mode::Main)?;
    let loads = find_fatal_loads(root.trial)?;
    let found = loads.into_iter().find_map(|load| Some((load, refusal_of_module(case, &load.name, mode)?)));
    let (load, cause) = found?;
    let mut chain: Vec<String> = Vec::new();
    for each in root.cause.chain.iter().chain(&load.chain).chain([&load.name]) {
        chain.retain(|known| known != each);
        chain.push(each.clone());
    }
    Some(RootCause { chain, ..cause })
}

/// The loads whose failure is the very `ImportError` that ended the import.
fn find_fatal_loads(trial: &Trial) -> Option<Vec<&ModuleLoad>> {
    let TrialOutcome::Raised { error, .. } = &trial.outcome else { return None };
    let is_it = |other: &PythonError| other.kind == error.kind && other.text == error.text;
    let is_its = |load: &&ModuleLoad| matches!(&load.result, Some(Err(other)) if is_it(other));
    is_import_error(error).then(|| trial.loads.iter().rev().filter(is_its).collect())
}

/// Whether `except ImportError` catches it.
pub(super) fn is_import_error(error: &PythonError) -> bool {
    ["ImportError", "ModuleNotFoundError"].contains(&error.kind.as_str())
}
