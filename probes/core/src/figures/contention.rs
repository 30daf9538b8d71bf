//! The shape of waits for a GIL: whether a thread that misses its turn gets the next one.
//!
//! A thread that waits asks for the GIL again after each switch interval. If each turn is missed with the same
//! probability, waits of one, two and three intervals are a geometric series; what it falls by is fitted here. mod_wsgi's
//! reader calls 1 - that ratio q, and names its ranges.

use crate::histogram::{BUCKETS, bucket_upper_bound};

/// Waits that are needed for a fit.
const MIN_WAITS: u64 = 100;

/// How waits go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitShape {
    /// A missed turn is rarely followed by another: q is at least 0.7.
    Transient,
    /// It often is: q is at least 0.4.
    Compounding,
    /// It mostly is: threads queue up.
    Convoy,
}

impl WaitShape {
    /// The name that mod_wsgi's reader gives it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Compounding => "compounding",
            Self::Convoy => "convoy",
        }
    }
}

/// Fits the shape of waits. `None` if there are too few that took an interval or more, or they do not fall.
pub(super) fn fit_wait_shape(buckets: &[u64; BUCKETS], switch_interval: f64) -> Option<(f64, WaitShape)> {
    let mut bands = [0_u64; 3];
    for (index, count) in buckets.iter().enumerate().take(BUCKETS - 1) {
        let begin = if index == 0 { 0.0 } else { bucket_upper_bound(index - 1) };
        let middle = (begin + bucket_upper_bound(index)) / 2.0;
        // Waits of one interval end a little before or after it: from 0.8 to 1.8 of it.
        let turns = (middle / switch_interval + 0.2).floor();
        if (1.0..4.0).contains(&turns)
            && let Some(band) = bands.get_mut(turns as usize - 1)
        {
            *band = band.saturating_add(*count);
        }
    }
    let [one, two, three] = bands;
    if one.saturating_add(two).saturating_add(three) < MIN_WAITS {
        return None;
    }
    let ratio = two.saturating_add(three) as f64 / one.saturating_add(two) as f64;
    let q = 1.0 - ratio;
    (0.0..1.0).contains(&ratio).then(|| (q, classify(q)))
}

fn classify(q: f64) -> WaitShape {
    match q {
        _ if q >= 0.7 => WaitShape::Transient,
        _ if q >= 0.4 => WaitShape::Compounding,
        _ => WaitShape::Convoy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits of one, two and three intervals of 5 ms.
    fn waits(one: u64, two: u64, three: u64) -> Option<(f64, WaitShape)> {
        let mut buckets = [0; BUCKETS];
        // 5 to 6 ms, 10 to 12 ms and 14 to 16 ms.
        for (bucket, count) in [(9, one), (13, two), (15, three)] {
            buckets[bucket] = count;
        }
        buckets[0] = 1_000_000;
        fit_wait_shape(&buckets, 0.005)
    }

    #[test]
    fn a_geometric_series_is_fitted() {
        let (q, shape) = waits(8000, 1600, 320).unwrap();
        assert!((q - 0.8).abs() < 1e-9 && shape == WaitShape::Transient);
        let (q, shape) = waits(4000, 2000, 1000).unwrap();
        assert!((q - 0.5).abs() < 1e-9 && shape == WaitShape::Compounding);
        let (q, shape) = waits(1000, 900, 810).unwrap();
        assert!((q - 0.1).abs() < 1e-9 && shape == WaitShape::Convoy);
    }

    #[test]
    fn without_evidence_there_is_no_shape() {
        assert_eq!(waits(90, 9, 0), None);
        assert_eq!(waits(0, 0, 0), None);
        assert_eq!(waits(100, 100, 200), None);
        assert_eq!(waits(0, 0, 200), None);
        assert_eq!(fit_wait_shape(&[u64::MAX; BUCKETS], 0.005), None);
    }

    #[test]
    fn shapes_have_the_names_and_limits_of_mod_wsgis_reader() {
        let names = [0.7, 0.69, 0.4, 0.39].map(|q| classify(q).name());
        assert_eq!(names, ["transient", "compounding", "compounding", "convoy"]);
    }
}
