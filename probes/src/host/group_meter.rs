//! Metrics of an application group.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::histogram::Histogram;

/// Counters and histograms of a group. Any thread may update them.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Time the server waited for a GIL of the group, each time it acquired one. Waits inside the application
    /// are not measured.
    pub(super) gil_wait: Histogram,
    /// Time from a request's arrival until a thread takes it.
    pub(super) queue: Histogram,
    /// Time from there until the application is done, including its waits for clients and GILs.
    pub(super) application: Histogram,
    /// Time from a request's arrival to the last byte of its response.
    pub(super) response: Histogram,
    /// Responses by status class; index 0 holds 1xx.
    pub(super) answers: [AtomicU64; 5],
    /// Requests refused because the queue was full or the group had stopped.
    pub(super) refused: AtomicU64,
    /// Requests whose response did not start within `--request-timeout`.
    pub(super) late: AtomicU64,
    /// Incomplete responses: the client disconnected, or the application failed.
    pub(super) broken: AtomicU64,
}

impl Meter {
    pub(super) fn record_response(&self, status: u16, took: Duration, is_whole: bool) {
        if let Some(count) = usize::from(status / 100).checked_sub(1).and_then(|at| self.answers.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if !is_whole {
            self.broken.fetch_add(1, Ordering::Relaxed);
        }
        self.response.record_duration(took);
    }
}

thread_local! {
    /// Metrics of the group that this thread works for.
    static METER: RefCell<Option<Arc<Meter>>> = const { RefCell::new(None) };
}

/// Assigns this thread to a group.
pub(super) fn set_thread_meter(meter: &Arc<Meter>) {
    METER.set(Some(Arc::clone(meter)));
}

/// Runs `take`, which acquires a GIL, and records how long it took.
pub(super) fn measure_gil_wait<R>(take: impl FnOnce() -> R) -> R {
    let began = Instant::now();
    let result = take();
    METER.with_borrow(|meter| {
        if let Some(meter) = meter {
            meter.gil_wait.record_duration(began.elapsed());
        }
    });
    result
}
