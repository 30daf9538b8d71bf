//! What this machine can enforce, found by trying: kernels differ, containers forbid, and configurations lie.

use std::path::Path;

use super::sandbox::{Confinement, confine};

/// Does this confined: it, and what it starts, writes to this folder alone and uses no network. In a thread of its own,
/// which ends confined. `None` where it panics.
pub fn confined<T: Send>(folder: &Path, work: impl FnOnce() -> T + Send) -> Option<T> {
    let parent = i32::try_from(std::process::id()).unwrap_or(1);
    let to = Confinement { writable: &[folder], parent };
    std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            // What cannot be enforced here is in the report already.
            let _known = confine(&to);
            work()
        });
        confined.join().ok()
    })
}

/// What the sandbox cannot keep trials from here, each in words that end "trials may ...". Tried in a thread
/// of its own, which ends confined.
pub fn unenforced(folder: &Path) -> Vec<&'static str> {
    let to = Confinement { writable: &[folder], parent: 1 };
    std::thread::scope(|scope| scope.spawn(|| confine(&to)).join()).unwrap_or_else(|_| vec!["do anything"])
}
