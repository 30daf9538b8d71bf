//! Releasing the GIL around something that may block, and measuring how long a thread waits to get it again.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use wsgiaudit_probes_core::group_meter::Meter;
use wsgiaudit_probes_core::telemetry::request_trace::RequestTrace;

use crate::python;

thread_local! {
    /// Metrics of the group that this thread works for.
    static METER: RefCell<Option<Arc<Meter>>> = const { RefCell::new(None) };

    /// The request that this thread is at, if telemetry is sent.
    static TRACE: RefCell<Option<Arc<RequestTrace>>> = const { RefCell::new(None) };
}

/// Assigns this thread to a group.
pub(super) fn set_thread_meter(meter: &Arc<Meter>) {
    METER.set(Some(Arc::clone(meter)));
}

/// Sets the request whose waits are measured.
pub(super) fn set_thread_trace(trace: Option<&Arc<RequestTrace>>) {
    TRACE.set(trace.map(Arc::clone));
}

/// Runs `take`, which acquires a GIL, and records how long it took.
pub(super) fn measure_gil_wait<R>(take: impl FnOnce() -> R) -> R {
    let began = Instant::now();
    let result = take();
    let took = began.elapsed();
    METER.with_borrow(|meter| {
        if let Some(meter) = meter {
            meter.gil_wait.record_duration(took);
        }
    });
    TRACE.with_borrow(|trace| {
        if let Some(trace) = trace {
            trace.add_gil_wait(took);
        }
    });
    result
}

/// Runs something that may block, without the GIL.
///
/// # Safety
/// The thread is attached.
pub(super) unsafe fn run_detached<R>(wait: impl FnOnce() -> R) -> R {
    // SAFETY: the same thread state is reattached.
    unsafe {
        let state = python::PyEval_SaveThread();
        let result = wait();
        measure_gil_wait(|| python::PyEval_RestoreThread(state));
        result
    }
}
