//! What happens in the main interpreter between and after the lives of others: its pending calls, a fork, and
//! at last the finalization of Python and the exit handlers of the process.

use std::ffi::c_int;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::interpreter_names::MAIN;
use wsgiaudit_probes_core::protocol::ProtocolPhase;

use super::observe::OBSERVER;
use super::record::record_phase;
use super::{child, crash_handler};
use crate::interpreter::with_main_interpreter;
use crate::python;

/// Signals of a process that crashes.
const CRASHES: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// Time limit for what a forked process runs before it can exit.
const FORK_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the calls that C code has asked CPython to make some time (`Py_AddPendingCall`). The calling thread is
/// the main interpreter's own and is detached.
pub(super) fn run_pending_calls() {
    with_main_interpreter(|| {
        // SAFETY: on the main thread, with the main interpreter's GIL held.
        unsafe {
            python::Py_MakePendingCalls();
            python::PyErr_Clear();
        }
    });
}

/// Forks once, which runs the handlers of `pthread_atfork`. The new process exits at once. If it crashes, so
/// does this one. The calling thread is the main interpreter's own and is detached.
pub(super) fn fork_once() {
    record_phase(MAIN, ProtocolPhase::Touch);
    let end = with_main_interpreter(|| {
        // SAFETY: the new process makes no other call than `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            child::exit_now(0);
        }
        wait_for_exit(child)
    });
    if let Some(signal) = end.filter(|signal| CRASHES.contains(signal)) {
        // SAFETY: ends this process as the other one ended.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
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
/// The thread is the first of the process and holds the main interpreter's GIL; no other interpreter is left.
/// No Python code runs in this process afterwards.
pub(super) unsafe fn finalize_python() {
    record_phase(MAIN, ProtocolPhase::Exit);
    // SAFETY: guaranteed by the caller.
    unsafe {
        // Finalization restores the signal handlers from before `faulthandler`, and with that removes the
        // ones of `crash_handler`. So `faulthandler` is disabled first and the handlers are installed again.
        python::run_source(c"import faulthandler\nfaulthandler.disable()");
        crash_handler::reinstall_handlers();
        python::Py_FinalizeEx();
    }
}

/// Exits like a server process: runs the functions of `atexit` and the destructors of all shared objects.
///
/// # Safety
/// As for [`finalize_python`], which has run.
pub(super) unsafe fn exit_process() -> ! {
    // Its destructor needs Python.
    OBSERVER.with_borrow_mut(|observer| std::mem::forget(observer.take()));
    // SAFETY: guaranteed by the caller.
    unsafe { libc::exit(0) }
}
