//! What happens in the main interpreter between and after the lives of others: its pending calls, a fork, and
//! at last the finalization of Python and the exit handlers of the process.

use std::ffi::c_int;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::interpreter_names::MAIN;
use wsgiaudit_probes_core::protocol::ProtocolPhase;

use super::driver::{on_main_thread, with_main_interpreter};
use super::observe::OBSERVER;
use super::record::record_phase;
use super::watched_objects::WatchedObjects;
use super::{child, crash_handler, record};
use crate::{interpreter, python};

/// Signals of a process that crashes.
const CRASHES: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// Time limit for what a forked process runs before it can exit.
const FORK_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the calls that C code has asked CPython to make some time (`Py_AddPendingCall`), while watching objects of
/// another interpreter. The caller is the driver.
pub(super) fn run_pending_calls(watched: &WatchedObjects) {
    let make_calls = || {
        // SAFETY: on the main thread, with the main interpreter's GIL held.
        interpreter::with_main_interpreter(|| unsafe {
            python::Py_MakePendingCalls();
            python::PyErr_Clear();
        });
    };
    // The thread that makes the calls is the one whose accesses count.
    on_main_thread(|| watched.clone().run_watched(make_calls));
}

/// Forks once, which runs the handlers of `pthread_atfork`. The new process exits at once. If it crashes, so
/// does this one. The caller is the driver.
///
/// The main thread forks: the new process and the handlers get its descriptors, and so not the connection.
pub(super) fn fork_once() {
    record_phase(MAIN, ProtocolPhase::Touch);
    let end = with_main_interpreter(|| {
        // SAFETY: the new process makes no other call than `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            record::close_record();
            child::exit_now(0);
        }
        wait_for_exit(child)
    });
    if let Some(signal) = end.filter(|signal| CRASHES.contains(signal)) {
        // The driver blocks signals.
        on_main_thread(|| {
            // SAFETY: ends this process as the other one ended.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        });
    }
}

/// Waits for a child and returns the signal that ended it. Kills it at its deadline, which shows nothing.
fn wait_for_exit(child: libc::pid_t) -> Option<c_int> {
    let deadline = Instant::now() + FORK_TIMEOUT;
    let mut status = 0;
    // SAFETY: a child of this process.
    while child > 0 && unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > deadline {
            // SAFETY: its id stays reserved until it is reaped.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, &raw mut status, 0);
            }
            return None;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
}

/// Finalizes Python (`Py_FinalizeEx`) like mod_wsgi when its process exits (`wsgi_python_term`). If this
/// crashes or hangs, the record ends with this phase.
///
/// # Safety
/// The thread is the first of the process and detached from the main interpreter; no other interpreter is left.
/// No Python code runs in this process afterwards.
pub(super) unsafe fn finalize_python() {
    // SAFETY: guaranteed by the caller. The thread stays attached: there is nothing left to detach from.
    unsafe {
        python::PyGILState_Ensure();
        // Finalization restores the signal handlers from before `faulthandler`, and with that removes the
        // ones of `crash_handler`. So `faulthandler` is disabled first and the handlers are installed again.
        python::run_source(c"import faulthandler\nfaulthandler.disable()");
        crash_handler::reinstall_handlers();
        python::Py_FinalizeEx();
    }
}

/// Exits like a server process: runs the functions of `atexit` and the destructors of all shared objects. The driver
/// and the relay still have the connection, and run no foreign code.
///
/// # Safety
/// The thread is the first of the process; [`finalize_python`] has run.
pub(super) unsafe fn exit_process() -> ! {
    // Its destructor needs Python.
    OBSERVER.with_borrow_mut(|observer| std::mem::forget(observer.take()));
    // SAFETY: guaranteed by the caller.
    unsafe { libc::exit(0) }
}
