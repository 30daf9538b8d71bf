//! Thread states that C code has made in an interpreter, which Python's own list of threads does not contain.

use std::ptr::null_mut;
use std::time::Duration;

use wsgiaudit_probes_core::protocol::TrialEvent;

use super::record;
use crate::python::{self, Object};

/// Waits up to half a second until the current interpreter has only the thread states of this thread and of Python's
/// own threads. Records the others, and returns whether there are any: they would outlive the interpreter.
///
/// # Errors
/// The exception, if Python's threads cannot be counted.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(super) unsafe fn record_foreign_states() -> Result<bool, String> {
    for _ in 0..50 {
        // SAFETY: guaranteed by the caller. Without the GIL, threads about to leave can do so.
        unsafe {
            if count_foreign_states()? == 0 {
                return Ok(false);
            }
            let state = python::PyEval_SaveThread();
            std::thread::sleep(Duration::from_millis(10));
            python::PyEval_RestoreThread(state);
        }
    }
    // SAFETY: guaranteed by the caller.
    let name = match unsafe { count_foreign_states() }? {
        0 => return Ok(false),
        1 => "a thread of its C code".to_owned(),
        count => format!("{count} threads of its C code"),
    };
    record::write_event(&TrialEvent::ThreadsLeft(vec![name]));
    Ok(true)
}

/// # Safety
/// The thread holds the interpreter's GIL.
unsafe fn count_foreign_states() -> Result<i64, String> {
    // SAFETY: guaranteed by the caller; each reference is checked. Only the interpreter's own threads change the list.
    unsafe {
        let mut all = 0;
        let mut state = python::PyInterpreterState_ThreadHead(python::PyInterpreterState_Get());
        while !state.is_null() {
            all += 1;
            state = python::PyThreadState_Next(state);
        }
        let module = Object::new(python::PyImport_ImportModule(c"_thread".as_ptr()));
        let module = module.ok_or_else(|| python::take_error())?;
        let count = Object::new(python::PyObject_GetAttrString(module.as_ptr(), c"_count".as_ptr()));
        let count = count.ok_or_else(|| python::take_error())?;
        let known = Object::new(python::PyObject_CallObject(count.as_ptr(), null_mut()));
        let known = known.ok_or_else(|| python::take_error())?;
        Ok(all - 1 - python::PyLong_AsLongLong(known.as_ptr()))
    }
}
