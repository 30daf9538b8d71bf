//! What depends on the operating system: processes, the sandbox, and what `/proc` tells.
//!
//! `linux` and `fallback` offer the same functions; a system for which neither fits gets a folder of its own.

mod confined_thread;
#[cfg(not(target_os = "linux"))]
mod fallback;
#[cfg(target_os = "linux")]
mod linux;
mod private_folder;
mod process_group;
mod temporary_folder;
mod variables;

pub use confined_thread::{find_unenforced_limits, run_confined};
#[cfg(not(target_os = "linux"))]
pub use fallback::{SYSTEM_FOLDERS, describe_processor, remove_folder, run_on_processors};
#[cfg(not(target_os = "linux"))]
use fallback::{adopt_orphans, child_processes};
#[cfg(target_os = "linux")]
pub use linux::{SYSTEM_FOLDERS, describe_processor, remove_folder, run_on_processors};
#[cfg(target_os = "linux")]
use linux::{adopt_orphans, child_processes};
pub use private_folder::{create_private_folder, find_foreign_access, is_own};
pub use process_group::{ProcessGroup, kill_all_groups, sweep_orphans};
pub use temporary_folder::{TemporaryFolder, end_process};
pub use variables::{inherited_variables, is_loader_variable};
