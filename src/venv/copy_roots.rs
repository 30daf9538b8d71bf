//! The folders of an environment with shared objects that private copies are made of.

use std::path::{Path, PathBuf};

use crate::model::Interpreter;

/// Lists the folders on `sys.path`, those of editable installs, and for conda the libraries of the prefix.
pub fn list_copy_roots(interpreter: &Interpreter, environment: &Path) -> Vec<PathBuf> {
    let editable = interpreter.editable.iter().map(|(_, path)| path.as_path()).filter(|path| path.is_dir());
    let served = interpreter.files.iter().filter_map(|(_, path)| path.parent());
    let conda = environment.join("lib");
    let conda = environment.join("conda-meta").is_dir().then_some(conda.as_path());
    let mut roots: Vec<PathBuf> = Vec::new();
    for folder in interpreter.site.iter().map(PathBuf::as_path).chain(editable).chain(served).chain(conda) {
        if folder.is_dir() && !roots.iter().any(|root| root == folder) {
            roots.push(folder.to_owned());
        }
    }
    roots
}
