//! Several threads in the main interpreter, at the same time, as a server has them: what only one GIL kept apart
//! meets here on a free-threaded build. They are native threads, which Python has not made.

use std::sync::Barrier;

use super::child::give_up;
use super::crash::spare_stack;
use super::observe::Observer;
use super::steps::{import, install, step};
use crate::protocol::{Order, Step};
use crate::python;

/// More than the processors of a small machine, few enough for each to get somewhere.
const THREADS: usize = 4;

/// All threads import the subject at once, then all use it. Whether every import passed.
pub(super) fn run(order: &Order) -> bool {
    step("main", Step::Start);
    // SAFETY: the caller holds the GIL of the main interpreter.
    let observer = unsafe { install("main") };
    step("main", Step::Import);
    if !on_threads(&observer, |observer| {
        // SAFETY: `on_threads` has attached this thread to the main interpreter.
        unsafe { import("main", observer, order) }
    }) {
        return false;
    }
    step("main", Step::Storm);
    on_threads(&observer, |observer| {
        // SAFETY: as above.
        unsafe { observer.call(c"storm", &order.subject) }.unwrap_or_else(|error| give_up(&error));
        true
    })
}

/// Creates the subject's module from its shared object alone.
pub(super) fn create_only(order: &Order) -> bool {
    step("main", Step::Start);
    // SAFETY: the caller holds the GIL of the main interpreter.
    let called = unsafe { install("main").call(c"create_only", &order.subject) };
    called.unwrap_or_else(|error| give_up(&error));
    true
}

/// The observer for other threads than its own.
#[derive(Clone, Copy)]
struct Shared<'a>(&'a Observer);

// SAFETY: its objects are used by threads attached to their interpreter only; a free-threaded build lets several
// threads use a dictionary and call a function at a time, and with a GIL there is one at a time.
unsafe impl Send for Shared<'_> {}

impl Shared<'_> {
    fn get(&self) -> &Observer {
        self.0
    }
}

/// Does the same on every thread, all beginning at once; whether it came out true on all of them. The caller's
/// thread is attached, detached meanwhile, and attached again.
fn on_threads(observer: &Observer, work: impl Fn(&Observer) -> bool + Sync) -> bool {
    let (start, work) = (Barrier::new(THREADS), &work);
    // SAFETY: the caller's thread state, left while other threads run.
    let main = unsafe { python::PyEval_SaveThread() };
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (observer, start) = (Shared(observer), &start);
                scope.spawn(move || {
                    spare_stack();
                    Observer::names_this_thread("main");
                    start.wait();
                    // SAFETY: a thread without a thread state gets one of the main interpreter, for this long.
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
    // SAFETY: the thread state left above.
    unsafe { python::PyEval_RestoreThread(main) };
    passed
}
