//! A measurement of a configuration: what to measure, and what was measured.

use std::time::Duration;

use super::configuration::ServerConfiguration;
use super::load_outcome::LoadOutcome;
use super::server_metrics::ServerMetrics;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MeasurementPlan {
    /// How long each load lasts.
    pub(super) duration: Duration,
    /// Whether to find how many requests are answered at most.
    pub(super) finds_capacity: bool,
    /// The rate of an open load in requests per second; `None` for none.
    pub(super) rate: Option<f64>,
    /// The seed of its times.
    pub(super) seed: u64,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Measurement {
    /// Good answers per second under a closed load.
    pub(super) capacity: Option<f64>,
    /// The open load.
    pub(super) open: Option<LoadOutcome>,
    /// What the metrics say about the open load or, without one, about the closed load.
    pub(super) metrics: ServerMetrics,
    /// How long that was, in seconds.
    pub(super) seconds: f64,
    /// Number of failed requests of all loads.
    pub(super) failures: u64,
    /// The first of the failed requests.
    pub(super) failure: Option<String>,
    /// The first request with a status from 400 to 499.
    pub(super) client_error: Option<String>,
    /// The share of a core that the generator took, the largest of all loads.
    pub(super) generator_cpu: f64,
}

impl Measurement {
    /// Requests per second: carried at most, or answered at the given rate.
    pub(super) fn throughput(&self) -> Option<f64> {
        self.capacity.or_else(|| Some(self.open.as_ref()?.throughput()))
    }
}

/// Why there is no measurement.
#[derive(Debug)]
pub(super) enum MeasureError {
    /// The user has stopped it.
    Interrupted,
    /// The server does not run with this configuration: its last words.
    NotServed(String),
    /// Something else failed.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for MeasureError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Measures configurations.
pub(super) trait Measurer {
    /// Measures a configuration.
    ///
    /// # Errors
    /// If its server does not run, or the measurement is stopped.
    fn measure(
        &mut self,
        configuration: &ServerConfiguration,
        plan: &MeasurementPlan,
    ) -> Result<Measurement, MeasureError>;
}
