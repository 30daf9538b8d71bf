//! The trees of private copies of this process: one for each interpreter with the mode `own-gil-copies`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsgiaudit_probes_core::protocol::CopyTrees;

use crate::copies;

static TREES: OnceLock<CopyTrees> = OnceLock::new();

/// The next tree to use. A tree serves one interpreter only, since the static data of its copies outlive that
/// interpreter.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Prepares this process for private copies. Before the import guard is installed, which would refuse what this
/// loads.
///
/// # Errors
/// If this Python does not allow it.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn prepare(trees: CopyTrees) -> Result<(), String> {
    // SAFETY: guaranteed by the caller.
    unsafe { copies::find_package_context() }?;
    TREES.set(trees).map_err(|_| "private copies are prepared already".to_owned())
}

/// Makes the current interpreter load private copies.
///
/// # Errors
/// If there is no tree left, or the loader cannot be installed.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(super) unsafe fn install_in_interpreter() -> Result<(), String> {
    let trees = TREES.get().ok_or("there are no private copies")?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number >= trees.count {
        return Err(format!("there are only {} trees of private copies", trees.count));
    }
    // SAFETY: guaranteed by the caller.
    unsafe { copies::install_copy_loader(&trees.tree(number)) }
}
