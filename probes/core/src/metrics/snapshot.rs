//! The metrics at one moment.

use std::sync::atomic::Ordering;

use crate::group_meter::Meter;
use crate::histogram::HistogramSnapshot;
use crate::host_config::InterpreterMode;

/// Name and description of each histogram, in the order of [`GroupMetrics::times`].
pub(super) const TIMES: [(&str, &str); 4] = [
    ("gil_wait", "Time the server waited for a GIL of the group"),
    ("queue_time", "Time requests waited for a thread"),
    ("application_time", "Time spent in the application, including its waits"),
    ("response_time", "Time from a request's arrival to the last byte of its response"),
];

/// Name and description of each counter, in the order of [`GroupMetrics::counts`].
pub(super) const COUNTS: [(&str, &str); 3] = [
    ("refused", "Requests refused with 503 because the queue was full"),
    ("late", "Requests whose response did not start in time"),
    ("broken", "Incomplete responses"),
];

/// The metrics of an application group.
#[derive(Clone, Debug)]
pub struct GroupMetrics {
    pub(super) name: String,
    pub(super) mode: InterpreterMode,
    /// Responses by status class; index 0 holds 1xx.
    pub(super) answers: [u64; 5],
    pub(super) counts: [u64; 3],
    pub(super) times: [HistogramSnapshot; 4],
}

impl GroupMetrics {
    /// Reads the meter of a group.
    pub fn read_meter(name: &str, mode: InterpreterMode, meter: &Meter) -> Self {
        Self {
            name: name.to_owned(),
            mode,
            answers: meter.answers.each_ref().map(|count| count.load(Ordering::Relaxed)),
            counts: [&meter.refused, &meter.late, &meter.broken].map(|count| count.load(Ordering::Relaxed)),
            times: [&meter.gil_wait, &meter.queue, &meter.application, &meter.response]
                .map(|histogram| histogram.take_snapshot()),
        }
    }
}

/// The metrics of the process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessMetrics {
    /// CPU time in seconds, of user and system.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Number of requests that were refused before an application group was chosen.
    pub rejected_requests: u64,
    /// Number of TLS handshakes that failed.
    pub failed_handshakes: u64,
    /// Number of requests that wait for a response.
    pub open_requests: u64,
    /// Seconds since the process started serving.
    pub uptime_seconds: f64,
}

/// One metric of the process: name, kind, description and value.
pub(super) struct ProcessMetric {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) description: &'static str,
    pub(super) value: f64,
}

impl ProcessMetrics {
    pub(super) fn rows(&self) -> [ProcessMetric; 6] {
        let row = |name, kind, description, value| ProcessMetric { name, kind, description, value };
        [
            row("cpu_seconds_total", "counter", "CPU time of the process", self.cpu_seconds),
            row(
                "resident_memory_bytes",
                "gauge",
                "Resident memory of the process",
                self.resident_bytes as f64,
            ),
            row(
                "rejected_requests_total",
                "counter",
                "Requests refused before a group was chosen: malformed, too large or too slow",
                self.rejected_requests as f64,
            ),
            row(
                "failed_tls_handshakes_total",
                "counter",
                "TLS handshakes that failed, or took longer than --head-timeout",
                self.failed_handshakes as f64,
            ),
            row("open_requests", "gauge", "Requests waiting for a response", self.open_requests as f64),
            row("uptime_seconds", "gauge", "Time since the process started serving", self.uptime_seconds),
        ]
    }
}
