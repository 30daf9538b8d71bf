//! The meters, as Prometheus text, as JSON, and as lines at the end.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::group::Group;
use super::histogram::{BUCKETS, Histogram, end};
use super::http::Site;

/// What is timed, by name and with what it is.
const TIMES: [(&str, &str); 4] = [
    ("gil_wait", "Waits of the server for a GIL of the group"),
    ("queue_time", "Requests waiting for a thread"),
    ("application_time", "Work of the application, its waits included"),
    ("response_time", "From a request's arrival to the last byte of its answer"),
];

/// What is counted besides.
const COUNTS: [(&str, &str); 3] = [
    ("refused", "Requests answered with 503: the queue was full"),
    ("late", "Requests whose answer did not begin in time"),
    ("broken", "Answers that broke off"),
];

fn times(group: &Group) -> [&Histogram; 4] {
    let meter = &group.meter;
    [&meter.gil_wait, &meter.queue, &meter.application, &meter.response]
}

fn counts(group: &Group) -> [&AtomicU64; 3] {
    let meter = &group.meter;
    [&meter.refused, &meter.late, &meter.broken]
}

const QUANTILES: [(&str, f64); 3] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99)];

/// Prometheus' text format. A histogram has a bucket for each octave.
pub(super) fn prometheus(site: &Site) -> String {
    let mut text = String::new();
    let metric = |text: &mut String, name: &str, kind: &str, what: &str| {
        let _ = writeln!(text, "# HELP wsgiaudit_{name} {what}\n# TYPE wsgiaudit_{name} {kind}");
    };
    metric(&mut text, "requests_total", "counter", "Answers sent, by the first digit of their status");
    for group in &site.groups {
        for (class, count) in (1..).zip(&group.meter.answers) {
            let (labels, count) = (labels(group), count.load(Ordering::Relaxed));
            let _ = writeln!(text, "wsgiaudit_requests_total{{{labels},status=\"{class}xx\"}} {count}");
        }
    }
    for (index, (name, what)) in COUNTS.iter().enumerate() {
        metric(&mut text, &format!("{name}_total"), "counter", what);
        for group in &site.groups {
            let count = counts(group)[index].load(Ordering::Relaxed);
            let _ = writeln!(text, "wsgiaudit_{name}_total{{{}}} {count}", labels(group));
        }
    }
    for (index, (name, what)) in TIMES.iter().enumerate() {
        let read: Vec<_> =
            site.groups.iter().map(|group| (labels(group), times(group)[index].read())).collect();
        metric(&mut text, &format!("{name}_seconds"), "histogram", what);
        for (labels, counted) in &read {
            let mut so_far = 0;
            for (bucket, count) in counted.buckets.iter().enumerate().take(BUCKETS - 1) {
                so_far += count;
                if bucket % 4 == 3 {
                    let le = end(bucket);
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
    for (name, kind, what, value) in process(site) {
        metric(&mut text, name, kind, what);
        let _ = writeln!(text, "wsgiaudit_{name} {value}");
    }
    text
}

/// Escaped as Prometheus wants it.
fn labels(group: &Group) -> String {
    let name = group.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("group=\"{name}\",mode=\"{}\"", group.mode.name())
}

/// Everything, with all buckets. Times in seconds.
pub(super) fn json(site: &Site) -> Value {
    let groups: Vec<Value> = site.groups.iter().map(|group| of_group(group)).collect();
    let process: serde_json::Map<String, Value> =
        process(site).into_iter().map(|(name, _, _, value)| (name.to_owned(), json!(value))).collect();
    let ends: Vec<f64> = (0..BUCKETS - 1).map(end).collect();
    json!({"process": process, "groups": groups, "bucket_ends": ends})
}

fn of_group(group: &Group) -> Value {
    let mut told = serde_json::Map::new();
    told.insert("name".to_owned(), json!(group.name));
    told.insert("mode".to_owned(), json!(group.mode.name()));
    let answers = (1..).zip(&group.meter.answers);
    let answers: serde_json::Map<String, Value> =
        answers.map(|(class, count)| (format!("{class}xx"), json!(count.load(Ordering::Relaxed)))).collect();
    told.insert("requests".to_owned(), Value::Object(answers));
    for ((name, _), count) in COUNTS.iter().zip(counts(group)) {
        told.insert((*name).to_owned(), json!(count.load(Ordering::Relaxed)));
    }
    for ((name, _), histogram) in TIMES.iter().zip(times(group)) {
        let counted = histogram.read();
        let of = |share| json!(counted.quantile(share));
        told.insert(
            (*name).to_owned(),
            json!({
                "count": counted.count(), "sum": counted.sum, "buckets": counted.buckets.to_vec(),
                "p50": of(0.5), "p95": of(0.95), "p99": of(0.99),
            }),
        );
    }
    Value::Object(told)
}

type Measured = (&'static str, &'static str, &'static str, f64);

fn process(site: &Site) -> [Measured; 4] {
    // SAFETY: the kernel fills the structure; all zeros is one of its values.
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
            "Processor time of the process",
            seconds(usage.ru_utime) + seconds(usage.ru_stime),
        ),
        ("resident_memory_bytes", "gauge", "Resident memory of the process", resident() as f64),
        (
            "open_requests",
            "gauge",
            "Requests that wait for an answer",
            site.open.load(Ordering::Relaxed) as f64,
        ),
        ("uptime_seconds", "gauge", "Since the process serves", site.started.elapsed().as_secs_f64()),
    ]
}

/// Bytes (proc(5), `/proc/self/statm`: the second field, in pages).
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    // SAFETY: asks for a constant.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// A line for each group.
pub(super) fn summary(site: &Site) -> Vec<String> {
    let mut lines: Vec<String> = site.groups.iter().map(|group| of_life(group)).collect();
    let [(_, _, _, cpu), (_, _, _, memory), ..] = process(site);
    lines.push(format!("{cpu:.1} s of processor time, {:.0} MB resident", memory / 1e6));
    lines
}

fn of_life(group: &Group) -> String {
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
    for ((name, _), count) in COUNTS.iter().zip(counts(group)) {
        match count.load(Ordering::Relaxed) {
            0 => {}
            count => drop(write!(line, ", {count} {name}")),
        }
    }
    if total == 0 {
        return line;
    }
    line.push_str("; p50/p95/p99 in ms:");
    for ((name, _), histogram) in TIMES.iter().zip(times(group)) {
        let counted = histogram.read();
        let of = |share| counted.quantile(share).unwrap_or_default() * 1e3;
        let _ = write!(line, " {} {:.1}/{:.1}/{:.1}", name.replace('_', " "), of(0.5), of(0.95), of(0.99));
    }
    line
}
