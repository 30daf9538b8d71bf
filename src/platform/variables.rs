//! Environment variables that decide whether and how a program is loaded.

/// Variables that every Python inherits that the audit starts: without them it may not find its libraries.
pub const INHERITED_VARIABLES: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// Whether a variable changes what the dynamic linker loads, not only where it looks for libraries.
pub fn is_loader_variable(name: &str) -> bool {
    (name.starts_with("LD_") || name.starts_with("DYLD_")) && !name.ends_with("_LIBRARY_PATH")
}
