//! Modules of a folder in front of `sys.path` that are imported instead of installed ones, or of the standard library's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::model::Interpreter;

/// Nobody imports it: Python's own tests.
const NEVER_IMPORTED: &str = "test";

/// A sentence for each kind that a folder has.
pub(super) fn of_folder(folder: &Path, interpreter: &Interpreter) -> Vec<String> {
    let names: BTreeSet<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.split('.').next()?.to_owned()))
        .filter(|name| !name.is_empty() && is_module(folder, name, interpreter))
        .collect();
    let installed = names.iter().filter(|name| installed(name, folder, interpreter).is_some());
    let library = library(interpreter);
    let standard = names.iter().filter(|name| {
        *name != NEVER_IMPORTED
            && library.as_ref().is_some_and(|library| is_module(library, name, interpreter))
    });
    let sentence = |names: Vec<&str>, what: &str| {
        let them = if names.len() == 1 { "it" } else { "them" };
        let (folder, names) = (folder.display(), names.join(", "));
        format!(
            "{folder} comes first on sys.path: its {names} is imported instead of {what}; rename {them} where that is not meant"
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

/// Where a module is installed that one of this name in a folder would be imported instead of.
pub(super) fn installed(name: &str, folder: &Path, interpreter: &Interpreter) -> Option<PathBuf> {
    let is_other = |there: &Path| there.canonicalize().ok() != folder.canonicalize().ok();
    let site = interpreter.site.iter().filter(|site| is_other(site));
    let served =
        interpreter.editable.iter().filter(|(top, path)| top == name && path.parent().is_some_and(is_other));
    let installed = site.filter(|site| is_module(site, name, interpreter)).map(|site| site.join(name));
    installed.chain(served.map(|(_, path)| path.clone())).next()
}

/// Whether a folder holds a module of this name, or a package that is not just a folder.
fn is_module(folder: &Path, name: &str, interpreter: &Interpreter) -> bool {
    let suffixes = || interpreter.suffixes.iter().map(String::as_str).chain([".py"]);
    suffixes().any(|suffix| {
        folder.join(format!("{name}{suffix}")).is_file()
            || folder.join(name).join(format!("__init__{suffix}")).is_file()
    })
}

fn library(interpreter: &Interpreter) -> Option<PathBuf> {
    let (major, minor, _) = interpreter.version;
    let build = if interpreter.free_threaded { "t" } else { "" };
    Some(interpreter.base_prefix.as_ref()?.join(format!("lib/python{major}.{minor}{build}")))
}
