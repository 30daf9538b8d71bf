//! Sub-interpreters: their configurations, and a sub-interpreter on its own native thread, as servers use
//! them.

use std::ptr::null_mut;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};

use crate::python::{self, PyInterpreterConfig};
use crate::trial::install_signal_stack;

/// Configuration of mod_wsgi for `WSGIPerInterpreterGIL On`: CPython's `_PyInterpreterConfig_INIT`.
pub(crate) const OWN_GIL: PyInterpreterConfig = PyInterpreterConfig {
    use_main_obmalloc: 0,
    allow_fork: 0,
    allow_exec: 0,
    allow_threads: 1,
    allow_daemon_threads: 0,
    check_multi_interp_extensions: 1,
    gil: python::OWN_GIL,
};

/// Configuration of mod_wsgi's application groups by default: CPython's `_PyInterpreterConfig_LEGACY_INIT`,
/// which checks extensions on a free-threaded build only.
pub(crate) fn shared_gil_config(free_threaded: bool) -> PyInterpreterConfig {
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

/// Whether interpreters with this configuration have their own GIL. If so, no lock protects an object that
/// two of them share.
pub(crate) fn has_own_gil(config: PyInterpreterConfig) -> bool {
    config.gil == python::OWN_GIL
}

/// Runs a closure in the main interpreter. The calling thread is the main interpreter's own and is detached.
pub(crate) fn with_main_interpreter<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the thread has no thread state of another interpreter.
    unsafe {
        let ensured = python::PyGILState_Ensure();
        let result = work();
        python::PyGILState_Release(ensured);
        result
    }
}

type InterpreterJob = Box<dyn FnOnce() + Send>;

/// A sub-interpreter on its own native thread.
///
/// Its GIL is held only while a job runs. If dropped without
/// [`end_interpreter`](InterpreterThread::end_interpreter), the interpreter stays alive, so that an implicit
/// end cannot affect the result of a trial.
pub(crate) struct InterpreterThread {
    jobs: Sender<Option<InterpreterJob>>,
    thread: JoinHandle<()>,
}

impl InterpreterThread {
    /// Creates an interpreter. No other thread may hold the main interpreter's GIL for long meanwhile.
    ///
    /// # Errors
    /// CPython's message if it cannot create the interpreter.
    pub(crate) fn start(config: PyInterpreterConfig) -> Result<Self, String> {
        let (jobs, inbox) = channel();
        let (started, outcome) = channel();
        let thread = spawn(move || run_thread(&config, &started, &inbox));
        outcome.recv().map_err(|_| "its thread ended".to_owned())??;
        Ok(Self { jobs, thread })
    }

    /// Runs a job in the interpreter with its GIL held, and waits for the result.
    ///
    /// # Errors
    /// If the interpreter's thread has ended.
    pub(crate) fn run_job<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, String> {
        let (done, result) = channel();
        self.jobs
            .send(Some(Box::new(move || drop(done.send(job())))))
            .map_err(|_| "its thread is gone".to_owned())?;
        result.recv().map_err(|_| "its thread is gone".to_owned())
    }

    /// Ends the interpreter (`Py_EndInterpreter`) and joins its thread.
    ///
    /// # Errors
    /// If its thread panicked.
    pub(crate) fn end_interpreter(self) -> Result<(), String> {
        self.jobs.send(None).map_err(|_| "its thread is gone".to_owned())?;
        self.thread.join().map_err(|_| "its thread panicked".to_owned())
    }
}

/// The main function of the thread. Like a request thread of mod_wsgi, it attaches to the main interpreter
/// first, so that `PyGILState_Ensure` on this thread selects the main interpreter, as in mod_wsgi.
fn run_thread(
    config: &PyInterpreterConfig,
    started: &Sender<Result<(), String>>,
    inbox: &Receiver<Option<InterpreterJob>>,
) {
    let Some(new_interpreter) = python::find_new_interpreter_function() else {
        drop(started.send(Err("this Python has no Py_NewInterpreterFromConfig".to_owned())));
        return;
    };
    install_signal_stack();
    // SAFETY: the thread states are created, attached and detached on this thread only, one at a time;
    // `Py_EndInterpreter` gets the interpreter's only remaining thread state.
    unsafe {
        let ensured = python::PyGILState_Ensure();
        let outer = python::PyThreadState_Get();
        let mut inner = null_mut();
        let status = new_interpreter(&mut inner, config);
        if let Some(error) = status.error_message() {
            drop(started.send(Err(error)));
        } else {
            inner = python::PyEval_SaveThread();
            drop(started.send(Ok(())));
            while let Some(job) = receive_job(inbox) {
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

/// Waits for the next job; `None` means to end. Blocks forever once the sender is gone.
fn receive_job(inbox: &Receiver<Option<InterpreterJob>>) -> Option<InterpreterJob> {
    inbox.recv().unwrap_or_else(|_| {
        loop {
            std::thread::park();
        }
    })
}
