//! Linux.

mod descendants;
mod folder_removal;
mod processor;

/// Folders whose files the kernel generates.
pub const SYSTEM_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

pub(super) use descendants::{adopt_orphans, child_processes};
pub use folder_removal::remove_folder;
pub use processor::{describe_processor, run_on_processors};
