//! Metrics of an application group.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::Histogram;

/// Counters and histograms of a group. Any thread may update them.
#[derive(Debug, Default)]
pub struct Meter {
    /// Time the server waited for a GIL of the group, each time it acquired one. Waits inside the application
    /// are not measured.
    pub gil_wait: Histogram,
    /// Time from when a request has arrived until a thread takes it.
    pub queue: Histogram,
    /// Time from there until the application is done, including its waits for clients and GILs.
    pub application: Histogram,
    /// Time from a request's arrival to the last byte of its response.
    pub response: Histogram,
    /// Responses by status class; index 0 holds 1xx.
    pub answers: [AtomicU64; 5],
    /// Requests refused because the queue was full or the group had stopped.
    pub refused: AtomicU64,
    /// Requests whose response did not start within `--request-timeout`.
    pub late: AtomicU64,
    /// Threads that still run a request that is late. Below 0 for a moment if a thread ends such a request before it is
    /// counted.
    pub stuck: AtomicI64,
    /// Incomplete responses: the client disconnected, or the application failed.
    pub broken: AtomicU64,
}

impl Meter {
    /// Counts a response that has ended; `is_whole` says whether it was sent completely.
    pub fn record_response(&self, status: u16, took: Duration, is_whole: bool) {
        if let Some(count) = usize::from(status / 100).checked_sub(1).and_then(|at| self.answers.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if !is_whole {
            self.broken.fetch_add(1, Ordering::Relaxed);
        }
        self.response.record_duration(took);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::Meter;

    #[test]
    fn a_response_is_counted_by_its_class() {
        let meter = Meter::default();
        for (status, is_whole) in
            [(100, true), (200, true), (299, false), (503, true), (600, true), (99, true)]
        {
            meter.record_response(status, Duration::from_secs(1), is_whole);
        }
        let answers = meter.answers.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!(answers, [1, 2, 0, 0, 1]);
        assert_eq!(meter.broken.load(Ordering::Relaxed), 1);
        let response = meter.response.take_snapshot();
        assert_eq!((response.count(), response.sum), (6, 6.0));
    }
}
