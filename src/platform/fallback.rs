//! Systems without an implementation of their own: nothing is known of processes and memory.

use rustix::process::Pid;

/// Folders whose files the kernel generates.
pub const SYSTEM_FOLDERS: [&str; 1] = ["/dev"];

/// Describes the processor's features: unknown.
pub fn describe_processor() -> String {
    String::new()
}

/// Does nothing: descendants whose parents end become children of the init process.
pub(super) fn adopt_orphans() {}

/// The child processes of this process: unknown.
pub(super) fn child_processes() -> Vec<Pid> {
    Vec::new()
}
