//! The figures of a datagram about requests, of a process or of an interpreter.

use crate::histogram::{BUCKETS, HistogramSnapshot};
use crate::telemetry::datagram::{Datagram, field};
use crate::telemetry::phase_meter::Phase;

/// Threads that are kept of a datagram.
const MAX_WORKERS: usize = 1024;

/// The longest interval that is believed, in seconds.
const LONGEST: f64 = 86_400.0;

/// What was measured in an interval. Times are in seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// The length of the interval.
    pub(super) period: f64,
    pub(super) requests: u64,
    /// Responses by status class; index 0 holds 1xx.
    pub(super) answers: [u64; 5],
    /// Share of the threads' time that was spent on requests.
    pub(super) busy: Option<f64>,
    /// Processors in use.
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<u64>,
    pub(super) memory_maximum: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) threads_active: Option<u64>,
    pub(super) input_bytes: u64,
    pub(super) output_bytes: u64,
    pub(super) switch_interval: Option<f64>,
    /// In the order of [`Phase::ALL`].
    pub(super) phases: [PhaseSample; 8],
    pub(super) workers: Vec<WorkerSample>,
}

/// One of the times of the requests of an interval.
#[derive(Clone, Debug)]
pub(super) struct PhaseSample {
    /// Sum of all times, where the datagram has a mean.
    pub(super) sum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) buckets: [u64; BUCKETS],
}

impl Default for PhaseSample {
    fn default() -> Self {
        Self { sum: None, maximum: None, buckets: [0; BUCKETS] }
    }
}

/// What a thread did in the interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WorkerSample {
    pub(super) completed: u64,
    pub(super) busy: f64,
    pub(super) cpu: f64,
    /// Time of the request that it is at.
    pub(super) elapsed: f64,
    pub(super) longest: f64,
}

impl Sample {
    /// Reads a datagram. `None` if it has no count of requests.
    pub(super) fn from_datagram(datagram: &Datagram) -> Option<Self> {
        let requests = datagram.count(field::REQUEST_COUNT)?;
        let number = |id| datagram.number(id).filter(|number| *number >= 0.0);
        let period = [field::SAMPLE_PERIOD, field::INTERVAL].into_iter().find_map(number);
        let period = period.filter(|period| (0.001..=LONGEST).contains(period)).unwrap_or(1.0);
        let count = |id| datagram.count(id);
        let mut sample = Self {
            period,
            requests,
            busy: number(field::CAPACITY).map(|busy| busy.min(1.0)),
            cpu: number(field::CPU),
            memory: count(field::MEMORY),
            memory_maximum: count(field::MEMORY_MAXIMUM),
            threads: count(field::THREADS_MAXIMUM),
            threads_active: count(field::THREADS_ACTIVE),
            input_bytes: count(field::INPUT_BYTES).unwrap_or(0),
            output_bytes: count(field::OUTPUT_BYTES).unwrap_or(0),
            switch_interval: number(field::SWITCH_INTERVAL).filter(|seconds| *seconds > 0.0),
            workers: read_workers(datagram),
            ..Self::default()
        };
        for (id, answers) in (field::STATUS_1XX..).zip(&mut sample.answers) {
            *answers = count(id).unwrap_or(0);
        }
        for (offset, phase) in (0..).zip(&mut sample.phases) {
            let counts = datagram.counts(field::SERVER_TIME_BUCKETS + offset);
            for (bucket, count) in phase.buckets.iter_mut().zip(counts) {
                *bucket = count;
            }
            let measured: u64 = phase.buckets.iter().sum();
            phase.sum = number(field::SERVER_TIME + offset).map(|mean| mean * measured as f64);
            phase.maximum = number(field::SERVER_TIME_MAXIMUM + offset);
        }
        Some(sample)
    }

