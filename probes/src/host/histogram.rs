//! Duration histograms, with mod_wsgi's buckets (`wsgi_record_time_in_buckets`): 16 octaves from 1 ms to
//! 65.536 s with four linear buckets each.
//!
//! Shorter durations go into the first bucket, longer ones into an overflow bucket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const OCTAVES: usize = 16;
const BUCKETS_PER_OCTAVE: usize = 4;

/// Number of buckets, including the overflow bucket.
pub(super) const BUCKETS: usize = OCTAVES * BUCKETS_PER_OCTAVE + 1;

/// A concurrent histogram of durations: any thread may record one.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), micros: AtomicU64::new(0) }
    }
}

/// The content of a histogram at one moment.
#[derive(Clone, Debug)]
pub(super) struct HistogramSnapshot {
    pub(super) buckets: [u64; BUCKETS],
    /// Sum of all durations, in seconds.
    pub(super) sum: f64,
}

impl Histogram {
    pub(super) fn record_duration(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_index(micros)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn take_snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: std::array::from_fn(|index| self.buckets[index].load(Ordering::Relaxed)),
            sum: self.micros.load(Ordering::Relaxed) as f64 / 1e6,
        }
    }
}

/// Returns the bucket of a duration in microseconds. Lower bounds are inclusive.
fn bucket_index(micros: u64) -> usize {
    let thousands = micros / 1000;
    if thousands == 0 {
        return 0;
    }
    let octave = thousands.ilog2() as usize;
    if octave >= OCTAVES {
        return BUCKETS - 1;
    }
    let above = micros - (1000 << octave);
    octave * BUCKETS_PER_OCTAVE + (above * BUCKETS_PER_OCTAVE as u64 / (1000 << octave)) as usize
}

/// Returns the upper bound of a bucket in seconds. Not defined for the overflow bucket.
pub(super) fn bucket_upper_bound(index: usize) -> f64 {
    let (octave, part) = (index / BUCKETS_PER_OCTAVE, index % BUCKETS_PER_OCTAVE);
    f64::from(1 << octave) * (1.0 + (part + 1) as f64 / BUCKETS_PER_OCTAVE as f64) / 1e3
}

impl HistogramSnapshot {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the quantile in seconds for a share from 0 to 1, interpolated within its bucket.
    ///
    /// The first bucket starts at 0; for the overflow bucket the result is its lower bound. `None` if the
    /// histogram is empty.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count() as f64;
        let mut before = 0.0;
        for (index, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if before + count >= wanted {
                let begin = if index == 0 { 0.0 } else { bucket_upper_bound(index - 1) };
                let width = if index == BUCKETS - 1 { 0.0 } else { bucket_upper_bound(index) - begin };
                return Some(begin + width * (wanted - before) / count);
            }
            before += count;
        }
        None
    }
}
