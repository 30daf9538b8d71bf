//! Systems without an implementation of their own: nothing is known of processes and memory.

use rustix::process::Pid;

/// Folders whose files the kernel generates.
pub const SYSTEM_FOLDERS: [&str; 1] = ["/dev"];

/// Describes the processor's features: unknown.
pub fn describe_processor() -> String {
    String::new()
}

/// Runs `work`: which processors it uses is not limited here.
///
/// # Errors
/// None.
pub fn run_on_processors<T: Send>(_count: usize, work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    Ok(work())
}

/// Removes a folder with all its content.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_folder(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(folder)
}

/// Does nothing: descendants whose parents end become children of the init process.
pub(super) fn adopt_orphans() {}

/// The child processes of this process: unknown.
pub(super) fn child_processes() -> Vec<Pid> {
    Vec::new()
}
