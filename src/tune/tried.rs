//! A configuration with its measurements. Pure functions.

use super::configuration::ServerConfiguration;
use super::goal::Goal;
use super::latencies::Latencies;
use super::measurement::Measurement;
use super::rank_test::median;
use super::server_metrics::ServerMetrics;

/// A configuration that was tried, with its measurements.
#[derive(Clone, Debug)]
pub(super) struct TriedConfiguration {
    pub(super) configuration: ServerConfiguration,
    /// The short first round, in which all were tried.
    pub(super) first: Option<Measurement>,
    /// The rounds, without the first.
    pub(super) rounds: Vec<Measurement>,
    /// Number of failed requests.
    pub(super) failures: u64,
    /// What became of it.
    pub(super) fate: Fate,
}

/// What became of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was compared to the end.
    Compared,
    /// It cannot be the best any more: why.
    Dropped(String),
    /// It must not be recommended: why.
    Failed(String),
}

impl TriedConfiguration {
    /// One without measurements.
    pub(super) fn new(configuration: ServerConfiguration) -> Self {
        Self { configuration, first: None, rounds: Vec::new(), failures: 0, fate: Fate::Compared }
    }

    /// The score in the first round.
    pub(super) fn first_score(&self, goal: Goal) -> Option<f64> {
        goal.score(self.first.as_ref()?)
    }

    /// The scores of the rounds.
    pub(super) fn scores(&self, goal: Goal) -> Vec<f64> {
        self.rounds.iter().filter_map(|measured| goal.score(measured)).collect()
    }

    /// The median of the scores of the rounds.
    pub(super) fn median_score(&self, goal: Goal) -> Option<f64> {
        median(&self.scores(goal))
    }

    /// Response times of all open loads of the rounds, or else of the first round.
    pub(super) fn all_latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        let opens = self.measurements().filter_map(|measured| measured.open.as_ref());
        opens.for_each(|open| all.add(&open.latencies));
        all
    }

    /// What the metrics of the server say about all rounds, or else about the first round; and how many seconds that was.
    pub(super) fn all_metrics(&self) -> (ServerMetrics, f64) {
        let (mut all, mut seconds) = (ServerMetrics::default(), 0.0);
        for measured in self.measurements() {
            all.add_span(&measured.metrics);
            seconds += measured.seconds;
        }
        (all, seconds)
    }

    /// The measurements that its figures come from: the rounds or, without any, the first round.
    pub(super) fn measurements(&self) -> impl Iterator<Item = &Measurement> {
        let first = self.first.iter().filter(|_| self.rounds.is_empty());
        self.rounds.iter().chain(first)
    }

    /// The median of requests per second: carried at most, or answered at the given rate.
    pub(super) fn throughput(&self) -> Option<f64> {
        median(&self.measurements().filter_map(Measurement::throughput).collect::<Vec<_>>())
    }

    /// Says what the first round has shown.
    pub(super) fn describe_first(&self, goal: Goal) -> String {
        let configuration = self.configuration;
        match (&self.fate, self.first_score(goal)) {
            (Fate::Failed(why) | Fate::Dropped(why), _) => format!("{configuration}: {why}"),
            (Fate::Compared, None) => format!("{configuration}: nothing was measured"),
            (Fate::Compared, Some(score)) if goal.finds_capacity() => {
                format!("{configuration}: {score:.1} requests/s")
            }
            (Fate::Compared, Some(score)) => {
                format!("{configuration}: p{} {:.1} ms", goal.share() * 100.0, -score * 1e3)
            }
        }
    }
}