    /// Adds a later sample of the same process or interpreter. What is not a sum is taken from the later one.
    pub(super) fn append(&mut self, later: &Self) {
        let (before, period) = (self.period, later.period);
        let weigh = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some((one * before + other * period) / (before + period)),
            (one, other) => other.or(one),
        };
        self.busy = weigh(self.busy, later.busy);
        self.cpu = weigh(self.cpu, later.cpu);
        self.period += period;
        self.add_counts(later);
        self.memory = later.memory.or(self.memory);
        self.memory_maximum = later.memory_maximum.or(self.memory_maximum);
        self.threads = later.threads.or(self.threads);
        self.threads_active = later.threads_active.or(self.threads_active);
        self.switch_interval = later.switch_interval.or(self.switch_interval);
        self.workers.resize(later.workers.len(), WorkerSample::default());
        for (worker, later) in self.workers.iter_mut().zip(&later.workers) {
            worker.completed = worker.completed.saturating_add(later.completed);
            worker.busy += later.busy;
            worker.cpu += later.cpu;
            worker.elapsed = later.elapsed;
            worker.longest = worker.longest.max(later.longest);
        }
    }

    /// Adds what another part of the same process did in the same time. What the process has once, each part tells.
    pub(super) fn add_part(&mut self, other: &Self) {
        let weigh = |sample: &Self| Some(sample.busy? * sample.threads? as f64);
        let threads = self.threads.unwrap_or(0).saturating_add(other.threads.unwrap_or(0));
        self.busy = match (weigh(self), weigh(other)) {
            (Some(one), Some(more)) if threads > 0 => Some((one + more) / threads as f64),
            (_, _) => self.busy.or(other.busy),
        };
        let add = |one: Option<u64>, more: Option<u64>| match (one, more) {
            (Some(one), Some(more)) => Some(one.saturating_add(more)),
            (one, more) => one.or(more),
        };
        self.threads = add(self.threads, other.threads);
        self.threads_active = add(self.threads_active, other.threads_active);
        self.period = self.period.max(other.period);
        self.add_counts(other);
        self.cpu = self.cpu.or(other.cpu);
        self.memory = self.memory.or(other.memory);
        self.memory_maximum = self.memory_maximum.or(other.memory_maximum);
        self.switch_interval =
            self.switch_interval.filter(|one| other.switch_interval.is_none_or(|more| more == *one));
        let room = MAX_WORKERS.saturating_sub(self.workers.len());
        self.workers.extend(other.workers.iter().take(room));
    }

    /// Adds the counts and times of another sample.
    fn add_counts(&mut self, other: &Self) {
        let add = |one: &mut u64, other: u64| *one = one.saturating_add(other);
        add(&mut self.requests, other.requests);
        add(&mut self.input_bytes, other.input_bytes);
        add(&mut self.output_bytes, other.output_bytes);
        for (count, more) in self.answers.iter_mut().zip(other.answers) {
            add(count, more);
        }
        for (phase, more) in self.phases.iter_mut().zip(&other.phases) {
            for (count, more) in phase.buckets.iter_mut().zip(more.buckets) {
                add(count, more);
            }
            phase.sum = match (phase.sum, more.sum) {
                (Some(one), Some(other)) => Some(one + other),
                (one, other) => one.or(other),
            };
            phase.maximum = phase.maximum.into_iter().chain(more.maximum).reduce(f64::max);
        }
    }

    /// One of the times.
    pub(super) fn phase(&self, phase: Phase) -> &PhaseSample {
        &self.phases[phase as usize]
    }

    /// Requests a second.
    pub(super) fn throughput(&self) -> f64 {
        self.requests as f64 / self.period.max(0.001)
    }
}

impl PhaseSample {
    /// Number of times.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Their mean; `None` if there are none.
    pub(super) fn mean(&self) -> Option<f64> {
        let count = self.count();
        self.sum.filter(|_| count > 0).map(|sum| sum / count as f64)
    }

    /// A quantile, interpolated within its bucket.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        // Counts beyond this are not of a real server, and their sum must fit.
        let buckets = self.buckets.map(|count| count.min(u64::MAX / 128));
        HistogramSnapshot { buckets, sum: 0.0 }.quantile(share)
    }
}

fn read_workers(datagram: &Datagram) -> Vec<WorkerSample> {
    let busy = datagram.numbers(field::WORKER_BUSY);
    let completed = datagram.counts(field::WORKER_COMPLETED);
    let times =
        [field::WORKER_CPU, field::WORKER_ELAPSED, field::WORKER_LONGEST].map(|id| datagram.numbers(id));
    let [cpu, elapsed, longest] = &times;
    let at = |all: &[f64], index: usize| all.get(index).copied().unwrap_or(0.0).max(0.0);
    (0..busy.len().min(MAX_WORKERS))
        .map(|index| WorkerSample {
            completed: completed.get(index).copied().unwrap_or(0),
            busy: at(&busy, index),
            cpu: at(cpu, index),
            elapsed: at(elapsed, index),
            longest: at(longest, index),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_datagrams::request_datagram;
    use super::*;

    #[test]
    fn a_sample_holds_the_figures_of_a_datagram() {
        let sample = Sample::from_datagram(&request_datagram(7, 100, 0.5)).unwrap();
        assert_eq!((sample.requests, sample.answers, sample.busy), (100, [0, 100, 0, 0, 0], Some(0.5)));
        assert_eq!((sample.throughput(), sample.workers.len()), (100.0, 2));
        let application = sample.phase(Phase::Application);
        assert_eq!((application.count(), application.maximum), (100, Some(0.004)));
        assert!((application.mean().unwrap() - 0.002).abs() < 1e-9);
        assert_eq!(sample.phase(Phase::Daemon).mean(), None);
        assert!((0.002..0.0025).contains(&application.quantile(0.5).unwrap()));
    }

    #[test]
    fn what_a_stranger_claims_is_bounded() {
        let mut datagram = request_datagram(7, u64::MAX, 1e300);
        datagram.add_number(field::SAMPLE_PERIOD, 1e300);
        datagram.add_counts(field::REQUEST_TIME_BUCKETS, &[u64::MAX; 500]);
        datagram.add_numbers(field::WORKER_BUSY, vec![-1.0; 5000]);
        let mut sample = Sample::from_datagram(&datagram).unwrap();
        assert_eq!((sample.period, sample.busy, sample.workers.len()), (1.0, Some(1.0), 1024));
        assert_eq!(sample.workers[0].busy, 0.0);
        let again = sample.clone();
        sample.append(&again);
        assert_eq!(sample.requests, u64::MAX);
        assert!(sample.phase(Phase::Request).quantile(0.99).is_some());
    }

    #[test]
    fn samples_of_several_intervals_are_joined() {
        let mut sample = Sample::from_datagram(&request_datagram(7, 100, 0.2)).unwrap();
        sample.append(&Sample::from_datagram(&request_datagram(7, 300, 0.6)).unwrap());
        assert_eq!((sample.requests, sample.period, sample.busy), (400, 2.0, Some(0.4)));
        assert_eq!((sample.throughput(), sample.phase(Phase::Application).count()), (200.0, 400));
        assert!((sample.phase(Phase::Application).mean().unwrap() - 0.002).abs() < 1e-9);
    }
}
