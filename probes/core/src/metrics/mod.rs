//! The metrics of a host, in three forms: Prometheus' text, JSON, and log lines.

mod json;
mod prometheus;
mod snapshot;
mod summary;

pub use json::build_json;
pub use prometheus::render_prometheus;
pub use snapshot::{GroupMetrics, ProcessMetrics};
pub use summary::summary_lines;

#[cfg(test)]
mod tests;
