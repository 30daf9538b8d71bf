//! The metrics as JSON.

use serde_json::{Map, Value, json};

use super::snapshot::{COUNTS, GroupMetrics, ProcessMetrics, TIMES};
use crate::histogram::{BUCKETS, bucket_upper_bound};

/// Returns all metrics with all buckets, and the list of slow requests. Times are in seconds.
pub fn build_json(groups: &[GroupMetrics], process: &ProcessMetrics, slow_requests: &Value) -> Value {
    let groups: Vec<Value> = groups.iter().map(group_to_json).collect();
    let process: Map<String, Value> =
        process.rows().into_iter().map(|row| (row.name.to_owned(), json!(row.value))).collect();
    let ends: Vec<f64> = (0..BUCKETS - 1).map(bucket_upper_bound).collect();
    json!({"process": process, "groups": groups, "bucket_ends": ends, "slow_requests": slow_requests})
}

fn group_to_json(group: &GroupMetrics) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(group.name));
    fields.insert("mode".to_owned(), json!(group.mode.name()));
    let answers: Map<String, Value> =
        (1..).zip(group.answers).map(|(class, count)| (format!("{class}xx"), json!(count))).collect();
    fields.insert("requests".to_owned(), Value::Object(answers));
    for ((name, _), count) in COUNTS.iter().zip(group.counts) {
        fields.insert((*name).to_owned(), json!(count));
    }
    for ((name, _), counted) in TIMES.iter().zip(&group.times) {
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
