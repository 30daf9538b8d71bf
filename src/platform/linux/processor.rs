//! The processor.

use std::fs;

/// Describes the processor's features, by which libraries choose code: a line of `/proc/cpuinfo` (proc(5)).
pub fn describe_processor() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = processor.lines();
    lines
        .find(|line| line.starts_with("flags") || line.starts_with("Features"))
        .unwrap_or_default()
        .to_owned()
}
