//! Switches CPython's check of extension modules off while a private copy is loaded, and only then.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::import_check::{LoadKind, LoadsUnderWay};

use super::loader_state::{LoaderState, keys};
use super::raise;
use crate::python::{self, Object, PyObject};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// The loads of all interpreters. Not locked while Python code runs.
static LOADS: Mutex<LoadsUnderWay> = Mutex::new(LoadsUnderWay::new());

/// How long a load waits for loads of other threads that need the check switched the other way. Those may
/// themselves wait for a lock of the import system that this thread holds, so the wait is limited. After it, both
/// loads run at the same time, with the check on.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Values of `_imp._override_multi_interp_extensions_check`.
const AS_CONFIGURED: std::ffi::c_long = 0;
const NEVER: std::ffi::c_long = -1;

/// Loads something with the check that its kind gets.
///
/// # Safety
/// The thread holds the GIL of the state's interpreter.
pub(super) unsafe fn run_load<T>(state: LoaderState, kind: LoadKind, load: impl FnOnce() -> T) -> T {
    // SAFETY: guaranteed by the caller.
    unsafe {
        // Nothing is checked in the main interpreter, and CPython refuses to override it.
        let Some(function) = state.get(keys::OVERRIDE) else { return load() };
        let interpreter = python::current_interpreter_id();
        let thread = libc::pthread_self() as usize;
        wait_for_other_threads(interpreter, thread, kind);
        lock_ignoring_poison(&LOADS).begin_load(interpreter, thread, kind);
        set_override(function, interpreter);
        let result = load();
        lock_ignoring_poison(&LOADS).end_load(interpreter, thread);
        set_override(function, interpreter);
        result
    }
}

/// Waits without the GIL, so that the other threads can finish their loads.
///
/// # Safety
/// The thread holds the interpreter's GIL.
unsafe fn wait_for_other_threads(interpreter: i64, thread: usize, kind: LoadKind) {
    let began = Instant::now();
    while lock_ignoring_poison(&LOADS).must_wait(interpreter, thread, kind) && began.elapsed() < MAX_WAIT {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let state = python::PyEval_SaveThread();
            std::thread::sleep(Duration::from_millis(1));
            python::PyEval_RestoreThread(state);
        }
    }
}

/// Applies what the loads under way decide. CPython's function does not release the GIL, so no other thread of the
/// interpreter gets in between.
///
/// # Safety
/// The thread holds the interpreter's GIL; `function` is CPython's.
unsafe fn set_override(function: *mut PyObject, interpreter: i64) {
    let is_off = lock_ignoring_poison(&LOADS).is_check_off(interpreter);
    // SAFETY: guaranteed by the caller. A load may have failed with an exception, which is kept.
    unsafe {
        let error = raise::take_exception();
        if let Some(value) = Object::new(python::PyLong_FromLong(if is_off { NEVER } else { AS_CONFIGURED }))
        {
            drop(Object::new(python::PyObject_CallFunctionObjArgs(
                function,
                value.as_ptr(),
                std::ptr::null_mut::<PyObject>(),
            )));
        }
        python::PyErr_Clear();
        if let Some(error) = error {
            raise::set_exception(error);
        }
    }
}
