//! Tells the supervisor which sources the application has loaded, for `--reload`.

use std::ptr::null_mut;
use std::sync::OnceLock;

use wsgiaudit_probes_core::host_config::HostMessage;

use super::gil::run_detached;
use super::supervisor_pipe::SupervisorPipe;
use crate::python::{self, PyObject};

/// The pipe, if the supervisor watches the sources.
static WATCHER: OnceLock<SupervisorPipe> = OnceLock::new();

/// Lets the interpreters report their sources.
pub(super) fn watch_sources(supervisor: &SupervisorPipe) {
    // Set once, at the start.
    let _ = WATCHER.set(supervisor.clone());
}

/// Whether sources are to be reported.
pub(super) fn is_watched() -> bool {
    WATCHER.get().is_some()
}

/// `_report_sources(paths)`: the absolute paths of files, as JSON in `bytes`.
///
/// # Safety
/// Called by CPython.
pub(super) unsafe extern "C" fn py_report_sources(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls this with the thread attached and with `count` arguments; the bytes are copied.
    unsafe {
        let Some([paths]) = python::take_arguments::<1>(args, count) else { return null_mut() };
        let Some(paths) = python::require_bytes(*paths) else { return null_mut() };
        if let (Some(watcher), Ok(paths)) = (WATCHER.get(), serde_json::from_slice(&paths)) {
            run_detached(|| watcher.send_message(&HostMessage::Sources(paths)));
        }
        python::PyBool_FromLong(1)
    }
}
