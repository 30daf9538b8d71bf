//! Environment variables of a trial: those that it has, and those that the user cannot give it.

use std::ffi::OsString;
use std::path::Path;

use crate::model::EDITABLE_VARIABLES;
use crate::platform::{inherited_variables, is_loader_variable};

/// What the names of this program's own variables begin with.
const OWN_PREFIX: &str = "WSGIAUDIT_";

/// Variables that name the trial's own folder.
const FOLDER_VARIABLES: [&str; 2] = ["HOME", "TMPDIR"];

/// Variables of CPython that the prefix rule does not cover, because an underscore follows `PYTHON`.
const CPYTHON_VARIABLES: [&str; 9] = [
    "PYTHON_BASIC_REPL",
    "PYTHON_COLORS",
    "PYTHON_CONTEXT_AWARE_WARNINGS",
    "PYTHON_CPU_COUNT",
    "PYTHON_FROZEN_MODULES",
    "PYTHON_GIL",
    "PYTHON_HISTORY",
    "PYTHON_JIT",
    "PYTHON_THREAD_INHERIT_CONTEXT",
];

/// `PYTHONHASHSEED` of trials.
pub(super) const HASH_SEED: &str = "1";

/// Environment variables of a trial: what a program needs to run, and nothing else of the user's.
///
/// None of them names this program: foreign code would recognize a trial by it.
pub(super) fn trial_environment(home: &Path) -> Vec<(&'static str, OsString)> {
    let mut environment: Vec<_> = inherited_variables().collect();
    environment.extend(FOLDER_VARIABLES.map(|name| (name, home.into())));
    environment.push(("LANG", "C.UTF-8".into()));
    // A fixed seed keeps the order of sets of strings the same in each audit, and so the order of imports and
    // messages that depend on it.
    environment.push(("PYTHONHASHSEED", HASH_SEED.into()));
    // OpenBLAS: idle threads spin for 2^4 processor cycles before they sleep, instead of 2^26. The number of
    // threads is unchanged, but idle ones do not slow down other trials.
    environment.push(("OPENBLAS_THREAD_TIMEOUT", "4".into()));
    environment.extend(EDITABLE_VARIABLES.map(|(name, value)| (name, value.into())));
    environment
}

/// Returns the reason if trials cannot be given this variable.
pub(super) fn why_reserved(name: &str) -> Option<&'static str> {
    let is_pythons = name.strip_prefix("PYTHON").is_some_and(|rest| !rest.starts_with('_'));
    if is_pythons || CPYTHON_VARIABLES.contains(&name) {
        return Some("trials run Python isolated from variables of CPython");
    }
    if is_loader_variable(name) {
        return Some("it would change how the dynamic linker loads the probes, not only the subject");
    }
    if FOLDER_VARIABLES.contains(&name) {
        return Some("each trial sets it to its own folder\nhint: --file PATH puts a copy there");
    }
    name.starts_with(OWN_PREFIX).then_some("it is reserved for wsgiaudit")
}
