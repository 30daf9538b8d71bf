//! Installs the loader of private copies in the interpreters of a trial.

use wsgiaudit_probes_core::protocol::TrialOrder;

use super::child::abort_probe;
use super::copy_trees;
use crate::copies;

/// Prepares this process for private copies, if the trial uses them.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn prepare(order: &TrialOrder) {
    if !order.place.uses_copies() {
        return;
    }
    let Some(trees) = order.copies.clone() else { abort_probe("the trial has no private copies") };
    // SAFETY: guaranteed by the caller.
    if let Err(error) = unsafe { copies::find_package_context() } {
        abort_probe(&error);
    }
    copy_trees::set_trees(trees);
}

/// Makes the current interpreter load private copies, if the trial uses them.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(super) unsafe fn install_in_interpreter() {
    let Some(tree) = copy_trees::take_tree().unwrap_or_else(|error| abort_probe(error)) else { return };
    // SAFETY: guaranteed by the caller.
    if let Err(error) = unsafe { copies::install_copy_loader(&tree) } {
        abort_probe(&error);
    }
}
