//! The trees of private copies of a trial: one for each interpreter.

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

/// Prepares this process for private copies, if the trial uses them. Returns the number of trees.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn prepare(order: &TrialOrder) -> usize {
    if !order.place.uses_copies() {
        return 0;
    }
    let Some(trees) = order.copies.clone() else { abort_probe("the trial has no private copies") };
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
    // SAFETY: guaranteed by the caller.
    if let Err(error) = unsafe { copies::install_copy_loader(&trees.tree(number)) } {
        abort_probe(&error);
    }
}

/// The path of the environment's file that this is a private copy of; `None` if it is no copy.
pub(super) fn original_path(path: &str) -> Option<String> {
    let trees = lock_ignoring_poison(&TREES);
    trees.as_ref().and_then(|trees| trees.original_path(path)).map(str::to_owned)
}
