//! The metrics as log lines, for the end of a process.

use std::fmt::Write as _;

use super::snapshot::{COUNTS, GroupMetrics, ProcessMetrics, TIMES};

/// Returns one log line per group, and one for the process.
pub fn summary_lines(groups: &[GroupMetrics], process: &ProcessMetrics) -> Vec<String> {
    let mut lines: Vec<String> = groups.iter().map(summarize_group).collect();
    let megabytes = process.resident_bytes as f64 / 1e6;
    lines.push(format!("{:.1} s of CPU time, {megabytes:.0} MB resident", process.cpu_seconds));
    lines
}

fn summarize_group(group: &GroupMetrics) -> String {
    let total: u64 = group.answers.iter().sum();
    let mut line = format!("group {}: {total} requests", group.name);
    let unusual = (1..).zip(group.answers).filter(|(class, count)| *class >= 4 && *count > 0);
    for (class, count) in unusual {
        let _ = write!(line, ", {count} of them {class}xx");
    }
    for ((name, _), count) in COUNTS.iter().zip(group.counts).filter(|(_, count)| *count > 0) {
        let _ = write!(line, ", {count} {name}");
    }
    if total == 0 {
        return line;
    }
    line.push_str("; p50/p95/p99 in ms:");
    for ((name, _), counted) in TIMES.iter().zip(&group.times) {
        let [half, most, nearly_all] =
            [0.5, 0.95, 0.99].map(|share| counted.quantile(share).unwrap_or_default() * 1e3);
        let _ = write!(line, " {} {half:.1}/{most:.1}/{nearly_all:.1}", name.replace('_', " "));
    }
    line
}
