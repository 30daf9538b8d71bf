//! Finds by trial what the sandbox can enforce on this machine: kernels, containers and configurations
//! differ.

use std::path::Path;

use wsgiaudit_probes_core::sandbox::{Confinement, confine};

/// Runs `work` in a sandboxed thread: it and its child processes may write only to `folder` and use no
/// network.
///
/// Returns `None` if `work` panics.
pub fn run_confined<T: Send>(folder: &Path, work: impl FnOnce() -> T + Send) -> Option<T> {
    let parent = i32::try_from(std::process::id()).unwrap_or(1);
    let to = Confinement { writable: &[folder], parent };
    std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            // The report already lists what cannot be enforced here.
            let _known = confine(&to);
            work()
        });
        confined.join().ok()
    })
}

/// Returns what trials may do here although the sandbox forbids it, as endings of "trials may ...".
///
/// A separate thread tries it, because confinement cannot be undone.
pub fn find_unenforced_limits(folder: &Path) -> Vec<&'static str> {
    let to = Confinement { writable: &[folder], parent: 1 };
    std::thread::scope(|scope| scope.spawn(|| confine(&to)).join()).unwrap_or_else(|_| vec!["do anything"])
}
