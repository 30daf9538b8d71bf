//! Forks a process that runs Python.

use crate::python;

/// Forks like `os.fork()` (`Modules/posixmodule.c`): takes the import lock, runs the hooks, resets locks in
/// the child. Returns 0 in the child.
///
/// # Errors
/// If the system has no more processes.
///
/// # Safety
/// The thread holds the GIL and is the only one of this process.
pub(super) unsafe fn fork_python() -> std::io::Result<libc::pid_t> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        python::PyOS_BeforeFork();
        let child = libc::fork();
        if child == 0 {
            python::PyOS_AfterFork_Child();
        } else {
            python::PyOS_AfterFork_Parent();
        }
        if child < 0 { Err(std::io::Error::last_os_error()) } else { Ok(child) }
    }
}
