//! What is measured of a group: how often, and how long.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::histogram::Histogram;

/// A group's counts. Any thread may add.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Each time that the server takes a GIL of the group: how long it waited. What waits inside the application is
    /// not seen.
    pub(super) gil_wait: Histogram,
    /// From a request's arrival to a thread that takes it.
    pub(super) queue: Histogram,
    /// From there to the end of the application's work, waiting for clients and GILs included.
    pub(super) application: Histogram,
    /// From a request's arrival to the last byte of its answer.
    pub(super) response: Histogram,
    /// Answers by the first digit of their status, less one.
    pub(super) answers: [AtomicU64; 5],
    /// Requests that found the queue full, or nobody to take them.
    pub(super) refused: AtomicU64,
    /// Requests whose answer did not begin in time.
    pub(super) late: AtomicU64,
    /// Answers that broke off: the client left, or the application failed.
    pub(super) broken: AtomicU64,
}

impl Meter {
    pub(super) fn answered(&self, status: u16, took: Duration, is_whole: bool) {
        if let Some(count) = usize::from(status / 100).checked_sub(1).and_then(|at| self.answers.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if !is_whole {
            self.broken.fetch_add(1, Ordering::Relaxed);
        }
        self.response.add(took);
    }
}

thread_local! {
    /// The meter of the group whose thread this is.
    static METER: RefCell<Option<Arc<Meter>>> = const { RefCell::new(None) };
}

/// This thread works for a group from now on.
pub(super) fn belongs_to(meter: &Arc<Meter>) {
    METER.set(Some(Arc::clone(meter)));
}

/// Times something that takes a GIL.
pub(super) fn gil_wait<R>(take: impl FnOnce() -> R) -> R {
    let began = Instant::now();
    let result = take();
    METER.with_borrow(|meter| {
        if let Some(meter) = meter {
            meter.gil_wait.add(began.elapsed());
        }
    });
    result
}
