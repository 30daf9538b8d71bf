//! What `glue.py` logs: exceptions of the application, and what it writes to its standard error.

use std::ptr::null_mut;

use wsgiaudit_probes_core::log_line::{LogLevel, LogSource};

use super::gil::run_detached;
use super::log::log_line;
use crate::python::{self, PyObject};

/// `_log(source, level, message, traceback)`: all are `bytes`, and an empty traceback is none.
///
/// # Safety
/// Called by CPython.
pub(super) unsafe extern "C" fn py_log(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls this with the thread attached and with `count` arguments; the bytes are copied.
    unsafe {
        let Some(arguments) = python::take_arguments::<4>(args, count) else { return null_mut() };
        let mut texts = Vec::new();
        for argument in arguments {
            let Some(bytes) = python::require_bytes(*argument) else { return null_mut() };
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        let [source, level, message, traceback] = texts.as_slice() else { return null_mut() };
        let source = LogSource::from_name(source).unwrap_or(LogSource::Application);
        let level = LogLevel::from_name(level).unwrap_or(LogLevel::Error);
        let traceback = (!traceback.is_empty()).then_some(traceback.as_str());
        run_detached(|| log_line(source, level, message, traceback));
        python::PyBool_FromLong(1)
    }
}
