//! Reads the stacks of slow requests, on a thread of its own in each interpreter.
//!
//! Only the holder of an interpreter's GIL may look at the frames of its threads. `sys._current_frames` is of no use here:
//! it visits the threads of all interpreters of the process, whose GILs it does not hold. So the thread looks at the thread
//! state of the one worker. While the GIL is held, only this thread waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wsgiaudit_probes_core::telemetry::interpreter_meter::InterpreterMeter;
use wsgiaudit_probes_core::telemetry::stack::{MAX_FRAMES, MissingStack, StackFrame, StackSample};
use wsgiaudit_probes_core::telemetry::stack_requests::WantedStack;

use super::glue::SOURCE_NAME;
use super::worker_thread::InterpreterHandle;
use crate::python::{self, Object, PyFrameObject, PyThreadState};

/// Reads the stacks that are wanted until there are no more to come.
///
/// # Safety
/// `interpreter` outlives this call, and `meter` measures it.
pub(super) unsafe fn read_wanted_stacks(
    interpreter: InterpreterHandle,
    meter: &InterpreterMeter,
    folders: &[String],
) {
    while let Some(wanted) = meter.stack_requests.wait_for_request() {
        // SAFETY: the thread state is made, attached and deleted on this thread only, while the interpreter is alive.
        let sample = unsafe {
            let own = python::PyThreadState_New(interpreter.0);
            python::PyEval_RestoreThread(own);
            let sample = read_stack(meter, &wanted, folders);
            python::PyThreadState_Clear(own);
            python::PyThreadState_DeleteCurrent();
            sample
        };
        // Has no effect if `SlowWatch` has given up already.
        let _ = wanted.trace.stack.set(sample);
    }
}

/// Reads the stack of the thread that is at a request.
///
/// # Safety
/// This thread holds the GIL of the interpreter that `meter` measures.
unsafe fn read_stack(meter: &InterpreterMeter, wanted: &WantedStack, folders: &[String]) -> StackSample {
    let Some(worker) = meter.workers.get(wanted.worker) else {
        return StackSample::Missing(MissingStack::Ended);
    };
    // A worker needs the GIL to begin with the next request and to delete its thread state, so neither happens meanwhile.
    let is_at_it = worker.running().is_some_and(|running| Arc::ptr_eq(&running, &wanted.trace));
    let state = worker.thread_state.load(Ordering::Acquire).cast::<PyThreadState>();
    if !is_at_it || state.is_null() {
        return StackSample::Missing(MissingStack::Ended);
    }
    let mut frames = Vec::new();
    // SAFETY: the thread state is alive, and its thread does not run Python, as this one holds the GIL.
    unsafe {
        let mut next = Object::new(python::PyThreadState_GetFrame(state).cast());
        while let Some(frame) = next.take_if(|_| frames.len() < MAX_FRAMES) {
            let pointer = frame.as_ptr().cast::<PyFrameObject>();
            frames.extend(describe_frame(pointer, folders));
            next = Object::new(python::PyFrame_GetBack(pointer).cast());
        }
        python::PyErr_Clear();
        match frames.is_empty() {
            true => StackSample::Missing(MissingStack::NoFrames),
            false => StackSample::Frames { frames, is_cut: next.is_some() },
        }
    }
}

/// Describes a frame; `None` for one of the server's own. None of this runs Python code.
///
/// # Safety
/// The frame is alive, and this thread holds the GIL.
unsafe fn describe_frame(frame: *mut PyFrameObject, folders: &[String]) -> Option<StackFrame> {
    // SAFETY: guaranteed by the caller; references are checked.
    unsafe {
        let code = Object::new(python::PyFrame_GetCode(frame).cast())?;
        let read_text = |name: &std::ffi::CStr| {
            let text = Object::new(python::PyObject_GetAttrString(code.as_ptr(), name.as_ptr()))?;
            python::str_to_string(text.as_ptr())
        };
        let file = read_text(c"co_filename")?;
        if SOURCE_NAME.to_bytes() == file.as_bytes() {
            return None;
        }
        let line = u32::try_from(python::PyFrame_GetLineNumber(frame)).unwrap_or(0);
        Some(StackFrame::new(&read_text(c"co_qualname")?, &file, line, folders))
    }
}
