//! Trees of private copies: the copy of the file `/a/b/x.so` is `TREE/a/b/x.so`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// The trees in use, and the interpreters that use them. Trees stay here when their interpreter has ended: the
/// static data of the copies live as long as the process.
static TREES: Mutex<BTreeMap<PathBuf, i64>> = Mutex::new(BTreeMap::new());

/// Gives a tree to an interpreter. Returns its path without symbolic links.
///
/// # Errors
/// A text if there is no such folder, or if the tree or the interpreter has been used.
pub(super) fn claim_tree(tree: &str, interpreter: i64) -> Result<PathBuf, String> {
    let real = fs::canonicalize(tree).map_err(|error| format!("private copies in {tree}: {error}"))?;
    if !real.is_dir() {
        return Err(format!("private copies in {tree}: not a folder"));
    }
    let mut trees = lock_ignoring_poison(&TREES);
    if trees.values().any(|other| *other == interpreter) {
        return Err("this interpreter has private copies already".to_owned());
    }
    if trees.contains_key(&real) {
        let why = "they have served another interpreter of this process, and their static data live on";
        return Err(format!("private copies in {tree}: {why}"));
    }
    trees.insert(real.clone(), interpreter);
    Ok(real)
}

/// Finds the private copy of a file; `None` if it has none. `tree` has no symbolic links. A link that leads out of
/// the tree is no copy.
///
/// # Errors
/// If the tree cannot be searched, e.g. without permission: the file may have a copy, so it must not be loaded
/// itself.
pub(super) fn find_copy(tree: &Path, file: &Path) -> Result<Option<PathBuf>, String> {
    let Ok(original) = fs::canonicalize(file) else { return Ok(None) };
    let Ok(relative) = original.strip_prefix("/") else { return Ok(None) };
    match fs::canonicalize(tree.join(relative)) {
        Ok(copy) => Ok((copy.starts_with(tree) && copy.is_file()).then_some(copy)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(format!("private copy of {}: {error}", original.display())),
    }
}
