//! What the metrics of `serve` say about a span of time. Pure functions.

use serde::Deserialize;
use wsgiaudit_probes_core::histogram::{BUCKETS, HistogramSnapshot};

/// The metrics of all processes of a server at one moment, or their difference between two moments.
#[derive(Clone, Debug)]
pub(super) struct ServerMetrics {
    /// Processor time in seconds.
    pub(super) cpu_seconds: f64,
    /// Resident memory in bytes. What processes share counts in each of them.
    pub(super) resident_bytes: u64,
    /// Time that the server waited for a GIL.
    pub(super) gil_wait: HistogramSnapshot,
    /// Time that the application took.
    pub(super) application_time: HistogramSnapshot,
}

impl Default for ServerMetrics {
    fn default() -> Self {
        let empty = HistogramSnapshot { buckets: [0; BUCKETS], sum: 0.0 };
        Self { cpu_seconds: 0.0, resident_bytes: 0, gil_wait: empty.clone(), application_time: empty }
    }
}

/// The part of `/metrics.json` that is read.
#[derive(Debug, Deserialize)]
struct MetricsAnswer {
    process: ProcessAnswer,
    groups: Vec<GroupAnswer>,
}

#[derive(Debug, Deserialize)]
struct ProcessAnswer {
    cpu_seconds_total: f64,
    resident_memory_bytes: f64,
}

#[derive(Debug, Deserialize)]
struct GroupAnswer {
    gil_wait: HistogramAnswer,
    application_time: HistogramAnswer,
}

#[derive(Debug, Deserialize)]
struct HistogramAnswer {
    buckets: Vec<u64>,
    sum: f64,
}

impl ServerMetrics {
    /// Adds the metrics of a process, as `/metrics.json` has them.
    ///
    /// # Errors
    /// If they are not understood.
    pub(super) fn add_process(&mut self, json: &[u8]) -> serde_json::Result<()> {
        let answer: MetricsAnswer = serde_json::from_slice(json)?;
        self.cpu_seconds += answer.process.cpu_seconds_total;
        self.resident_bytes += answer.process.resident_memory_bytes.max(0.0) as u64;
        for group in &answer.groups {
            group.gil_wait.add_to(&mut self.gil_wait);
            group.application_time.add_to(&mut self.application_time);
        }
        Ok(())
    }

    /// Returns what has happened since an earlier moment. The memory is that of the later one.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            resident_bytes: self.resident_bytes,
            gil_wait: subtract(&self.gil_wait, &earlier.gil_wait),
            application_time: subtract(&self.application_time, &earlier.application_time),
        }
    }

    /// Adds what happened in another span of time. The memory is the larger of both.
    pub(super) fn add_span(&mut self, other: &Self) {
        self.cpu_seconds += other.cpu_seconds;
        self.resident_bytes = self.resident_bytes.max(other.resident_bytes);
        add(&mut self.gil_wait, &other.gil_wait.buckets, other.gil_wait.sum);
        add(&mut self.application_time, &other.application_time.buckets, other.application_time.sum);
    }
}

impl HistogramAnswer {
    fn add_to(&self, sum: &mut HistogramSnapshot) {
        add(sum, &self.buckets, self.sum);
    }
}

fn add(to: &mut HistogramSnapshot, buckets: &[u64], sum: f64) {
    to.buckets.iter_mut().zip(buckets).for_each(|(own, other)| *own += other);
    to.sum += sum;
}

fn subtract(later: &HistogramSnapshot, earlier: &HistogramSnapshot) -> HistogramSnapshot {
    let each = |index: usize| later.buckets[index].saturating_sub(earlier.buckets[index]);
    HistogramSnapshot { buckets: std::array::from_fn(each), sum: (later.sum - earlier.sum).max(0.0) }
}

/// The mean of the durations in seconds; `None` if there are none.
pub(super) fn mean_of(histogram: &HistogramSnapshot) -> Option<f64> {
    let count = histogram.count();
    (count > 0).then(|| histogram.sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cpu: f64, memory: u64, waits: &[u64]) -> Vec<u8> {
        let histogram = serde_json::json!({"buckets": waits, "sum": 0.5, "count": 3, "p50": null});
        let group =
            serde_json::json!({"name": "default", "gil_wait": histogram, "application_time": histogram});
        let process = serde_json::json!({"cpu_seconds_total": cpu, "resident_memory_bytes": memory});
        serde_json::json!({"process": process, "groups": [group], "bucket_ends": []}).to_string().into_bytes()
    }

    #[test]
    fn a_span_of_time_is_the_difference_of_all_processes() {
        let mut earlier = ServerMetrics::default();
        earlier.add_process(&answer(1.0, 100, &[1, 2])).unwrap();
        let mut later = ServerMetrics::default();
        later.add_process(&answer(2.0, 150, &[4, 2])).unwrap();
        later.add_process(&answer(1.5, 200, &[0, 0, 3])).unwrap();
        let mut span = later.since(&earlier);
        assert_eq!((span.cpu_seconds, span.resident_bytes), (2.5, 350));
        assert_eq!((&span.gil_wait.buckets[..3], span.gil_wait.sum), (&[3, 0, 3][..], 0.5));
        assert_eq!(mean_of(&span.gil_wait), Some(0.5 / 6.0));
        span.add_span(&later);
        assert_eq!((span.resident_bytes, span.application_time.buckets[0]), (350, 7));
        assert_eq!(mean_of(&ServerMetrics::default().gil_wait), None);
        assert!(later.add_process(b"{}").is_err());
    }
}
