//! What CPython refuses for a module's declaration alone. It needs no trial: the check reads the declaration, and what
//! keeps the module from being imported elsewhere does not change it.

use super::cause::root;
use super::free_threading::{Enables, enables};
use super::{Case, words};
use crate::model::{Cause, Judgement, Load, Mode, Outcome, PythonError, Trial, Verdict};

/// The judgement of a name that could not be tried: refused itself, or stopped in the control by a module that is.
/// `None` where its declaration settles nothing.
pub(super) fn refusal(case: &Case<'_>, name: &str, mode: Mode) -> Option<Judgement> {
    let cause = own(case, name, mode).or_else(|| of_what_stopped_it(case, name, mode))?;
    let reason = words::because_of(&cause, name);
    Some(Judgement::found(Verdict::Blocked, Some(cause), reason))
}

/// Of the module with this name.
fn own(case: &Case<'_>, name: &str, mode: Mode) -> Option<Cause> {
    let facts = case.facts.get(name)?;
    let is_refused = match mode {
        Mode::Main | Mode::FreeThreaded => false,
        Mode::OwnGil => words::refused_by_declaration(facts),
        Mode::SharedGil | Mode::FreeThreadedGroup => {
            case.is_free_threaded && words::refused_in_free_threaded_group(facts)
        }
    };
    let (rule, what) = if is_refused {
        ("refused", words::refusal(Some(facts)))
    } else if mode.is_free_threaded() && enables(case, name) == Enables::Yes {
        ("switches-gil-on", words::switches_gil_on(Some(facts)))
    } else {
        return None;
    };
    Some(Cause { rule, module: name.to_owned(), chain: vec![name.to_owned()], what })
}

/// Of the module whose failed load ended the control's import of this name. What let one `ImportError` through lets
/// CPython's through as well.
fn of_what_stopped_it(case: &Case<'_>, name: &str, mode: Mode) -> Option<Cause> {
    let root = root(case, name, Mode::Main)?;
    let loads = stopped_by(root.trial)?;
    let found = loads.into_iter().find_map(|load| Some((load, own(case, &load.name, mode)?)));
    let (load, cause) = found?;
    let mut chain: Vec<String> = Vec::new();
    for each in root.cause.chain.iter().chain(&load.chain).chain([&load.name]) {
        chain.retain(|known| known != each);
        chain.push(each.clone());
    }
    Some(Cause { chain, ..cause })
}

/// The loads whose failure is the very `ImportError` that ended the import.
fn stopped_by(trial: &Trial) -> Option<Vec<&Load>> {
    let Outcome::Raised { error, .. } = &trial.outcome else { return None };
    let is_it = |other: &PythonError| other.kind == error.kind && other.text == error.text;
    let is_its = |load: &&Load| matches!(&load.result, Some(Err(other)) if is_it(other));
    is_import_error(error).then(|| trial.loads.iter().rev().filter(is_its).collect())
}

/// Whether `except ImportError` catches it.
pub(super) fn is_import_error(error: &PythonError) -> bool {
    ["ImportError", "ModuleNotFoundError"].contains(&error.kind.as_str())
}
