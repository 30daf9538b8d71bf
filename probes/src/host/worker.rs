//! A thread of an interpreter. It is attached (holds the GIL) only while it runs Python.

use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::environ::Template;
use super::exchange::{Aborted, Job};
use super::glue;
use super::log::say;
use super::meter::{Meter, belongs_to, gil_wait};
use crate::python::{self, Object, PyThreadState};

/// What the threads of one interpreter share: objects of that interpreter, touched by attached threads only.
pub(super) struct Interior {
    names: Object,
    respond: Object,
    open_input: Object,
    no_input: Object,
    template: Template,
}

// SAFETY: the references are used, made and dropped by threads that are attached to their interpreter.
unsafe impl Send for Interior {}
// SAFETY: the same; CPython's own objects are safe to use by attached threads.
unsafe impl Sync for Interior {}

impl Interior {
    /// Runs `glue.py` and imports the application.
    ///
    /// # Errors
    /// What the application raised, as text.
    ///
    /// # Safety
    /// The thread is attached to the interpreter.
    pub(super) unsafe fn new(settings: &str) -> Result<Self, String> {
        // SAFETY: the caller's promise; references are checked.
        unsafe {
            let names = glue::namespace(settings)?;
            let of = |name| {
                let found = python::PyDict_GetItemString(names.as_ptr(), name);
                python::Py_IncRef(found);
                Object::new(found).ok_or("glue.py is incomplete")
            };
            let base = call(&of(c"base".as_ptr())?, &[]).ok_or_else(|| python::take_error())?;
            let interior = Self {
                respond: of(c"respond".as_ptr())?,
                open_input: of(c"open_input".as_ptr())?,
                no_input: of(c"no_input".as_ptr())?,
                template: Template::new(base).ok_or_else(|| python::take_error())?,
                names,
            };
            match interior.call(c"load") {
                Some(answer) if python::is_a(answer.as_ptr(), python::Py_TPFLAGS_UNICODE_SUBCLASS) => {
                    Err(python::text(answer.as_ptr()).unwrap_or_default().trim_end().to_owned())
                }
                Some(_) => Ok(interior),
                None => Err(python::take_error()),
            }
        }
    }

    /// Calls a function of `glue.py` without arguments. `None` with an exception set.
    ///
    /// # Safety
    /// The thread is attached to the interpreter.
    pub(super) unsafe fn call(&self, function: &std::ffi::CStr) -> Option<Object> {
        // SAFETY: the caller's promise; the function is borrowed from a namespace that lives.
        unsafe {
            let function = python::PyDict_GetItemString(self.names.as_ptr(), function.as_ptr());
            python::Py_IncRef(function);
            call(&Object::new(function)?, &[])
        }
    }

    /// Runs the application. The answer's last step, for after the GIL is let go.
    ///
    /// # Safety
    /// The thread is attached to the interpreter.
    unsafe fn respond(&self, job: &Job) -> Then {
        // SAFETY: the caller's promise; references are checked.
        unsafe {
            let returned = glue::capsule(&job.exchange).and_then(|capsule| {
                let input = match job.has_body {
                    true => call(&self.open_input, &[&capsule])?,
                    false => call(&self.no_input, &[])?,
                };
                let environ = self.template.fill(job, &input)?;
                call(&self.respond, &[&environ, &capsule])
            });
            let Some(returned) = returned else {
                say(&format!("a request could not be handed over: {}", python::take_error()));
                return Then::Fail;
            };
            if python::is_a(returned.as_ptr(), python::Py_TPFLAGS_TUPLE_SUBCLASS) {
                return self.whole(&returned, job).unwrap_or_else(|why| {
                    say(&format!("the application's answer to {} cannot be sent: {why}", job.head.uri));
                    Then::Fail
                });
            }
            match python::PyObject_IsTrue(returned.as_ptr()) == 0
                && python::is_a(returned.as_ptr(), python::Py_TPFLAGS_LONG_SUBCLASS)
            {
                true => Then::Abort,
                false => Then::End,
            }
        }
    }

    unsafe fn whole(&self, returned: &Object, job: &Job) -> Result<Then, String> {
        // SAFETY: a tuple of three by `glue.py`; the thread is attached.
        unsafe {
            let item = |index| python::PyTuple_GetItem(returned.as_ptr(), index);
            let (head, length) = glue::head(item(0), item(1))?;
            let mut body = glue::bytes(item(2)).unwrap_or_else(|| {
                python::PyErr_Clear();
                bytes::Bytes::new()
            });
            let is_bare =
                job.head.method == hyper::Method::HEAD || [204, 304].contains(&head.status().as_u16());
            if is_bare {
                return Ok(Then::Pieces(head, length, bytes::Bytes::new(), true));
            }
            if let Some(length) = length {
                body.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                if (body.len() as u64) < length {
                    say(&format!("the answer to {} is shorter than its Content-Length", job.head.uri));
                    return Ok(Then::Pieces(head, Some(length), body, false));
                }
            }
            Ok(Then::Whole(head, body))
        }
    }
}

