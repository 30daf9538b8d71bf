//! Response times, in a histogram with three significant digits.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is told apart: an hour, in microseconds.
const LONGEST: u64 = 3_600_000_000;

/// Response times in microseconds. There is a histogram from the first of them on.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Option<Histogram<u64>>);

impl Latencies {
    /// Counts one. Longer times than an hour count as an hour.
    pub(super) fn record(&mut self, time: Duration) {
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, LONGEST, 3).ok();
        }
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(micros.max(1));
        }
    }

    /// Adds all of another one.
    pub(super) fn add(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            // They have the same bounds, which is all that could be wrong.
            (Some(own), Some(other)) => drop(own.add(other)),
            (own @ None, Some(other)) => *own = Some(other.clone()),
            (_, None) => {}
        }
    }

    /// The number of times.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The quantile for a share from 0 to 1, in seconds; `None` if there are no times.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        self.0.as_ref().map(|histogram| histogram.value_at_quantile(share) as f64 / 1e6)
    }

    /// The mean in seconds; `None` if there are no times.
    pub(super) fn mean(&self) -> Option<f64> {
        self.0.as_ref().map(|histogram| histogram.mean() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_seconds() {
        let mut all = Latencies::default();
        assert_eq!((all.count(), all.quantile(0.5), all.mean()), (0, None, None));
        for millis in 1..=100 {
            all.record(Duration::from_millis(millis));
        }
        let near = |share: f64, expected: f64| {
            let found = all.quantile(share).unwrap();
            assert!((found - expected).abs() < 0.001 * expected + 1e-6, "{share}: {found}");
        };
        near(0.5, 0.050);
        near(0.95, 0.095);
        near(0.99, 0.099);
        assert!((all.mean().unwrap() - 0.0505).abs() < 1e-4);
        all.add(&all.clone());
        assert_eq!(all.count(), 200);
        all.record(Duration::from_secs(100_000));
        assert!((all.quantile(1.0).unwrap() - 3600.0).abs() < 4.0);
    }
}
