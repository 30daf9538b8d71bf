//! The trees of private copies of this process, one for each interpreter.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsgiaudit_probes_core::protocol::CopyTrees;

use super::copy_tree::find_copy;
use super::{find_package_context, install_copy_loader};
use crate::lock::lock_ignoring_poison;

/// The trees of this process; `None` if its interpreters load the environment's own files.
static TREES: Mutex<Option<CopyTrees>> = Mutex::new(None);

/// The next tree to use. A tree serves one interpreter only, since the static data of its copies outlive that
/// interpreter.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Prepares this process for private copies in these trees. This loads the library itself once more, so it must run
/// before an import guard is installed.
///
/// # Errors
/// If this Python does not allow it.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(crate) unsafe fn set_process_trees(trees: CopyTrees) -> Result<(), String> {
    // SAFETY: guaranteed by the caller.
    unsafe { find_package_context() }?;
    *lock_ignoring_poison(&TREES) = Some(trees);
    Ok(())
}

/// Makes the current interpreter load private copies from a tree that no other interpreter has used.
///
/// # Errors
/// If this process has no trees, no tree is left, or the loader cannot be installed.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(crate) unsafe fn install_next_tree() -> Result<(), String> {
    let trees = lock_ignoring_poison(&TREES).clone().ok_or("this process has no private copies")?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number >= trees.count {
        return Err(format!("there are only {} trees of private copies", trees.count));
    }
    // SAFETY: guaranteed by the caller.
    unsafe { install_copy_loader(&trees.tree(number)) }
}

/// Whether this process has trees.
pub(crate) fn has_trees() -> bool {
    lock_ignoring_poison(&TREES).is_some()
}

/// Whether this process has private copies of a file. All trees have the same files. True also if the tree cannot be
/// searched: the loader then reports the error.
pub(crate) fn has_copy(file: &Path) -> bool {
    let Some(trees) = lock_ignoring_poison(&TREES).clone() else { return false };
    std::fs::canonicalize(trees.tree(0)).is_ok_and(|tree| !matches!(find_copy(&tree, file), Ok(None)))
}

/// The path of the environment's file that this is a private copy of; `None` if it is no copy.
pub(crate) fn original_path(path: &str) -> Option<String> {
    let trees = lock_ignoring_poison(&TREES);
    trees.as_ref().and_then(|trees| trees.original_path(path)).map(str::to_owned)
}
