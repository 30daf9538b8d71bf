//! Exports the metrics: as Prometheus text, as JSON, and as log lines at shutdown.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::application_group::ApplicationGroup;
use super::histogram::{BUCKETS, Histogram, bucket_upper_bound};
use super::http::ServerState;

/// Name and description of each histogram.
const TIMES: [(&str, &str); 4] = [
    ("gil_wait", "Time the server waited for a GIL of the group"),
    ("queue_time", "Time requests waited for a thread"),
    ("application_time", "Time spent in the application, including its waits"),
    ("response_time", "Time from a request's arrival to the last byte of its response"),
];

/// Name and description of each counter.
const COUNTS: [(&str, &str); 3] = [
    ("refused", "Requests refused with 503 because the queue was full"),
    ("late", "Requests whose response did not start in time"),
    ("broken", "Incomplete responses"),
];

fn group_histograms(group: &ApplicationGroup) -> [&Histogram; 4] {
    let meter = &group.meter;
    [&meter.gil_wait, &meter.queue, &meter.application, &meter.response]
}

fn group_counters(group: &ApplicationGroup) -> [&AtomicU64; 3] {
    let meter = &group.meter;
    [&meter.refused, &meter.late, &meter.broken]
}

const QUANTILES: [(&str, f64); 3] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99)];

