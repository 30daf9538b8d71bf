//! Threads of an interpreter. A thread is attached (holds the GIL) only while it runs Python.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use wsgiaudit_probes_core::application_result::ResultTag;
use wsgiaudit_probes_core::response_head::{BodyFit, ResponseHeadError};

use super::environ::EnvironTemplate;
use super::gil::{measure_gil_wait, set_thread_meter};
use super::glue;
use super::log::log_error;
use super::request_body::RequestBody;
use super::request_exchange::{RequestJob, ResponseAborted, WorkerCommand};
use super::worker_watch::{WorkerContext, WorkerWatch};
use crate::python::{self, Object, PyThreadState};

/// The `glue.py` objects that the threads of one interpreter share. Only attached threads use them.
pub(super) struct WsgiRuntime {
    names: Object,
    respond: Object,
    open_input: Object,
    memory_input: Object,
    template: EnvironTemplate,
}

// SAFETY: the references are created, used and dropped only by threads attached to their interpreter.
unsafe impl Send for WsgiRuntime {}
// SAFETY: as above; CPython's own objects are safe to use from attached threads.
unsafe impl Sync for WsgiRuntime {}

impl WsgiRuntime {
    /// Runs `glue.py` and imports the application.
    ///
    /// # Errors
    /// The traceback of what the application raised.
    ///
    /// # Safety
    /// The thread is attached to the interpreter.
    pub(super) unsafe fn new(settings: &str) -> Result<Self, String> {
        // SAFETY: guaranteed by the caller; references are checked.
        unsafe {
            let names = glue::create_namespace(settings)?;
            let lookup = |name| {
                let found = python::PyDict_GetItemString(names.as_ptr(), name);
                python::Py_IncRef(found);
                Object::new(found).ok_or("a name is missing from glue.py")
            };
            let base = call_object(&lookup(c"base".as_ptr())?, &[]).ok_or_else(|| python::take_error())?;
            let runtime = Self {
                respond: lookup(c"respond".as_ptr())?,
                open_input: lookup(c"open_input".as_ptr())?,
                memory_input: lookup(c"memory_input".as_ptr())?,
                template: EnvironTemplate::new(base).ok_or_else(|| python::take_error())?,
                names,
            };
            let loaded = runtime.call_function(c"load").ok_or_else(|| python::take_error())?;
            match glue::read_tag(&loaded) {
                Some(ResultTag::Loaded) => Ok(runtime),
                Some(ResultTag::Failed) => {
                    let traceback = python::str_to_string(python::PyTuple_GetItem(loaded.as_ptr(), 1));
                    Err(traceback.unwrap_or_default().trim_end().to_owned())
                }
                Some(ResultTag::Complete | ResultTag::Sent | ResultTag::Aborted) | None => {
                    Err("glue.py did not say whether it imported the application".to_owned())
                }
            }
        }
    }

    /// Calls a function of `glue.py` without arguments. Returns `None` with a Python exception set.
    ///
    /// # Safety
    /// The thread is attached to the interpreter.
    pub(super) unsafe fn call_function(&self, function: &std::ffi::CStr) -> Option<Object> {
        // SAFETY: guaranteed by the caller; the function is borrowed from the namespace, which is alive.
        unsafe {
            let function = python::PyDict_GetItemString(self.names.as_ptr(), function.as_ptr());
            python::Py_IncRef(function);
            call_object(&Object::new(function)?, &[])
        }
    }

    /// Reads `sys.getswitchinterval()`; `None` if the application has broken that.
    ///
    /// # Safety
    /// The thread is attached to the interpreter.
    unsafe fn read_switch_interval(&self) -> Option<f64> {
        // SAFETY: guaranteed by the caller; the reference is checked.
        unsafe {
            let Some(seconds) = self.call_function(c"read_switch_interval") else {
                python::PyErr_Clear();
                return None;
            };
            let seconds = python::PyFloat_AsDouble(seconds.as_ptr());
            python::PyErr_Clear();
            (seconds > 0.0).then_some(seconds)
        }
    }

    /// Runs the application for a request. Returns what remains to be done without the GIL.
    ///
    /// # Safety
    /// The thread is attached to the interpreter.
    unsafe fn run_application(&self, job: &RequestJob) -> ResponseAction {
        // SAFETY: guaranteed by the caller; references are checked.
        unsafe {
            let returned = glue::new_capsule(&job.exchange).and_then(|capsule| {
                let input = match job.exchange.body() {
                    RequestBody::File(_) => call_object(&self.open_input, &[&capsule])?,
                    RequestBody::Memory(bytes) => {
                        call_object(&self.memory_input, &[&python::new_bytes(bytes)?])?
                    }
                };
                let environ = self.template.build_environ(job, &input)?;
                call_object(&self.respond, &[&environ, &capsule])
            });
            let Some(returned) = returned else {
                log_error(&format!("cannot pass a request to the application: {}", python::take_error()));
                return ResponseAction::Fail;
            };
            match glue::read_tag(&returned) {
                Some(ResultTag::Complete) => {
                    self.check_complete_response(&returned, job).unwrap_or_else(|error| {
                        log_error(&format!(
                            "cannot send the application's response to {}: {error}",
                            job.head.uri
                        ));
                        ResponseAction::Fail
                    })
                }
                Some(ResultTag::Sent) => ResponseAction::End,
                Some(ResultTag::Aborted) => ResponseAction::Abort,
                Some(ResultTag::Loaded | ResultTag::Failed) | None => {
                    log_error("glue.py did not return the result of a request");
                    ResponseAction::Fail
                }
            }
        }
    }

