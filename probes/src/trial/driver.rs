//! The driver of a trial: the thread that runs the steps of the protocol and holds the connection to the
//! supervisor.
//!
//! Foreign code runs on the main thread and on those started from there. Their table of file descriptors is
//! not the driver's, so the kernel keeps them from the connection: they cannot write a step that they did not
//! reach. What else there is to record they pass to the driver's relay ([`relay`](super::relay)).

use std::cell::RefCell;
use std::mem::{MaybeUninit, transmute};
use std::os::fd::RawFd;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::child::abort_probe;
use super::record;
use crate::interpreter;
use crate::python;

type MainJob = Box<dyn FnOnce() + Send>;

thread_local! {
    /// On the driver: the jobs of the main thread.
    static MAIN_THREAD: RefCell<Option<Sender<MainJob>>> = const { RefCell::new(None) };
}

/// Runs `drive` on the driver and returns its result, while the calling thread runs the driver's jobs.
///
/// The calling thread is the only one of the process and holds the main interpreter's GIL. `private` are
/// descriptors that it loses to the driver.
pub(super) fn run_driver<R: Send>(private: &[RawFd], drive: impl FnOnce() -> R + Send) -> R {
    let (jobs, inbox) = channel();
    let (started, has_started) = channel();
    let (separated, is_separated) = channel();
    let driver = move || {
        record::hold_connection();
        let Some(relay) = record::start_relay() else { abort_probe("there is no connection") };
        let _waits = started.send(());
        // Without this wait, the first step could run before foreign threads have lost the descriptors.
        let _is_separated = is_separated.recv();
        MAIN_THREAD.set(Some(jobs));
        let result = drive();
        MAIN_THREAD.set(None);
        relay.stop();
        record::close_connection();
        result
    };
    std::thread::scope(|scope| {
        let signals = block_signals();
        let driver = scope.spawn(driver);
        let _has_started = has_started.recv();
        restore_signals(&signals);
        if !record::give_up_connection(private) {
            abort_probe("this system does not let it keep the record from foreign code");
        }
        let _waits = separated.send(());
        run_jobs(&inbox);
        driver.join().unwrap_or_else(|_| abort_probe("the driver of the trial panicked"))
    })
}

/// Runs the jobs of the driver until it has ended.
fn run_jobs(inbox: &Receiver<MainJob>) {
    // SAFETY: `run_driver` has the GIL of the main interpreter; each job attaches and detaches.
    unsafe {
        let main = python::PyEval_SaveThread();
        while let Ok(job) = inbox.recv() {
            job();
        }
        python::PyEval_RestoreThread(main);
    }
}

/// Runs `work` on the main thread, which is detached from Python, and waits for it. Threads that it starts
/// share the descriptors of foreign code.
pub(super) fn on_main_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let (done, result) = channel();
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(move || drop(done.send(work())));
    // SAFETY: what the job borrows outlives it: this function waits until the job has run or is dropped.
    let job = unsafe { transmute::<Box<dyn FnOnce() + Send + '_>, MainJob>(job) };
    MAIN_THREAD.with_borrow(|main| main.as_ref().map(|main| main.send(job)));
    result.recv().unwrap_or_else(|_| abort_probe("the main thread has ended"))
}

/// Runs `work` on the main thread, with the GIL of the main interpreter.
pub(super) fn with_main_interpreter<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    on_main_thread(|| interpreter::with_main_interpreter(work))
}

/// Blocks all signals of the calling thread, which the threads that it starts inherit: a handler of foreign code
/// must not run on them. Foreign code can send itself every signal, also those of faults.
fn block_signals() -> libc::sigset_t {
    let (mut blocked, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: sigfillset and pthread_sigmask initialize the sets.
    unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, blocked.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

fn restore_signals(signals: &libc::sigset_t) {
    // SAFETY: a set that `block_signals` returned.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, signals, std::ptr::null_mut()) };
}
