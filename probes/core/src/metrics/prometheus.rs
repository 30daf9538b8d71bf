//! Prometheus' text format.

use std::fmt::Write as _;

use super::snapshot::{COUNTS, GroupMetrics, ProcessMetrics, TIMES};
use crate::histogram::{HistogramSnapshot, bucket_upper_bound};

const QUANTILES: [(&str, f64); 3] = [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99)];

/// Renders the metrics. Histograms have one bucket per octave.
pub fn render_prometheus(groups: &[GroupMetrics], process: &ProcessMetrics) -> String {
    let mut text = String::new();
    write_heading(&mut text, "requests_total", "counter", "Responses sent, by status class");
    for group in groups {
        let labels = format_labels(group);
        for (class, count) in (1..).zip(group.answers) {
            let _ = writeln!(text, "wsgiaudit_requests_total{{{labels},status=\"{class}xx\"}} {count}");
        }
    }
    for (index, (name, description)) in COUNTS.iter().enumerate() {
        write_heading(&mut text, &format!("{name}_total"), "counter", description);
        for group in groups {
            let (labels, count) = (format_labels(group), group.counts[index]);
            let _ = writeln!(text, "wsgiaudit_{name}_total{{{labels}}} {count}");
        }
    }
    for (index, (name, description)) in TIMES.iter().enumerate() {
        write_heading(&mut text, &format!("{name}_seconds"), "histogram", description);
        for group in groups {
            write_histogram(&mut text, name, &format_labels(group), &group.times[index]);
        }
        write_heading(&mut text, &format!("{name}_quantile_seconds"), "gauge", description);
        for group in groups {
            write_quantiles(&mut text, name, &format_labels(group), &group.times[index]);
        }
    }
    for row in process.rows() {
        write_heading(&mut text, row.name, row.kind, row.description);
        let _ = writeln!(text, "wsgiaudit_{} {}", row.name, row.value);
    }
    text
}

fn write_heading(text: &mut String, name: &str, kind: &str, description: &str) {
    let _ = writeln!(text, "# HELP wsgiaudit_{name} {description}\n# TYPE wsgiaudit_{name} {kind}");
}

fn write_histogram(text: &mut String, name: &str, labels: &str, counted: &HistogramSnapshot) {
    let mut so_far = 0;
    for (bucket, count) in counted.buckets.iter().enumerate() {
        so_far += count;
        // The last bucket of an octave; the overflow bucket, which follows the last octave, is none.
        if bucket % 4 == 3 {
            let le = bucket_upper_bound(bucket);
            let _ = writeln!(text, "wsgiaudit_{name}_seconds_bucket{{{labels},le=\"{le}\"}} {so_far}");
        }
    }
    let (count, sum) = (counted.count(), counted.sum);
    let _ = writeln!(text, "wsgiaudit_{name}_seconds_bucket{{{labels},le=\"+Inf\"}} {count}");
    let _ = writeln!(text, "wsgiaudit_{name}_seconds_sum{{{labels}}} {sum}");
    let _ = writeln!(text, "wsgiaudit_{name}_seconds_count{{{labels}}} {count}");
}

fn write_quantiles(text: &mut String, name: &str, labels: &str, counted: &HistogramSnapshot) {
    for (shown, share) in QUANTILES {
        let value = counted.quantile(share).map_or_else(|| "NaN".to_owned(), |value| value.to_string());
        let _ = writeln!(text, "wsgiaudit_{name}_quantile_seconds{{{labels},quantile=\"{shown}\"}} {value}");
    }
}

/// Formats the labels of a group, escaped.
fn format_labels(group: &GroupMetrics) -> String {
    let name = group.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("group=\"{name}\",mode=\"{}\"", group.mode.name())
}
