//! The trees of private copies of a trial: one for each interpreter.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsgiaudit_probes_core::protocol::{CopyTrees, TrialOrder};

use super::child::abort_probe;
use crate::copies;
use crate::lock::lock_ignoring_poison;

/// The trees of this process; `None` if its interpreters load the environment's own files.
static TREES: Mutex<Option<CopyTrees>> = Mutex::new(None);

/// The next tree to use. A tree serves one interpreter only, since the static data of its copies outlive that
/// interpreter.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The original of each copy that was asked for, by the copy's path.
static ORIGINALS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The tree of the interpreter that runs on this thread.
    static CURRENT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Prepares this process for private copies, if the trial uses them. Returns the number of trees.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn prepare(order: &TrialOrder) -> usize {
    if !order.place.uses_copies() {
        return 0;
    }
    let Some(mut trees) = order.copies.clone() else { abort_probe("the trial has no private copies") };
    // The loader opens copies by their real path.
    if let Ok(real) = std::fs::canonicalize(&trees.folder) {
        trees.folder = real.to_string_lossy().into_owned();
    }
    let count = trees.count;
    // SAFETY: guaranteed by the caller.
    if let Err(error) = unsafe { copies::find_package_context() } {
        abort_probe(&error);
    }
    *lock_ignoring_poison(&TREES) = Some(trees);
    count
}

/// Makes the current interpreter load private copies, if the trial uses them.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(super) unsafe fn install_in_interpreter() {
    let Some(trees) = lock_ignoring_poison(&TREES).clone() else { return };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number >= trees.count {
        abort_probe("the trial has more interpreters than trees of private copies");
    }
    CURRENT.set(Some(number));
    // SAFETY: guaranteed by the caller.
    if let Err(error) = unsafe { copies::install_copy_loader(&trees.tree(number)) } {
        abort_probe(&error);
    }
}

/// The path of the environment's file that this is a private copy of; `None` if it is no copy.
///
/// The dynamic linker knows a library by the private name that its copy has in a tree, which is a link to the copy.
pub(super) fn original_path(path: &str) -> Option<String> {
    let trees = lock_ignoring_poison(&TREES);
    let trees = trees.as_ref().filter(|trees| trees.original_path(path).is_some())?;
    let mut known = lock_ignoring_poison(&ORIGINALS);
    if let Some(original) = known.get(path) {
        return Some(original.clone());
    }
    let real = std::fs::canonicalize(path).ok().map(|real| real.to_string_lossy().into_owned());
    let original = real.as_deref().and_then(|real| trees.original_path(real));
    let original = original.or_else(|| trees.original_path(path))?.to_owned();
    known.insert(path.to_owned(), original.clone());
    Some(original)
}

/// Number of the tree that this path lies in; `None` if it is no copy.
pub(super) fn tree_of_path(path: &str) -> Option<usize> {
    lock_ignoring_poison(&TREES).as_ref()?.tree_of_path(path)
}

/// Number of the tree that the interpreter of this thread uses.
pub(super) fn current_tree() -> Option<usize> {
    CURRENT.get()
}

/// The private copy of a file for the interpreter of this thread.
pub(super) fn copy_of(path: &str) -> Option<PathBuf> {
    let tree = lock_ignoring_poison(&TREES).as_ref()?.tree(CURRENT.get()?);
    find_copy(tree.as_ref(), path.as_ref())
}

/// Whether there are private copies of this file.
pub(super) fn has_copy(path: &Path) -> bool {
    let Some(tree) = lock_ignoring_poison(&TREES).as_ref().map(|trees| trees.tree(0)) else { return false };
    find_copy(tree.as_ref(), path).is_some()
}

/// The copy of a file in a tree, whose path has no symbolic links. A link that leads out of the tree is no copy.
fn find_copy(tree: &Path, path: &Path) -> Option<PathBuf> {
    let original = std::fs::canonicalize(path).ok()?;
    let copy = std::fs::canonicalize(tree.join(original.strip_prefix("/").ok()?)).ok()?;
    (copy.starts_with(tree) && copy.is_file()).then_some(copy)
}
