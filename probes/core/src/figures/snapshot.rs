//! What is shown: the figures of the last seconds, as plain data. Its JSON form is what `--once --format json` prints.

use crate::telemetry::phase_meter::Phase;
use serde::Serialize;

use super::diagnosis::{Finding, diagnose};
use super::fleet::{Fleet, LifecycleEvent, Process, ProcessState, SlowRequest};
use super::sample::{PhaseSample, Sample};

/// Version of the JSON form. Fields are only added.
const SCHEMA: u32 = 1;

/// Everything that is shown. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    schema: u32,
    /// Datagrams that arrived.
    pub received: u64,
    /// Those of them that could not be read.
    pub damaged: u64,
    /// Why the last one could not.
    pub last_error: Option<String>,
    /// Datagrams that were sent and did not arrive.
    pub missing: u64,
    /// What was found.
    pub findings: Vec<Finding>,
    /// All processes.
    pub processes: Vec<ProcessRow>,
    /// Slow requests, the latest first.
    pub slow_requests: Vec<SlowRequest>,
    /// Starts and ends, the latest first.
    pub events: Vec<LifecycleEvent>,
}

/// A process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessRow {
    /// 0 if it is not known.
    pub pid: u32,
    /// `serving`, `stopping`, `stopped` or `lost`.
    pub state: &'static str,
    /// Name and version of the server.
    pub server: String,
    /// Version of Python.
    pub python: String,
    /// Name of the machine.
    pub host: String,
    /// Its group.
    pub group: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Processors in use.
    pub cpu: Option<f64>,
    /// Resident memory in bytes.
    pub memory: Option<u64>,
    /// The most that it was.
    pub memory_maximum: Option<u64>,
    /// Threads that are at a request.
    pub threads_active: Option<u64>,
    /// Responses by status class, from 1xx.
    pub answers: [u64; 5],
    /// Bytes of requests' bodies.
    pub input_bytes: u64,
    /// Bytes of responses' bodies.
    pub output_bytes: u64,
    /// Datagrams that did not arrive.
    pub missing: u64,
    /// Its interpreters.
    pub interpreters: Vec<InterpreterRow>,
    /// Its threads.
    pub workers: Vec<WorkerRow>,
}

/// Figures of a process or an interpreter.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Length of the time that they are about.
    pub period: f64,
    /// Requests that ended.
    pub requests: u64,
    /// Requests a second.
    pub throughput: f64,
    /// Share of the threads' time that was spent on requests.
    pub busy: Option<f64>,
    /// Number of threads.
    pub threads: Option<u64>,
    /// `sys.getswitchinterval()`.
    pub switch_interval: Option<f64>,
    /// From the arrival of a request to the last byte of its response.
    pub response: PhaseFigures,
    /// Waits for a thread.
    pub queue: PhaseFigures,
    /// Time in the application.
    pub application: PhaseFigures,
    /// Waits for the GIL.
    pub gil_wait: PhaseFigures,
}

/// One of the times.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PhaseFigures {
    /// Its mean; `None` without requests.
    pub mean: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// Exceeded by 5 % of the requests.
    pub p95: Option<f64>,
    /// Exceeded by 1 % of the requests.
    pub p99: Option<f64>,
    /// The longest.
    pub maximum: Option<f64>,
}

/// An interpreter.
#[derive(Clone, Debug, Serialize)]
pub struct InterpreterRow {
    /// Its name.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WorkerRow {
    /// Requests that it completed.
    pub completed: u64,
    /// Share of its time.
    pub busy: f64,
    /// Share of its time.
    pub cpu: f64,
    /// How long it has been at its present request.
    pub elapsed: f64,
    /// The longest request that it completed.
    pub longest: f64,
}

impl Snapshot {
    /// What a fleet shows now. The latest events and slow requests come first.
    pub fn of_fleet(fleet: &Fleet) -> Self {
        Self {
            schema: SCHEMA,
            received: fleet.received,
            damaged: fleet.damaged,
            last_error: fleet.last_error.map(|error| error.to_string()),
            missing: fleet.missing,
            findings: diagnose(fleet),
            processes: fleet.processes.iter().map(|(pid, process)| ProcessRow::new(*pid, process)).collect(),
            slow_requests: fleet.slow.iter().rev().cloned().collect(),
            events: fleet.list_events(),
        }
    }
}

