//! One of the times of requests: its histogram, minimum and maximum.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::{BUCKETS, Histogram, HistogramSnapshot};
use crate::lock::lock_ignoring_poison;

/// The times that are measured, in the order of the ids of their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// What the server needs itself: to receive a request before it waits for a thread, and to send the response.
    Server,
    /// Waiting for a thread.
    Queue,
    /// From there to the call of the application, in mod_wsgi's daemon processes. This server has no such time.
    Daemon,
    /// In the application.
    Application,
    /// From the arrival of the request to the last byte of its response.
    Request,
    /// Waiting for the GIL.
    GilWait,
    /// Receiving the request's body.
    InputRead,
    /// The application waiting for the client to take its response.
    OutputWrite,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::Queue,
        Self::Daemon,
        Self::Application,
        Self::Request,
        Self::GilWait,
        Self::InputRead,
        Self::OutputWrite,
    ];
}

/// Measures one time. Any thread may record.
#[derive(Debug)]
pub struct PhaseMeter {
    histogram: Histogram,
    /// In microseconds; the largest number if there is none yet.
    minimum: AtomicU64,
    /// In microseconds.
    maximum: AtomicU64,
    /// What the histogram held at the end of the last interval.
    before: Mutex<Option<HistogramSnapshot>>,
}

impl Default for PhaseMeter {
    fn default() -> Self {
        Self {
            histogram: Histogram::default(),
            minimum: AtomicU64::new(u64::MAX),
            maximum: AtomicU64::new(0),
            before: Mutex::new(None),
        }
    }
}

/// What was recorded in an interval. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseInterval {
    /// Number of times in each bucket.
    pub buckets: [u64; BUCKETS],
    /// Their sum.
    pub sum: f64,
    /// The shortest and the longest.
    pub extremes: Option<(f64, f64)>,
}

impl Default for PhaseInterval {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0.0, extremes: None }
    }
}

impl PhaseMeter {
    /// Records a time.
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX - 1);
        self.minimum.fetch_min(micros, Ordering::Relaxed);
        self.maximum.fetch_max(micros, Ordering::Relaxed);
        self.histogram.record_duration(took);
    }

    /// Returns what was recorded since the last call.
    pub fn end_interval(&self) -> PhaseInterval {
        let now = self.histogram.take_snapshot();
        let (minimum, maximum) =
            (self.minimum.swap(u64::MAX, Ordering::Relaxed), self.maximum.swap(0, Ordering::Relaxed));
        let before = lock_ignoring_poison(&self.before).replace(now.clone());
        let mut interval = PhaseInterval { buckets: now.buckets, sum: now.sum, extremes: None };
        if let Some(before) = before {
            for (count, earlier) in interval.buckets.iter_mut().zip(before.buckets) {
                *count = count.saturating_sub(earlier);
            }
            interval.sum -= before.sum;
        }
        if minimum <= maximum {
            interval.extremes = Some((minimum as f64 / 1e6, maximum as f64 / 1e6));
        }
        interval
    }
}

impl PhaseInterval {
    /// Number of all times.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their mean; 0 if there are none.
    pub fn mean(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.sum / count as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{PhaseInterval, PhaseMeter};

    #[test]
    fn an_interval_holds_what_was_recorded_in_it() {
        let meter = PhaseMeter::default();
        assert_eq!(meter.end_interval(), PhaseInterval::default());
        meter.record(Duration::from_millis(2));
        meter.record(Duration::from_millis(10));
        let first = meter.end_interval();
        assert_eq!((first.count(), first.extremes), (2, Some((0.002, 0.01))));
        assert!((first.mean() - 0.006).abs() < 1e-9);
        meter.record(Duration::ZERO);
        let second = meter.end_interval();
        assert_eq!((second.count(), second.extremes, second.buckets[0]), (1, Some((0.0, 0.0)), 1));
        assert_eq!(meter.end_interval().count(), 0);
    }
}
