//! Private copies in the interpreters of a trial.

use wsgiaudit_probes_core::protocol::TrialOrder;

use super::child::abort_probe;
use crate::copies;

/// Prepares this process for private copies, if the trial uses them.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn prepare_process(order: &TrialOrder) {
    if !order.place.uses_copies() {
        return;
    }
    let Some(trees) = order.copies.clone() else { abort_probe("the trial has no private copies") };
    // SAFETY: guaranteed by the caller.
    unsafe { copies::set_process_trees(trees) }.unwrap_or_else(|error| abort_probe(&error));
}

/// Makes the current interpreter load private copies, if the trial uses them.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(super) unsafe fn install_in_interpreter() {
    if copies::has_trees() {
        // SAFETY: guaranteed by the caller.
        unsafe { copies::install_next_tree() }.unwrap_or_else(|error| abort_probe(&error));
    }
}
