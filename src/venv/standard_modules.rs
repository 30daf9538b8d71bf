//! The extension modules of CPython itself.

use std::fs;
use std::path::PathBuf;

use crate::model::{Interpreter, split_extension_suffix};

/// Finds the extension modules in `lib-dynload` of the Python that an environment is based on, sorted by path,
/// without those that are not CPython's.
pub fn find_standard_modules(python: &Interpreter) -> Vec<PathBuf> {
    let Some(prefix) = &python.base_prefix else { return Vec::new() };
    let (major, minor, _) = python.version;
    let build = if python.free_threaded { "t" } else { "" };
    let library = format!("python{major}.{minor}{build}/lib-dynload");
    let foreign: Vec<PathBuf> =
        python.files.iter().filter_map(|(_, file)| file.canonicalize().ok()).collect();
    let mut found: Vec<PathBuf> = ["lib", "lib64"]
        .iter()
        .filter_map(|folder| fs::read_dir(prefix.join(folder).join(&library)).ok())
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| split_extension_suffix(name).is_some()))
        .filter_map(|entry| entry.path().canonicalize().ok())
        .filter(|file| file.is_file() && !foreign.contains(file))
        .collect();
    found.sort();
    found.dedup();
    found
}
