//! Descriptors that the supervisor passes on.

/// Keeps a descriptor from the programs that the application runs.
pub(super) fn close_on_exec(descriptor: i32) {
    // SAFETY: changes a flag of a descriptor that the supervisor opened for this process.
    unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
}
