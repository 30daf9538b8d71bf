//! How long things took, counted in buckets as mod_wsgi counts them (`wsgi_record_time_in_buckets`): 16 octaves from
//! 1 ms to 65.536 s, four linear buckets each, what is shorter in the first, and one for what is longer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const OCTAVES: usize = 16;
const PARTS: usize = 4;

/// Buckets, the last for what goes beyond.
pub(super) const BUCKETS: usize = OCTAVES * PARTS + 1;

/// Counts by duration. Any thread may add.
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

/// A histogram at one moment.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) buckets: [u64; BUCKETS],
    /// All durations together, in seconds.
    pub(super) sum: f64,
}

impl Histogram {
    pub(super) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counted {
        Counted {
            buckets: std::array::from_fn(|index| self.buckets[index].load(Ordering::Relaxed)),
            sum: self.micros.load(Ordering::Relaxed) as f64 / 1e6,
        }
    }
}

/// The bucket of a duration in microseconds. A bound belongs to the bucket above it.
fn bucket(micros: u64) -> usize {
    let thousands = micros / 1000;
    if thousands == 0 {
        return 0;
    }
    let octave = thousands.ilog2() as usize;
    if octave >= OCTAVES {
        return BUCKETS - 1;
    }
    let above = micros - (1000 << octave);
    octave * PARTS + (above * PARTS as u64 / (1000 << octave)) as usize
}

/// Where a bucket ends, in seconds; of the last one there is no end.
pub(super) fn end(index: usize) -> f64 {
    let (octave, part) = (index / PARTS, index % PARTS);
    f64::from(1 << octave) * (1.0 + (part + 1) as f64 / PARTS as f64) / 1e3
}

impl Counted {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The duration, in seconds, that this share of all stays below: interpolated within its bucket. The first
    /// bucket begins at 0; of the last, its begin is given. `None` where nothing was counted.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count() as f64;
        let mut before = 0.0;
        for (index, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if before + count >= wanted {
                let begin = if index == 0 { 0.0 } else { end(index - 1) };
                let width = if index == BUCKETS - 1 { 0.0 } else { end(index) - begin };
                return Some(begin + width * (wanted - before) / count);
            }
            before += count;
        }
        None
    }
}
