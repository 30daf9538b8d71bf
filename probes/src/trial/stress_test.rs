//! Stress tests: several native threads at the same time, not created by Python, as in a server.
//!
//! In the main interpreter of a free-threaded build, they expose code that relied on the GIL; in interpreters
//! with their own GIL, they expose state that C code shares between interpreters.

use std::sync::{Arc, Barrier};

use wsgiaudit_probes_core::interpreter_names::{MAIN, STRESS_TEST};
use wsgiaudit_probes_core::protocol::{ProtocolPhase, TrialOrder};

use super::child::abort_probe;
use super::crash_handler::install_signal_stack;
use super::observe::{Observer, import_all, install_observer, join_subjects};
use super::private_copies;
use super::record::record_phase;
use crate::interpreter::{self, InterpreterThread};
use crate::python;

/// All threads import the subjects at once, then use them at once. Returns whether that succeeded.
pub(super) fn run_threads(order: &TrialOrder) -> bool {
    record_phase(MAIN, ProtocolPhase::Start);
    // SAFETY: the caller holds the GIL of the main interpreter.
    let observer = unsafe { install_observer(MAIN) };
    record_phase(MAIN, ProtocolPhase::Import);
    if !run_on_threads(order.threads, &observer, |observer| {
        // SAFETY: `run_on_threads` has attached this thread to the main interpreter.
        unsafe { import_all(observer, order) }
    }) {
        return false;
    }
    record_phase(MAIN, ProtocolPhase::Storm);
    run_on_threads(order.threads, &observer, |observer| {
        (0..order.rounds).all(|_| {
            // SAFETY: as above.
            unsafe { observer.call_function(c"storm", &join_subjects(order)) }
                .unwrap_or_else(|error| abort_probe(&error))
        })
    })
}

/// Each thread repeatedly creates an interpreter with its own GIL, imports and uses the subjects there, and
/// ends it.
///
/// The threads synchronize, so that interpreters start and end at the same time. Returns whether all rounds
/// succeeded. The caller holds the main interpreter's GIL and still holds it afterwards.
pub(super) fn run_interpreters(order: &TrialOrder) -> bool {
    record_phase(STRESS_TEST, ProtocolPhase::Storm);
    // A tree of private copies serves one interpreter, so each thread runs one.
    let (threads, rounds) = match &order.copies {
        Some(trees) if order.place.uses_copies() => (order.threads.min(trees.count), 1),
        Some(_) | None => (order.threads, order.rounds),
    };
    let (order, barrier) = (Arc::new(order.clone()), Barrier::new(threads));
    // SAFETY: the caller's thread stays detached for as long as other threads run interpreters.
    let main = unsafe { python::PyEval_SaveThread() };
    let passed = std::thread::scope(|scope| {
        let lifecycle = || {
            barrier.wait();
            // A thread that failed still takes part in the barriers, since the others wait there.
            (0..rounds).fold(true, |succeeded, _| succeeded & run_one_lifecycle(&order, &barrier))
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(lifecycle)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).all(|joined| joined.unwrap_or(false))
    });
    // SAFETY: the thread state detached above.
    unsafe { python::PyEval_RestoreThread(main) };
    passed
}

/// Runs one interpreter from start to end, waiting for the other threads before its end. Returns whether that
/// succeeded.
fn run_one_lifecycle(order: &Arc<TrialOrder>, barrier: &Barrier) -> bool {
    let interpreter = InterpreterThread::start(interpreter::OWN_GIL)
        .unwrap_or_else(|error| abort_probe(&format!("an interpreter of the stress test: {error}")));
    let order = Arc::clone(order);
    let used = interpreter.run_job(move || {
        // SAFETY: a job runs with its interpreter's GIL held; the observer is dropped there too.
        unsafe {
            private_copies::install_in_interpreter();
            let observer = install_observer(STRESS_TEST);
            let call = |function, name: &str| {
                observer.call_function(function, name).unwrap_or_else(|error| abort_probe(&error))
            };
            order.after.iter().chain(&order.subjects).all(|subject| call(c"bring", subject))
                && (!order.place.uses_copies() || call(c"storm", &join_subjects(&order)))
                && call(c"touch", &join_subjects(&order))
                && !call(c"leaves_threads", "")
        }
    });
    barrier.wait();
    used.and_then(|used| if used { interpreter.end_interpreter().map(|()| true) } else { Ok(false) })
        .unwrap_or_else(|error| abort_probe(&error))
}

/// Creates the subject's module from its shared object without executing it.
pub(super) fn create_module_only(order: &TrialOrder) -> bool {
    record_phase(MAIN, ProtocolPhase::Start);
    // SAFETY: the caller holds the GIL of the main interpreter.
    let called = unsafe { install_observer(MAIN).call_function(c"create_only", &join_subjects(order)) };
    called.unwrap_or_else(|error| abort_probe(&error));
    true
}

/// The observer, shared with other threads than its own.
#[derive(Clone, Copy)]
struct SharedObserver<'a>(&'a Observer);

// SAFETY: only threads attached to its interpreter use its objects; a free-threaded build allows several
// threads to do so at a time, and with a GIL there is only one at a time.
unsafe impl Send for SharedObserver<'_> {}

impl SharedObserver<'_> {
    fn get(&self) -> &Observer {
        self.0
    }
}

/// Runs `work` on several threads that start at once. Returns whether it returned true on all of them. The
/// caller's thread is attached, is detached meanwhile, and is attached again afterwards.
fn run_on_threads(threads: usize, observer: &Observer, work: impl Fn(&Observer) -> bool + Sync) -> bool {
    let (start, work) = (Barrier::new(threads), &work);
    // SAFETY: the caller's thread state, detached while other threads run.
    let main = unsafe { python::PyEval_SaveThread() };
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                let (observer, start) = (SharedObserver(observer), &start);
                scope.spawn(move || {
                    install_signal_stack();
                    Observer::set_thread_interpreter_name(MAIN);
                    start.wait();
                    // SAFETY: a thread without a thread state gets one of the main interpreter, until
                    // released.
                    unsafe {
                        let ensured = python::PyGILState_Ensure();
                        let passed = work(observer.get());
                        python::PyGILState_Release(ensured);
                        passed
                    }
                })
            })
            .collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).all(|joined| joined.unwrap_or(false))
    });
    // SAFETY: the thread state detached above.
    unsafe { python::PyEval_RestoreThread(main) };
    passed
}
