//! Each form of the same metrics.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::json;

use super::{GroupMetrics, ProcessMetrics, build_json, render_prometheus, summary_lines};
use crate::group_meter::Meter;
use crate::host_config::InterpreterMode;

const PROCESS: ProcessMetrics = ProcessMetrics {
    cpu_seconds: 1.25,
    resident_bytes: 12_600_000,
    rejected_requests: 2,
    failed_handshakes: 4,
    open_requests: 3,
    uptime_seconds: 60.5,
};

fn busy_group() -> GroupMetrics {
    let meter = Meter::default();
    meter.gil_wait.record_duration(Duration::from_millis(1));
    meter.queue.record_duration(Duration::from_millis(2));
    meter.application.record_duration(Duration::from_millis(4));
    meter.record_response(200, Duration::from_millis(8), true);
    meter.record_response(404, Duration::from_millis(8), true);
    meter.record_response(500, Duration::from_millis(8), false);
    meter.refused.store(7, Relaxed);
    GroupMetrics::read_meter("shop", InterpreterMode::OwnGil, &meter)
}

fn idle_group(name: &str) -> GroupMetrics {
    GroupMetrics::read_meter(name, InterpreterMode::Main, &Meter::default())
}

#[test]
fn counters_have_a_line_per_group_and_class() {
    let text = render_prometheus(&[busy_group(), idle_group("a\"b\\c\nd")], &PROCESS);
    for line in [
        "# HELP wsgiaudit_requests_total Responses sent, by status class",
        "# TYPE wsgiaudit_requests_total counter",
        "wsgiaudit_requests_total{group=\"shop\",mode=\"own-gil\",status=\"1xx\"} 0",
        "wsgiaudit_requests_total{group=\"shop\",mode=\"own-gil\",status=\"2xx\"} 1",
        "wsgiaudit_requests_total{group=\"a\\\"b\\\\c\\nd\",mode=\"main\",status=\"5xx\"} 0",
        "# TYPE wsgiaudit_refused_total counter",
        "wsgiaudit_refused_total{group=\"shop\",mode=\"own-gil\"} 7",
        "wsgiaudit_late_total{group=\"shop\",mode=\"own-gil\"} 0",
        "wsgiaudit_broken_total{group=\"shop\",mode=\"own-gil\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
    assert!(text.ends_with('\n') && !text.contains("\n\n"));
}

#[test]
fn histograms_are_cumulative_by_octave() {
    let text = render_prometheus(&[busy_group()], &PROCESS);
    let buckets: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("wsgiaudit_response_time_seconds_bucket{group=\"shop\",mode=\"own-gil\",le=")
        })
        .collect();
    assert_eq!(buckets.len(), 17);
    assert_eq!(buckets[..4], ["\"0.002\"} 0", "\"0.004\"} 0", "\"0.008\"} 0", "\"0.016\"} 3"]);
    assert_eq!(buckets[15..], ["\"65.536\"} 3", "\"+Inf\"} 3"]);
    for line in [
        "# TYPE wsgiaudit_response_time_seconds histogram",
        "wsgiaudit_response_time_seconds_sum{group=\"shop\",mode=\"own-gil\"} 0.024",
        "wsgiaudit_response_time_seconds_count{group=\"shop\",mode=\"own-gil\"} 3",
        "# TYPE wsgiaudit_gil_wait_quantile_seconds gauge",
        "wsgiaudit_gil_wait_quantile_seconds{group=\"shop\",mode=\"own-gil\",quantile=\"0.5\"} 0.000625",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}\n{text}");
    }
}

#[test]
fn a_quantile_of_nothing_is_not_a_number() {
    let text = render_prometheus(&[idle_group("idle")], &PROCESS);
    let line = "wsgiaudit_gil_wait_quantile_seconds{group=\"idle\",mode=\"main\",quantile=\"0.99\"} NaN";
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[test]
fn the_process_has_six_metrics() {
    let text = render_prometheus(&[], &PROCESS);
    let end = "# HELP wsgiaudit_cpu_seconds_total CPU time of the process\n\
         # TYPE wsgiaudit_cpu_seconds_total counter\n\
         wsgiaudit_cpu_seconds_total 1.25\n\
         # HELP wsgiaudit_resident_memory_bytes Resident memory of the process\n\
         # TYPE wsgiaudit_resident_memory_bytes gauge\n\
         wsgiaudit_resident_memory_bytes 12600000\n\
         # HELP wsgiaudit_rejected_requests_total Requests refused before a group was chosen: malformed, too large or too slow\n\
         # TYPE wsgiaudit_rejected_requests_total counter\n\
         wsgiaudit_rejected_requests_total 2\n\
         # HELP wsgiaudit_failed_tls_handshakes_total TLS handshakes that failed, or took longer than --head-timeout\n\
         # TYPE wsgiaudit_failed_tls_handshakes_total counter\n\
         wsgiaudit_failed_tls_handshakes_total 4\n\
         # HELP wsgiaudit_open_requests Requests waiting for a response\n\
         # TYPE wsgiaudit_open_requests gauge\n\
         wsgiaudit_open_requests 3\n\
         # HELP wsgiaudit_uptime_seconds Time since the process started serving\n\
         # TYPE wsgiaudit_uptime_seconds gauge\n\
         wsgiaudit_uptime_seconds 60.5\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn json_has_every_bucket() {
    let document = build_json(&[busy_group()], &PROCESS, &json!([]));
    assert_eq!(
        document["process"],
        json!({
            "cpu_seconds_total": 1.25, "resident_memory_bytes": 12_600_000.0, "rejected_requests_total": 2.0,
            "failed_tls_handshakes_total": 4.0, "open_requests": 3.0,
            "uptime_seconds": 60.5,
        })
    );
    assert_eq!(document["bucket_ends"].as_array().unwrap().len(), 64);
    assert_eq!(document["bucket_ends"][63], 65.536);
    let group = &document["groups"][0];
    assert_eq!((&group["name"], &group["mode"]), (&json!("shop"), &json!("own-gil")));
    assert_eq!(group["requests"], json!({"1xx": 0, "2xx": 1, "3xx": 0, "4xx": 1, "5xx": 1}));
    assert_eq!((&group["refused"], &group["late"], &group["broken"]), (&json!(7), &json!(0), &json!(1)));
    let queue = &group["queue_time"];
    assert_eq!((&queue["count"], &queue["sum"]), (&json!(1), &json!(0.002)));
    assert_eq!(group["gil_wait"]["p50"], 0.000625);
    assert_eq!((queue["buckets"].as_array().unwrap().len(), &queue["buckets"][4]), (65, &json!(1)));
    let sums = ["gil_wait", "application_time", "response_time"].map(|name| group[name]["sum"].clone());
    assert_eq!(sums, [json!(0.001), json!(0.004), json!(0.024)]);
    assert_eq!(
        build_json(&[idle_group("idle")], &PROCESS, &json!([]))["groups"][0]["gil_wait"]["p99"],
        json!(null)
    );
}

#[test]
fn a_summary_names_what_is_unusual() {
    assert_eq!(
        summary_lines(&[busy_group(), idle_group("idle")], &PROCESS),
        [
            "group shop: 3 requests, 1 of them 4xx, 1 of them 5xx, 7 refused, 1 broken; p50/p95/p99 in ms: \
             gil wait 0.6/1.2/1.2 queue time 2.3/2.5/2.5 application time 4.5/5.0/5.0 \
             response time 9.0/9.9/10.0",
            "group idle: 0 requests",
            "1.2 s of CPU time, 13 MB resident",
        ]
    );
}