impl ProcessRow {
    fn new(pid: u32, process: &Process) -> Self {
        let sample = process.join().unwrap_or_default();
        let interpreters = process.interpreters.iter().filter_map(|(name, samples)| {
            let figures = Figures::of_sample(&samples.join()?);
            Some(InterpreterRow { name: name.clone(), figures })
        });
        Self {
            pid,
            state: match process.state {
                ProcessState::Serving => "serving",
                ProcessState::Stopping => "stopping",
                ProcessState::Stopped => "stopped",
                ProcessState::Lost => "lost",
            },
            server: process.server.clone(),
            python: process.python.clone(),
            host: process.host.clone(),
            group: process.group.clone(),
            figures: Figures::of_sample(&sample),
            cpu: sample.cpu,
            memory: sample.memory,
            memory_maximum: sample.memory_maximum,
            threads_active: sample.threads_active,
            answers: sample.answers,
            input_bytes: sample.input_bytes,
            output_bytes: sample.output_bytes,
            missing: process.missing,
            interpreters: interpreters.collect(),
            workers: list_workers(&sample),
        }
    }
}

fn list_workers(sample: &Sample) -> Vec<WorkerRow> {
    let share = |time: f64| (time / sample.period.max(0.001)).min(1.0);
    let workers = sample.workers.iter().map(|worker| WorkerRow {
        completed: worker.completed,
        busy: share(worker.busy),
        cpu: share(worker.cpu),
        elapsed: worker.elapsed,
        longest: worker.longest,
    });
    workers.collect()
}

impl Figures {
    fn of_sample(sample: &Sample) -> Self {
        let phase = |phase| PhaseFigures::of_sample(sample.phase(phase));
        Self {
            period: sample.period,
            requests: sample.requests,
            throughput: sample.throughput(),
            busy: sample.busy,
            threads: sample.threads,
            switch_interval: sample.switch_interval,
            response: phase(Phase::Request),
            queue: phase(Phase::Queue),
            application: phase(Phase::Application),
            gil_wait: phase(Phase::GilWait),
        }
    }
}

impl PhaseFigures {
    fn of_sample(phase: &PhaseSample) -> Self {
        // A quantile is interpolated within its bucket, the first of which begins at 0; the maximum is exact.
        let quantile = |share| {
            let found = phase.quantile(share)?;
            Some(phase.maximum.map_or(found, |most| found.min(most)))
        };
        Self {
            mean: phase.mean(),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            maximum: phase.maximum.filter(|_| phase.count() > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::telemetry::datagram::{Datagram, Kind, field};

    use super::super::test_datagrams::request_datagram;
    use super::*;

    #[test]
    fn a_snapshot_has_figures_events_and_slow_requests() {
        let mut fleet = Fleet::default();
        fleet.take_datagram(&request_datagram(7, 100, 0.5).encode(), Duration::ZERO);
        for (time, kind) in [(1.0, Kind::ProcessStarted), (2.0, Kind::ProcessStopping)] {
            let mut event = Datagram::new(kind, 7, 2, time);
            event.add_text(field::STOP_REASON, "memory_limit");
            fleet.take_datagram(&event.encode(), Duration::ZERO);
        }
        let mut slow = Datagram::new(Kind::SlowRequest, 7, 3, 0.0);
        slow.add_text(field::SLOW_SCRIPT_NAME, "/shop");
        slow.add_text(field::SLOW_PATH, "/cart");
        fleet.take_datagram(&slow.encode(), Duration::ZERO);
        let json = serde_json::to_value(Snapshot::of_fleet(&fleet)).unwrap();
        assert_eq!((&json["schema"], &json["received"]), (&1.into(), &4.into()));
        let process = &json["processes"][0];
        assert_eq!((&process["pid"], &process["state"]), (&7.into(), &"stopping".into()));
        assert_eq!((&process["throughput"], &process["answers"][1]), (&100.0.into(), &100.into()));
        assert_eq!(process["application"]["maximum"], 0.004);
        assert_eq!(process["gil_wait"]["mean"], serde_json::Value::Null);
        assert_eq!(process["workers"][0]["busy"], 0.5);
        assert_eq!(
            (&json["events"][0]["event"], &json["events"][1]["event"]),
            (&"stopping".into(), &"started".into())
        );
        assert_eq!(json["slow_requests"][0]["path"], "/shop/cart");
    }
}
