//! Environment variables that decide whether and how a program is loaded.

use std::ffi::OsString;

/// Variables that every Python inherits that the audit starts: without them it may not find its libraries.
const INHERITED_VARIABLES: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// Names and values of the variables that every Python inherits that the audit starts.
pub fn inherited_variables() -> impl Iterator<Item = (&'static str, OsString)> {
    INHERITED_VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Whether a variable changes what the dynamic linker loads, not only where it looks for libraries.
pub fn is_loader_variable(name: &str) -> bool {
    (name.starts_with("LD_") || name.starts_with("DYLD_")) && !name.ends_with("_LIBRARY_PATH")
}
