//! Which trees of private copies this process has, and which file of the environment a copy stands for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsgiaudit_probes_core::protocol::CopyTrees;

use crate::lock::lock_ignoring_poison;

/// The trees of this process; `None` if its interpreters load the environment's own files.
static TREES: Mutex<Option<CopyTrees>> = Mutex::new(None);

/// The next tree to use. A tree serves one interpreter only, since the static data of its copies outlive that
/// interpreter.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Sets the trees of this process.
pub(super) fn set_trees(trees: CopyTrees) {
    *lock_ignoring_poison(&TREES) = Some(trees);
}

/// A tree that no interpreter of this process has used: `None` if this process has no trees, an error if all are
/// used.
pub(super) fn take_tree() -> Result<Option<String>, &'static str> {
    let Some(trees) = lock_ignoring_poison(&TREES).clone() else { return Ok(None) };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    match number < trees.count {
        true => Ok(Some(trees.tree(number))),
        false => Err("the trial has more interpreters than trees of private copies"),
    }
}

/// The path of the environment's file that this is a private copy of; `None` if it is no copy.
pub(super) fn original_path(path: &str) -> Option<String> {
    let trees = lock_ignoring_poison(&TREES);
    trees.as_ref().and_then(|trees| trees.original_path(path)).map(str::to_owned)
}
