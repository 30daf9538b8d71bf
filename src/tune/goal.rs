//! What makes a configuration better. Pure functions.

use super::latencies::Latencies;
use super::measurement::Measurement;
use crate::cli::ResponseTarget;

/// What makes a configuration better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Goal {
    /// The rate in requests per second, if it is given: a better configuration answers sooner. Without one, a better one
    /// carries more.
    pub(super) rate: Option<f64>,
    /// The response time to keep.
    pub(super) target: Option<ResponseTarget>,
}

impl Goal {
    /// Whether the goal is to carry as much as possible.
    pub(super) fn finds_capacity(&self) -> bool {
        self.rate.is_none()
    }

    /// The quantile of response times that is compared.
    pub(super) fn share(&self) -> f64 {
        self.target.map_or(0.95, |target| target.share)
    }

    /// How good a measurement is: requests per second, or the response time as a negative number of seconds. A higher score
    /// is better.
    pub(super) fn score(&self, measured: &Measurement) -> Option<f64> {
        match self.finds_capacity() {
            true => measured.capacity,
            false => self.response_time(measured).map(|seconds| -seconds),
        }
    }

    /// The response time that is compared, in seconds.
    pub(super) fn response_time(&self, measured: &Measurement) -> Option<f64> {
        measured.open.as_ref().and_then(|open| self.quantile(&open.latencies))
    }

    /// The quantile of response times that is compared, in seconds.
    pub(super) fn quantile(&self, latencies: &Latencies) -> Option<f64> {
        latencies.quantile(self.share())
    }

    /// Whether response times of rounds keep the target: all of them but one of five.
    pub(super) fn is_target_kept(&self, rounds: &[Measurement]) -> bool {
        let Some(target) = self.target else { return true };
        let kept = rounds
            .iter()
            .filter(|measured| self.response_time(measured).is_some_and(|time| time <= target.seconds));
        !rounds.is_empty() && kept.count() >= rounds.len() - rounds.len() / 5
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tune::load_outcome::LoadOutcome;

    fn measured(capacity: f64, millis: u64) -> Measurement {
        let mut open = LoadOutcome::default();
        (0..100).for_each(|_| open.latencies.record(Duration::from_millis(millis)));
        Measurement { capacity: Some(capacity), open: Some(open), ..Measurement::default() }
    }

    #[test]
    fn without_a_rate_more_requests_are_better_and_with_one_shorter_times() {
        let (open, fixed) = (Goal { rate: None, target: None }, Goal { rate: Some(10.0), target: None });
        assert_eq!(open.score(&measured(100.0, 5)), Some(100.0));
        let score = |millis| fixed.score(&measured(100.0, millis)).unwrap();
        assert!(score(5) > score(6));
        assert_eq!(fixed.score(&Measurement::default()), None);
    }

    #[test]
    fn a_target_is_kept_in_all_rounds_but_one_of_five() {
        let target = Some(ResponseTarget { share: 0.99, seconds: 0.010 });
        let goal = Goal { rate: None, target };
        let rounds = |slow: usize, count: usize| -> Vec<Measurement> {
            (0..count).map(|round| measured(1.0, if round < slow { 20 } else { 5 })).collect()
        };
        for (slow, count, kept) in [(0, 1, true), (1, 4, false), (1, 5, true), (2, 5, false), (0, 0, false)] {
            assert_eq!(goal.is_target_kept(&rounds(slow, count)), kept, "{slow} of {count}");
        }
        assert!(Goal { rate: None, target: None }.is_target_kept(&rounds(3, 3)));
    }
}