/// Renders the metrics in Prometheus' text format. Histograms have one bucket per octave.
pub(super) fn render_prometheus(server: &ServerState) -> String {
    let mut text = String::new();
    let metric = |text: &mut String, name: &str, kind: &str, what: &str| {
        let _ = writeln!(text, "# HELP wsgiaudit_{name} {what}\n# TYPE wsgiaudit_{name} {kind}");
    };
    metric(&mut text, "requests_total", "counter", "Responses sent, by status class");
    for group in &server.groups {
        for (class, count) in (1..).zip(&group.meter.answers) {
            let (labels, count) = (format_labels(group), count.load(Ordering::Relaxed));
            let _ = writeln!(text, "wsgiaudit_requests_total{{{labels},status=\"{class}xx\"}} {count}");
        }
    }
    for (index, (name, what)) in COUNTS.iter().enumerate() {
        metric(&mut text, &format!("{name}_total"), "counter", what);
        for group in &server.groups {
            let count = group_counters(group)[index].load(Ordering::Relaxed);
            let _ = writeln!(text, "wsgiaudit_{name}_total{{{}}} {count}", format_labels(group));
        }
    }
    for (index, (name, what)) in TIMES.iter().enumerate() {
        let read: Vec<_> = server
            .groups
            .iter()
            .map(|group| (format_labels(group), group_histograms(group)[index].take_snapshot()))
            .collect();
        metric(&mut text, &format!("{name}_seconds"), "histogram", what);
        for (labels, counted) in &read {
            let mut so_far = 0;
            for (bucket, count) in counted.buckets.iter().enumerate().take(BUCKETS - 1) {
                so_far += count;
                if bucket % 4 == 3 {
                    let le = bucket_upper_bound(bucket);
                    let _ =
                        writeln!(text, "wsgiaudit_{name}_seconds_bucket{{{labels},le=\"{le}\"}} {so_far}");
                }
            }
            let (count, sum) = (counted.count(), counted.sum);
            let _ = writeln!(text, "wsgiaudit_{name}_seconds_bucket{{{labels},le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "wsgiaudit_{name}_seconds_sum{{{labels}}} {sum}");
            let _ = writeln!(text, "wsgiaudit_{name}_seconds_count{{{labels}}} {count}");
        }
        metric(&mut text, &format!("{name}_quantile_seconds"), "gauge", what);
        for (labels, counted) in &read {
            for (shown, share) in QUANTILES {
                let value =
                    counted.quantile(share).map_or_else(|| "NaN".to_owned(), |value| value.to_string());
                let _ = writeln!(
                    text,
                    "wsgiaudit_{name}_quantile_seconds{{{labels},quantile=\"{shown}\"}} {value}"
                );
            }
        }
    }
    for (name, kind, what, value) in process_metrics(server) {
        metric(&mut text, name, kind, what);
        let _ = writeln!(text, "wsgiaudit_{name} {value}");
    }
    text
}

/// Formats the labels of a group, escaped for Prometheus.
fn format_labels(group: &ApplicationGroup) -> String {
    let name = group.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("group=\"{name}\",mode=\"{}\"", group.mode.name())
}

/// Returns all metrics with all buckets as JSON. Times are in seconds.
pub(super) fn build_json(server: &ServerState) -> Value {
    let groups: Vec<Value> = server.groups.iter().map(|group| group_to_json(group)).collect();
    let process: serde_json::Map<String, Value> = process_metrics(server)
        .into_iter()
        .map(|(name, _, _, value)| (name.to_owned(), json!(value)))
        .collect();
    let ends: Vec<f64> = (0..BUCKETS - 1).map(bucket_upper_bound).collect();
    json!({"process": process, "groups": groups, "bucket_ends": ends})
}

fn group_to_json(group: &ApplicationGroup) -> Value {
    let mut fields = serde_json::Map::new();
    fields.insert("name".to_owned(), json!(group.name));
    fields.insert("mode".to_owned(), json!(group.mode.name()));
    let answers = (1..).zip(&group.meter.answers);
    let answers: serde_json::Map<String, Value> =
        answers.map(|(class, count)| (format!("{class}xx"), json!(count.load(Ordering::Relaxed)))).collect();
    fields.insert("requests".to_owned(), Value::Object(answers));
    for ((name, _), count) in COUNTS.iter().zip(group_counters(group)) {
        fields.insert((*name).to_owned(), json!(count.load(Ordering::Relaxed)));
    }
    for ((name, _), histogram) in TIMES.iter().zip(group_histograms(group)) {
        let counted = histogram.take_snapshot();
        let quantile = |share| json!(counted.quantile(share));
        fields.insert(
            (*name).to_owned(),
            json!({
                "count": counted.count(), "sum": counted.sum, "buckets": counted.buckets.to_vec(),
                "p50": quantile(0.5), "p95": quantile(0.95), "p99": quantile(0.99),
            }),
        );
    }
    Value::Object(fields)
}

type ProcessMetric = (&'static str, &'static str, &'static str, f64);

fn process_metrics(server: &ServerState) -> [ProcessMetric; 4] {
    // SAFETY: the kernel fills the structure; all zeros is a valid value.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    [
        (
            "cpu_seconds_total",
            "counter",
            "CPU time of the process",
            seconds(usage.ru_utime) + seconds(usage.ru_stime),
        ),
        ("resident_memory_bytes", "gauge", "Resident memory of the process", resident_bytes() as f64),
        (
            "open_requests",
            "gauge",
            "Requests waiting for a response",
            server.open.load(Ordering::Relaxed) as f64,
        ),
        (
            "uptime_seconds",
            "gauge",
            "Time since the process started serving",
            server.started.elapsed().as_secs_f64(),
        ),
    ]
}

/// Resident memory in bytes (proc(5), `/proc/self/statm`: the second field, in pages).
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    // SAFETY: reads a constant.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Returns one log line per group, and one for the process.
pub(super) fn summary_lines(server: &ServerState) -> Vec<String> {
    let mut lines: Vec<String> = server.groups.iter().map(|group| summarize_group(group)).collect();
    let [(_, _, _, cpu), (_, _, _, memory), ..] = process_metrics(server);
    lines.push(format!("{cpu:.1} s of CPU time, {:.0} MB resident", memory / 1e6));
    lines
}

fn summarize_group(group: &ApplicationGroup) -> String {
    let answers: Vec<(u16, u64)> = (1..)
        .zip(&group.meter.answers)
        .map(|(class, count)| (class, count.load(Ordering::Relaxed)))
        .collect();
    let total: u64 = answers.iter().map(|(_, count)| count).sum();
    let mut line = format!("group {}: {total} requests", group.name);
    let unusual = answers.iter().filter(|(class, count)| *class >= 4 && *count > 0);
    for (class, count) in unusual {
        let _ = write!(line, ", {count} of them {class}xx");
    }
    for ((name, _), count) in COUNTS.iter().zip(group_counters(group)) {
        match count.load(Ordering::Relaxed) {
            0 => {}
            count => drop(write!(line, ", {count} {name}")),
        }
    }
    if total == 0 {
        return line;
    }
    line.push_str("; p50/p95/p99 in ms:");
    for ((name, _), histogram) in TIMES.iter().zip(group_histograms(group)) {
        let counted = histogram.take_snapshot();
        let quantile = |share| counted.quantile(share).unwrap_or_default() * 1e3;
        let _ = write!(
            line,
            " {} {:.1}/{:.1}/{:.1}",
            name.replace('_', " "),
            quantile(0.5),
            quantile(0.95),
            quantile(0.99)
        );
    }
    line
}
