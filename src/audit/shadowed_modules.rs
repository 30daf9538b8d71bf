//! Finds modules in a folder at the front of `sys.path` that are imported instead of installed ones, or of
//! the standard library's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::model::Interpreter;

/// The standard library's tests, which no program imports.
const NEVER_IMPORTED: &str = "test";

/// Returns a note about modules that hide installed ones, and one about those that hide the standard
/// library's.
pub(super) fn describe_shadowing(folder: &Path, interpreter: &Interpreter) -> Vec<String> {
    let names: BTreeSet<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.split('.').next()?.to_owned()))
        .filter(|name| !name.is_empty() && has_module(folder, name, interpreter))
        .collect();
    let installed = names.iter().filter(|name| find_installed_module(name, folder, interpreter).is_some());
    let library = standard_library_path(interpreter);
    let standard = names.iter().filter(|name| {
        *name != NEVER_IMPORTED
            && library.as_ref().is_some_and(|library| has_module(library, name, interpreter))
    });
    let sentence = |names: Vec<&str>, what: &str| {
        let them = if names.len() == 1 { "it" } else { "them" };
        let (folder, names) = (folder.display(), names.join(", "));
        format!(
            "{folder} comes first on sys.path: its {names} is imported instead of {what}; rename \
             {them} unless that is intended"
        )
    };
    let texts = [
        (installed.map(String::as_str).collect::<Vec<_>>(), "what is installed under that name"),
        (standard.map(String::as_str).collect(), "the standard library's"),
    ];
    texts
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| sentence(names, what))
        .collect()
}

/// Returns the location of the installed module that a module of this name in a folder hides.
pub(super) fn find_installed_module(name: &str, folder: &Path, interpreter: &Interpreter) -> Option<PathBuf> {
    let is_other = |there: &Path| there.canonicalize().ok() != folder.canonicalize().ok();
    let site = interpreter.site.iter().filter(|site| is_other(site));
    let served =
        interpreter.editable.iter().filter(|(top, path)| top == name && path.parent().is_some_and(is_other));
    let installed = site.filter(|site| has_module(site, name, interpreter)).map(|site| site.join(name));
    installed.chain(served.map(|(_, path)| path.clone())).next()
}

/// Whether a folder holds a module of this name, or a package with an `__init__` file.
fn has_module(folder: &Path, name: &str, interpreter: &Interpreter) -> bool {
    let suffixes = || interpreter.suffixes.iter().map(String::as_str).chain([".py"]);
    suffixes().any(|suffix| {
        folder.join(format!("{name}{suffix}")).is_file()
            || folder.join(name).join(format!("__init__{suffix}")).is_file()
    })
}

fn standard_library_path(interpreter: &Interpreter) -> Option<PathBuf> {
    let (major, minor, _) = interpreter.version;
    let build = if interpreter.free_threaded { "t" } else { "" };
    Some(interpreter.base_prefix.as_ref()?.join(format!("lib/python{major}.{minor}{build}")))
}
