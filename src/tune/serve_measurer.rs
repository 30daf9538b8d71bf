//! Measures a configuration once: starts its server, warms it up, and loads it.

use std::rc::Rc;
use std::time::Duration;

use super::configuration::ServerConfiguration;
use super::load::{LoadKind, generate_load};
use super::load_outcome::LoadOutcome;
use super::load_request::LoadRequest;
use super::measurement::{MeasureError, Measurement, MeasurementPlan, Measurer};
use super::server_process::{ServerLaunch, ServerProcess};
use crate::platform::TemporaryFolder;

/// Measures with `wsgiaudit serve`.
pub(super) struct ServeMeasurer<'a> {
    /// How servers are started.
    pub(super) launch: ServerLaunch,
    /// The requests.
    pub(super) requests: Rc<[LoadRequest]>,
    /// The folder for the servers' files.
    pub(super) folder: TemporaryFolder,
    /// Whether the user has stopped it.
    pub(super) is_stopped: &'a dyn Fn() -> bool,
}

impl Measurer for ServeMeasurer<'_> {
    fn measure(
        &mut self,
        configuration: &ServerConfiguration,
        plan: &MeasurementPlan,
    ) -> Result<Measurement, MeasureError> {
        let measured = self.measure_server(configuration, plan);
        // A stop kills the server: what fails then is no fault of the configuration.
        measured.map_err(|error| if (self.is_stopped)() { MeasureError::Interrupted } else { error })
    }
}

impl ServeMeasurer<'_> {
    fn measure_server(
        &self,
        configuration: &ServerConfiguration,
        plan: &MeasurementPlan,
    ) -> Result<Measurement, MeasureError> {
        let server = ServerProcess::start(&self.launch, configuration, self.folder.path(), self.is_stopped)?;
        let mut measured = Measurement::default();
        // More requests than threads: a thread that has ended one finds the next.
        let closed = LoadKind::Closed { open: 2 * configuration.all_threads() + 2 };
        let warm_up = (plan.duration / 4).clamp(Duration::from_millis(200), Duration::from_secs(3));
        self.load(&server, closed, warm_up, &mut measured)?;
        let mut before = server.read_metrics()?;
        if plan.finds_capacity {
            let outcome = self.load(&server, closed, plan.duration, &mut measured)?;
            measured.capacity = Some(outcome.throughput());
            let after = server.read_metrics()?;
            measured.metrics = after.since(&before);
            measured.seconds = plan.duration.as_secs_f64();
            before = after;
        }
        if let Some(rate) = plan.rate {
            let open = LoadKind::Open { rate, seed: plan.seed };
            let outcome = self.load(&server, open, plan.duration, &mut measured)?;
            measured.metrics = server.read_metrics()?.since(&before);
            measured.seconds = plan.duration.as_secs_f64();
            measured.open = Some(outcome);
        }
        server.stop();
        Ok(measured)
    }

    /// Loads a server, and adds what failed to the measurement.
    fn load(
        &self,
        server: &ServerProcess,
        kind: LoadKind,
        duration: Duration,
        measured: &mut Measurement,
    ) -> Result<LoadOutcome, MeasureError> {
        let outcome = generate_load(server.connector(), &self.requests, kind, duration, self.is_stopped)
            .map_err(|error| anyhow::Error::from(error).context("cannot generate load"))?;
        let outcome = outcome.ok_or(MeasureError::Interrupted)?;
        measured.failures += outcome.failures;
        let first = |own: &mut Option<String>, other: &Option<String>| {
            *own = own.take().or_else(|| other.clone());
        };
        first(&mut measured.failure, &outcome.failure);
        first(&mut measured.client_error, &outcome.client_error);
        measured.generator_cpu = measured.generator_cpu.max(outcome.generator_cpu);
        Ok(outcome)
    }
}