    /// Prepares a complete response: parses its head, and cuts or rejects a body that does not match it.
    unsafe fn check_complete_response(
        &self,
        returned: &Object,
        job: &RequestJob,
    ) -> Result<ResponseAction, ResponseHeadError> {
        // SAFETY: `read_tag` has checked that the tuple has three items after the tag; the thread is attached.
        unsafe {
            let item = |index| python::PyTuple_GetItem(returned.as_ptr(), index);
            let head = glue::parse_response_head(item(1), item(2))?;
            let mut body = bytes::Bytes::from(python::copy_bytes(item(3)).unwrap_or_default());
            let fit = head.fit_body(job.head.method == hyper::Method::HEAD, body.len());
            let length = head.content_length;
            let head = glue::to_response_head(head)?;
            Ok(match fit {
                BodyFit::Bare => ResponseAction::Bare { head, length },
                BodyFit::Whole(size) => {
                    body.truncate(size);
                    ResponseAction::Whole { head, body }
                }
                BodyFit::Short => {
                    log_error(&format!(
                        "the response to {} is shorter than its Content-Length",
                        job.head.uri
                    ));
                    ResponseAction::Short { head, length, body }
                }
            })
        }
    }
}

/// Calls a Python object with at most two arguments. Returns `None` with a Python exception set.
///
/// # Safety
/// The objects belong to the interpreter that the thread is attached to.
unsafe fn call_object(function: &Object, arguments: &[&Object]) -> Option<Object> {
    // SAFETY: at most two arguments, terminated by null.
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

/// How to finish a response, once the GIL is released.
enum ResponseAction {
    /// Send a complete response.
    Whole { head: hyper::Response<()>, body: bytes::Bytes },
    /// Send the head alone, with its declared Content-Length.
    Bare { head: hyper::Response<()>, length: Option<u64> },
    /// Send a body that is shorter than the declared Content-Length, then cut the connection.
    Short { head: hyper::Response<()>, length: Option<u64>, body: bytes::Bytes },
    /// Everything is sent.
    End,
    /// Cut the connection: the rest of the body is missing.
    Abort,
    /// Send 500.
    Fail,
}

impl ResponseAction {
    fn send_response(self, job: &RequestJob) {
        let exchange = &job.exchange;
        let result = match self {
            Self::Whole { head, body } => {
                exchange.send_response(head, body);
                Ok(())
            }
            Self::Bare { head, length } => {
                exchange.send_head(head, length);
                Ok(())
            }
            Self::Short { head, length, body } => {
                exchange.send_head(head, length);
                exchange.send_chunk(body);
                Err(ResponseAborted)
            }
            Self::End => Ok(()),
            Self::Abort => Err(ResponseAborted),
            Self::Fail => {
                let mut head = hyper::Response::new(());
                *head.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
                exchange.send_response(head, bytes::Bytes::from_static(b"Internal Server Error\n"));
                Ok(())
            }
        };
        exchange.finish_response(result);
    }
}

/// Serves jobs until told to stop. Attaches to the interpreter of `state` while it runs Python.
///
/// # Safety
/// `state` is a thread state of this thread and of the interpreter of `runtime`; the thread is detached.
pub(super) unsafe fn serve_jobs(state: *mut PyThreadState, runtime: &WsgiRuntime, context: &WorkerContext) {
    let meter = &context.meter;
    set_thread_meter(meter);
    let watch = WorkerWatch::new(context);
    watch.set_thread_state(state);
    while let Ok(WorkerCommand::Serve(job)) = context.queue.recv() {
        let queued = job.queued.elapsed();
        meter.queue.record_duration(queued);
        if job.exchange.is_abandoned() {
            continue;
        }
        job.exchange.mark_taken();
        watch.begin_request(&job, queued);
        let began = Instant::now();
        // SAFETY: guaranteed by the caller.
        let action = unsafe {
            measure_gil_wait(|| python::PyEval_RestoreThread(state));
            let action = runtime.run_application(&job);
            if watch.is_switch_interval_requested() {
                watch.set_switch_interval(runtime.read_switch_interval());
            }
            python::PyEval_SaveThread();
            action
        };
        // Recorded before the response is sent, so that a client that has the response finds it counted.
        let took = began.elapsed();
        meter.application.record_duration(took);
        watch.end_request(&job, took);
        if job.exchange.mark_ended() {
            meter.stuck.fetch_sub(1, Ordering::Relaxed);
        }
        action.send_response(&job);
    }
}

/// Runs an additional thread of an interpreter with its own thread state.
///
/// # Safety
/// `interpreter` outlives this thread.
pub(super) unsafe fn run_sibling_thread(
    interpreter: InterpreterHandle,
    runtime: &Arc<WsgiRuntime>,
    context: &WorkerContext,
) {
    // SAFETY: the thread state is created, attached and deleted on this thread only.
    unsafe {
        let own = python::PyThreadState_New(interpreter.0);
        serve_jobs(own, runtime, context);
        python::PyEval_RestoreThread(own);
        python::PyThreadState_Clear(own);
        python::PyThreadState_DeleteCurrent();
    }
}

/// A pointer to an interpreter, to be sent to its additional threads.
#[derive(Clone, Copy)]
pub(super) struct InterpreterHandle(pub(super) *mut python::PyInterpreterState);

// SAFETY: only passed to `PyThreadState_New` while the interpreter is alive.
unsafe impl Send for InterpreterHandle {}
