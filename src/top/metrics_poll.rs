//! Turns the metrics of `wsgiaudit serve` into datagrams: the difference between two readings is an interval.

use serde_json::Value;
use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind, field};

/// Phases that metrics have, with their number among the fields of a datagram.
const PHASES: [(&str, u16); 4] =
    [("queue_time", 1), ("application_time", 3), ("response_time", 4), ("gil_wait", 5)];

/// Builds the datagrams of an interval between two readings: one for each group, as metrics do not have figures of
/// interpreters. Metrics do not name the process: its number is 0.
pub(super) fn build_datagrams(
    before: &Value,
    now: &Value,
    sequence: u32,
    period: f64,
    time: f64,
) -> Vec<Datagram> {
    let groups = |reading: &Value| reading["groups"].as_array().cloned().unwrap_or_default();
    let old = groups(before);
    let number = |reading: &Value, name: &str| reading["process"][name].as_f64();
    let cpu = number(before, "cpu_seconds_total").zip(number(now, "cpu_seconds_total"));
    let memory = number(now, "resident_memory_bytes");
    let build = |(sequence, group): (u32, &Value)| {
        let earlier = old.iter().find(|earlier| earlier["name"] == group["name"]);
        let difference = GroupDifference::new(earlier.unwrap_or(&Value::Null), group);
        let mut datagram = Datagram::new(Kind::Request, 0, sequence, time);
        datagram.add_text(field::INTERPRETER_NAME, group["name"].as_str().unwrap_or_default());
        difference.describe(&mut datagram, period);
        if let Some((one, other)) = cpu {
            datagram.add_number(field::CPU, (other - one).max(0.0) / period);
        }
        if let Some(bytes) = memory {
            datagram.add_count(field::MEMORY, bytes as u64);
        }
        datagram
    };
    (sequence..).zip(&groups(now)).map(build).collect()
}

/// What a group did between two readings.
#[derive(Debug, Default)]
struct GroupDifference {
    answers: [u64; 5],
    /// Buckets and sum of each of [`PHASES`].
    phases: [(Vec<u64>, f64); 4],
}

impl GroupDifference {
    fn new(before: &Value, now: &Value) -> Self {
        let count =
            |reading: &Value, class: usize| reading["requests"][format!("{class}xx")].as_u64().unwrap_or(0);
        let mut difference = Self {
            answers: std::array::from_fn(|class| {
                count(now, class + 1).saturating_sub(count(before, class + 1))
            }),
            ..Self::default()
        };
        for ((name, _), (buckets, sum)) in PHASES.iter().zip(&mut difference.phases) {
            let counts = |reading: &Value| -> Vec<u64> {
                let counts = reading[name]["buckets"].as_array().into_iter().flatten();
                counts.map(|count| count.as_u64().unwrap_or(0)).collect()
            };
            let old = counts(before);
            let earlier = old.iter().copied().chain(std::iter::repeat(0));
            *buckets = counts(now)
                .into_iter()
                .zip(earlier)
                .map(|(now, before)| now.saturating_sub(before))
                .collect();
            let seconds = |reading: &Value| reading[name]["sum"].as_f64().unwrap_or(0.0);
            *sum = (seconds(now) - seconds(before)).max(0.0);
        }
        difference
    }

    fn describe(&self, datagram: &mut Datagram, period: f64) {
        datagram.add_number(field::SAMPLE_PERIOD, period);
        datagram.add_count(field::REQUEST_COUNT, self.answers.iter().sum());
        for (id, count) in (field::STATUS_1XX..).zip(self.answers) {
            datagram.add_count(id, count);
        }
        for ((_, number), (buckets, sum)) in PHASES.iter().zip(&self.phases) {
            let count: u64 = buckets.iter().sum();
            datagram
                .add_number(field::SERVER_TIME + number, if count > 0 { sum / count as f64 } else { 0.0 });
            datagram.add_counts(field::SERVER_TIME_BUCKETS + number, buckets);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading(requests: u64, cpu: f64) -> Value {
        let times = json!({"buckets": [requests, 0], "sum": requests as f64 / 1000.0});
        json!({
            "process": {"cpu_seconds_total": cpu, "resident_memory_bytes": 5e7},
            "groups": [{
                "name": "shop", "requests": {"2xx": requests},
                "queue_time": times, "application_time": times, "response_time": times, "gil_wait": times,
            }],
        })
    }

    #[test]
    fn an_interval_is_the_difference_of_two_readings() {
        let datagrams = build_datagrams(&reading(10, 1.0), &reading(30, 2.0), 1, 2.0, 0.0);
        let [group] = datagrams.as_slice() else { panic!("{datagrams:?}") };
        assert_eq!((group.text(8), group.count(20)), (Some("shop".to_owned()), Some(20)));
        assert_eq!(
            (group.count(121), group.number(32), group.count(40)),
            (Some(20), Some(0.5), Some(50_000_000))
        );
        assert_eq!((group.counts(95), group.sequence), (vec![20, 0], 1));
        assert!((group.number(64).unwrap() - 0.001).abs() < 1e-9);
    }

    #[test]
    fn a_server_that_was_replaced_has_no_negative_counts() {
        let datagrams = build_datagrams(&reading(30, 2.0), &reading(10, 1.0), 1, 1.0, 0.0);
        assert_eq!((datagrams[0].count(20), datagrams[0].number(32)), (Some(0), Some(0.0)));
        for odd in [json!(null), json!({"groups": 5, "process": []}), json!({"groups": [7, {"name": 1}]})] {
            build_datagrams(&odd, &odd, 1, 1.0, 0.0);
            build_datagrams(&odd, &reading(1, 1.0), 1, 1.0, 0.0);
        }
    }
}
