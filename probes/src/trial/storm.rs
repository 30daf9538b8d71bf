//! Several threads at the same time, as a server has them: native threads, which Python has not made. In the main
//! interpreter what only one GIL kept apart meets on a free-threaded build; and in interpreters of their own what
//! their C code shares.

use std::sync::{Arc, Barrier};

use super::child::give_up;
use super::crash::spare_stack;
use super::observe::Observer;
use super::steps::{bring, install, names, step};
use crate::interpreter::{self, Interpreter};
use crate::protocol::{Order, Step};
use crate::python;

/// All threads import the subject at once, then all use it. Whether every import passed.
pub(super) fn run(order: &Order) -> bool {
    step("main", Step::Start);
    // SAFETY: the caller holds the GIL of the main interpreter.
    let observer = unsafe { install("main") };
    step("main", Step::Import);
    if !on_threads(order.threads, &observer, |observer| {
        // SAFETY: `on_threads` has attached this thread to the main interpreter.
        unsafe { bring(observer, order) }
    }) {
        return false;
    }
    step("main", Step::Storm);
    on_threads(order.threads, &observer, |observer| {
        (0..order.rounds).all(|_| {
            // SAFETY: as above.
            unsafe { observer.call(c"storm", &names(order)) }.unwrap_or_else(|error| give_up(&error))
        })
    })
}

/// Each thread makes an interpreter with its own GIL, imports and uses the subject there, and ends it, over and over: all
/// of them end at once. Whether that went well every time. The caller holds the main interpreter's GIL and gets it back.
pub(super) fn of_interpreters(order: &Order) -> bool {
    step("storm", Step::Storm);
    let (order, all) = (Arc::new(order.clone()), Barrier::new(order.threads));
    // SAFETY: the caller's thread state is left for as long as other threads run interpreters.
    let main = unsafe { python::PyEval_SaveThread() };
    let passed = std::thread::scope(|scope| {
        let life = || {
            all.wait();
            // A thread that has failed comes to the barrier all the same: the others wait there.
            (0..order.rounds).fold(true, |is_well, _| is_well & live(&order, &all))
        };
        let threads: Vec<_> = (0..order.threads).map(|_| scope.spawn(life)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).all(|joined| joined.unwrap_or(false))
    });
    // SAFETY: the thread state left above.
    unsafe { python::PyEval_RestoreThread(main) };
    passed
}

/// One interpreter, from its beginning to its end, which waits for the others; whether all went well.
fn live(order: &Arc<Order>, all: &Barrier) -> bool {
    let interpreter = Interpreter::start(interpreter::OWN_GIL)
        .unwrap_or_else(|error| give_up(&format!("an interpreter of the storm: {error}")));
    let order = Arc::clone(order);
    let used = interpreter.run(move || {
        // SAFETY: a job runs with its interpreter's GIL held; the observer is dropped there too.
        unsafe {
            let observer = install("storm");
            let call =
                |function, name: &str| observer.call(function, name).unwrap_or_else(|error| give_up(&error));
            order.after.iter().chain(&order.subjects).all(|subject| call(c"bring", subject))
                && call(c"touch", &names(&order))
                && !call(c"leaves_threads", "")
        }
    });
    all.wait();
    used.and_then(|used| if used { interpreter.end().map(|()| true) } else { Ok(false) })
        .unwrap_or_else(|error| give_up(&error))
}

/// Creates the subject's module from its shared object alone.
pub(super) fn create_only(order: &Order) -> bool {
    step("main", Step::Start);
    // SAFETY: the caller holds the GIL of the main interpreter.
    let called = unsafe { install("main").call(c"create_only", &names(order)) };
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
fn on_threads(threads: usize, observer: &Observer, work: impl Fn(&Observer) -> bool + Sync) -> bool {
    let (start, work) = (Barrier::new(threads), &work);
    // SAFETY: the caller's thread state, left while other threads run.
    let main = unsafe { python::PyEval_SaveThread() };
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
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
