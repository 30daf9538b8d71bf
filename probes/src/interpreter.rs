//! Interpreters: their configurations, and one on a native thread of its own, as a server has it.

use std::ptr::null_mut;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};

use crate::python::{self, PyInterpreterConfig};
use crate::trial::spare_stack;

/// mod_wsgi's configuration for `WSGIPerInterpreterGIL On`: CPython's `_PyInterpreterConfig_INIT`.
pub(crate) const OWN_GIL: PyInterpreterConfig = PyInterpreterConfig {
    use_main_obmalloc: 0,
    allow_fork: 0,
    allow_exec: 0,
    allow_threads: 1,
    allow_daemon_threads: 0,
    check_multi_interp_extensions: 1,
    gil: python::OWN_GIL,
};

/// mod_wsgi's default application group: CPython's `_PyInterpreterConfig_LEGACY_INIT`, which checks
/// extensions on a free-threaded build only.
pub(crate) fn shared_gil(free_threaded: bool) -> PyInterpreterConfig {
    PyInterpreterConfig {
        use_main_obmalloc: 1,
        allow_fork: 1,
        allow_exec: 1,
        allow_threads: 1,
        allow_daemon_threads: 1,
        check_multi_interp_extensions: i32::from(free_threaded),
        gil: python::SHARED_GIL,
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A sub-interpreter on a native thread of its own. Its GIL is held only while a job runs. Dropped without
/// [`end`](Interpreter::end) it stays: what a trial found must not depend on an end that nobody asked for.
pub(crate) struct Interpreter {
    jobs: Sender<Option<Job>>,
    thread: JoinHandle<()>,
}

impl Interpreter {
    /// Creates an interpreter. No thread may hold the main interpreter's GIL for long meanwhile.
    ///
    /// # Errors
    /// CPython's message where it refuses to create one.
    pub(crate) fn start(config: PyInterpreterConfig) -> Result<Self, String> {
        let (jobs, inbox) = channel();
        let (started, outcome) = channel();
        let thread = spawn(move || serve(&config, &started, &inbox));
        outcome.recv().map_err(|_| "its thread ended".to_owned())??;
        Ok(Self { jobs, thread })
    }

    /// Runs a job in the interpreter, with its GIL held, and waits for it.
    ///
    /// # Errors
    /// When the interpreter's thread is gone.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, String> {
        let (done, result) = channel();
        self.jobs
            .send(Some(Box::new(move || drop(done.send(job())))))
            .map_err(|_| "its thread is gone".to_owned())?;
        result.recv().map_err(|_| "its thread is gone".to_owned())
    }

    /// Ends the interpreter (`Py_EndInterpreter`) and its thread.
    ///
    /// # Errors
    /// When its thread panicked.
    pub(crate) fn end(self) -> Result<(), String> {
        self.jobs.send(None).map_err(|_| "its thread is gone".to_owned())?;
        self.thread.join().map_err(|_| "its thread panicked".to_owned())
    }
}

/// The thread's whole life. Like mod_wsgi's request thread it first holds the main interpreter, so that
/// `PyGILState_Ensure` on it finds the main interpreter, as it would there.
fn serve(config: &PyInterpreterConfig, started: &Sender<Result<(), String>>, inbox: &Receiver<Option<Job>>) {
    let Some(new_interpreter) = python::new_interpreter() else {
        drop(started.send(Err("this Python has no Py_NewInterpreterFromConfig".to_owned())));
        return;
    };
    spare_stack();
    // SAFETY: the thread states are made, entered and left on this thread alone, each left before the next
    // is entered; `Py_EndInterpreter` gets the interpreter's only remaining one.
    unsafe {
        let ensured = python::PyGILState_Ensure();
        let outer = python::PyThreadState_Get();
        let mut inner = null_mut();
        let status = new_interpreter(&mut inner, config);
        if let Some(error) = status.error() {
            drop(started.send(Err(error)));
        } else {
            inner = python::PyEval_SaveThread();
            drop(started.send(Ok(())));
            while let Some(job) = next(inbox) {
                python::PyEval_RestoreThread(inner);
                job();
                inner = python::PyEval_SaveThread();
            }
            python::PyEval_RestoreThread(inner);
            python::Py_EndInterpreter(inner);
            python::PyEval_RestoreThread(outer);
        }
        python::PyGILState_Release(ensured);
    }
}

/// The next job; `None` to end. Waits for ever where there will be neither.
fn next(inbox: &Receiver<Option<Job>>) -> Option<Job> {
    inbox.recv().unwrap_or_else(|_| {
        loop {
            std::thread::park();
        }
    })
}
