//! Duration histograms, with mod_wsgi's buckets (`wsgi_record_time_in_buckets`): 16 octaves from 1 ms to
//! 65.536 s with four linear buckets each.
//!
//! Shorter durations go into the first bucket, longer ones into an overflow bucket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const OCTAVES: usize = 16;
const BUCKETS_PER_OCTAVE: usize = 4;

/// Number of buckets, including the overflow bucket.
pub const BUCKETS: usize = OCTAVES * BUCKETS_PER_OCTAVE + 1;

/// A concurrent histogram of durations: any thread may record one.
#[derive(Debug)]
pub struct Histogram {
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
pub struct HistogramSnapshot {
    /// Number of durations in each bucket.
    pub buckets: [u64; BUCKETS],
    /// Sum of all durations, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Counts a duration.
    pub fn record_duration(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_index(micros)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Returns the current content.
    pub fn take_snapshot(&self) -> HistogramSnapshot {
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
pub fn bucket_upper_bound(index: usize) -> f64 {
    let (octave, part) = (index / BUCKETS_PER_OCTAVE, index % BUCKETS_PER_OCTAVE);
    f64::from(1 << octave) * (1.0 + (part + 1) as f64 / BUCKETS_PER_OCTAVE as f64) / 1e3
}

impl HistogramSnapshot {
    /// Number of all durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the quantile in seconds for a share from 0 to 1, interpolated within its bucket.
    ///
    /// The first bucket starts at 0; for the overflow bucket the result is its lower bound. `None` if the
    /// histogram is empty.
    pub fn quantile(&self, share: f64) -> Option<f64> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BUCKETS, Histogram, HistogramSnapshot, bucket_index, bucket_upper_bound};

    fn snapshot(millis: &[u64]) -> HistogramSnapshot {
        let histogram = Histogram::default();
        millis.iter().for_each(|took| histogram.record_duration(Duration::from_millis(*took)));
        histogram.take_snapshot()
    }

    #[test]
    fn every_bucket_begins_where_the_one_before_it_ends() {
        assert_eq!(BUCKETS, 65);
        assert_eq!(bucket_index(0), 0);
        assert_eq!(bucket_index(999), 0);
        for index in 0..BUCKETS - 1 {
            let end = (bucket_upper_bound(index) * 1e6).round() as u64;
            assert_eq!((bucket_index(end - 1), bucket_index(end)), (index, index + 1), "{index}");
        }
        assert_eq!(bucket_index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn bounds_are_those_of_mod_wsgi() {
        let bounds = [0, 3, 4, 7, 63].map(bucket_upper_bound);
        assert_eq!(bounds, [0.00125, 0.002, 0.0025, 0.004, 65.536]);
    }

    #[test]
    fn durations_are_counted_and_summed() {
        let counted = snapshot(&[0, 1, 3, 3, 100_000]);
        assert_eq!((counted.count(), counted.sum), (5, 100.007));
        let filled: Vec<_> = (0..BUCKETS).filter(|index| counted.buckets[*index] > 0).collect();
        assert_eq!(filled, [0, 6, 64]);
        assert_eq!((counted.buckets[0], counted.buckets[6]), (2, 2));
    }

    /// A quantile in nanoseconds: sums of decimal fractions are not exact.
    fn quantile(millis: &[u64], share: f64) -> Option<u64> {
        snapshot(millis).quantile(share).map(|seconds| (seconds * 1e9).round() as u64)
    }

    #[test]
    fn a_quantile_is_interpolated_within_its_bucket() {
        assert_eq!(quantile(&[], 0.5), None);
        // Four durations in the bucket from 2 ms to 2.5 ms.
        assert_eq!(quantile(&[2, 2, 2, 2], 0.25), Some(2_125_000));
        assert_eq!(quantile(&[2, 2, 2, 2], 0.5), Some(2_250_000));
        assert_eq!(quantile(&[2, 2, 2, 2], 1.0), Some(2_500_000));
    }

    #[test]
    fn a_quantile_passes_over_the_buckets_before_it() {
        assert_eq!(quantile(&[2, 8], 0.5), Some(2_500_000));
        assert_eq!(quantile(&[2, 8], 0.75), Some(9_000_000));
        assert_eq!(quantile(&[2, 2, 2, 8, 20], 1.0), Some(20_000_000 + 4_000_000));
    }

    #[test]
    fn the_first_bucket_begins_at_zero_and_the_last_has_no_end() {
        assert_eq!(quantile(&[0], 0.5), Some(625_000));
        assert_eq!(quantile(&[0], 1.0), Some(1_250_000));
        assert_eq!(quantile(&[90_000], 0.5), Some(65_536_000_000));
    }
}