/// Calls an object.
///
/// # Safety
/// Living objects of the interpreter that the thread is attached to.
unsafe fn call(function: &Object, arguments: &[&Object]) -> Option<Object> {
    // SAFETY: at most two arguments, ended by null.
    unsafe {
        let null = null_mut::<python::PyObject>();
        Object::new(match arguments {
            [] => python::PyObject_CallObject(function.as_ptr(), null),
            [one] => python::PyObject_CallFunctionObjArgs(function.as_ptr(), one.as_ptr(), null),
            [one, two, ..] => {
                python::PyObject_CallFunctionObjArgs(function.as_ptr(), one.as_ptr(), two.as_ptr(), null)
            }
        })
    }
}

/// What remains to be done for an answer, without the GIL.
enum Then {
    Whole(hyper::Response<()>, bytes::Bytes),
    /// Head, length, what there is, whether that is all.
    Pieces(hyper::Response<()>, Option<u64>, bytes::Bytes, bool),
    End,
    Abort,
    Fail,
}

impl Then {
    fn finish(self, job: &Job) {
        let exchange = &job.exchange;
        let result = match self {
            Self::Whole(head, body) => {
                exchange.answer(head, body);
                Ok(())
            }
            Self::Pieces(head, length, body, is_all) => {
                exchange.begin(head, length);
                exchange.send(body);
                if is_all { Ok(()) } else { Err(Aborted) }
            }
            Self::End => Ok(()),
            Self::Abort => Err(Aborted),
            Self::Fail => {
                let mut head = hyper::Response::new(());
                *head.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
                exchange.answer(head, bytes::Bytes::from_static(b"Internal Server Error\n"));
                Ok(())
            }
        };
        exchange.end(result);
    }
}

/// Serves jobs until it is told to stop, attached to `state`'s interpreter while it runs Python.
///
/// # Safety
/// `state` is a thread state of this thread and of `interior`'s interpreter; the thread is not attached.
pub(super) unsafe fn work(
    state: *mut PyThreadState,
    interior: &Interior,
    queue: &Receiver<Option<Job>>,
    meter: &Arc<Meter>,
) {
    belongs_to(meter);
    while let Ok(Some(job)) = queue.recv() {
        meter.queue.add(job.began.elapsed());
        if job.exchange.is_abandoned() {
            continue;
        }
        let began = Instant::now();
        // SAFETY: the caller's promise.
        let then = unsafe {
            gil_wait(|| python::PyEval_RestoreThread(state));
            let then = interior.respond(&job);
            python::PyEval_SaveThread();
            then
        };
        // Before the answer goes out: who has it finds it counted.
        meter.application.add(began.elapsed());
        then.finish(&job);
    }
}

/// Runs something that may wait without the GIL.
///
/// # Safety
/// The thread is attached.
pub(super) unsafe fn detached<R>(wait: impl FnOnce() -> R) -> R {
    // SAFETY: the same thread state is taken up again.
    unsafe {
        let state = python::PyEval_SaveThread();
        let result = wait();
        gil_wait(|| python::PyEval_RestoreThread(state));
        result
    }
}

/// A further thread of an interpreter: its own thread state, ended with it.
///
/// # Safety
/// `state` is a thread state of an interpreter that lives until this thread ended.
pub(super) unsafe fn sibling(
    state: Handle,
    interior: &Arc<Interior>,
    queue: &Receiver<Option<Job>>,
    meter: &Arc<Meter>,
) {
    // SAFETY: made, entered and deleted on this thread alone.
    unsafe {
        let own = python::PyThreadState_New(state.0);
        work(own, interior, queue, meter);
        python::PyEval_RestoreThread(own);
        python::PyThreadState_Clear(own);
        python::PyThreadState_DeleteCurrent();
    }
}

/// An interpreter, handed to its further threads.
#[derive(Clone, Copy)]
pub(super) struct Handle(pub(super) *mut python::PyInterpreterState);

// SAFETY: only passed on to `PyThreadState_New`, while the interpreter lives.
unsafe impl Send for Handle {}
