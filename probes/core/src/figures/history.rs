//! What the last intervals of one process were like, for charts over time.

use std::collections::VecDeque;

use serde::Serialize;

use super::sample::Sample;
use crate::telemetry::datagram::{Datagram, Kind, field};
use crate::telemetry::phase_meter::Phase;

/// Intervals that are kept.
const MAX_COLUMNS: usize = 120;

/// Threads that are kept.
const MAX_THREADS: usize = 256;

/// The last intervals of one process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct History {
    /// The interpreters, with the number of their threads, in the order of [`HistoryColumn::busy`].
    interpreters: Vec<(String, usize)>,
    /// The latest last.
    columns: VecDeque<HistoryColumn>,
    #[serde(skip)]
    current: Option<Sample>,
    #[serde(skip)]
    current_interpreters: Vec<(String, usize)>,
}

/// An interval. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryColumn {
    /// Its end, since 1970.
    time: f64,
    /// Requests a second.
    throughput: f64,
    p95: Option<f64>,
    cpu: Option<f64>,
    /// A digit for each thread: how busy it was, in tenths, at most 9.
    busy: String,
}

impl History {
    /// Takes in a datagram of the present interval.
    pub fn take_datagram(&mut self, datagram: &Datagram) {
        let Some(sample) =
            (datagram.kind == Kind::Request).then(|| Sample::from_datagram(datagram)).flatten()
        else {
            return;
        };
        if !sample.workers.is_empty() {
            let name = datagram.text(field::INTERPRETER_NAME).unwrap_or_default();
            self.current_interpreters.push((name, sample.workers.len()));
        }
        match &mut self.current {
            None => self.current = Some(sample),
            Some(sum) => sum.add_part(&sample),
        }
    }

    /// Ends the interval.
    pub fn end_interval(&mut self, time: f64) {
        let Some(sample) = self.current.take() else { return };
        self.interpreters = std::mem::take(&mut self.current_interpreters);
        let digit = |busy: f64| {
            let tenths = (busy / sample.period.max(0.001) * 10.0).floor().clamp(0.0, 9.0) as u32;
            char::from_digit(tenths, 10).unwrap_or('0')
        };
        self.columns.push_back(HistoryColumn {
            time,
            throughput: sample.throughput(),
            p95: sample.phase(Phase::Request).quantile(0.95),
            cpu: sample.cpu,
            busy: sample.workers.iter().take(MAX_THREADS).map(|worker| digit(worker.busy)).collect(),
        });
        if self.columns.len() > MAX_COLUMNS {
            self.columns.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_datagrams::request_datagram;
    use super::*;

    #[test]
    fn an_interval_is_a_column_with_a_digit_for_each_thread() {
        let mut history = History::default();
        history.end_interval(0.0);
        for (name, busy) in [("shop/1", 0.25), ("shop/2", 1.0)] {
            let mut datagram = request_datagram(7, 100, busy);
            datagram.add_text(field::INTERPRETER_NAME, name);
            history.take_datagram(&datagram);
        }
        history.take_datagram(&Datagram::new(Kind::ProcessStarted, 7, 1, 0.0));
        history.end_interval(5.0);
        let json = serde_json::to_value(&history).unwrap();
        assert_eq!(json["interpreters"], serde_json::json!([["shop/1", 2], ["shop/2", 2]]));
        let column = &json["columns"][0];
        assert_eq!((&column["busy"], &column["throughput"]), (&"2299".into(), &200.0.into()));
        assert_eq!((&column["time"], json["columns"].as_array().unwrap().len()), (&5.0.into(), 1));
    }

    #[test]
    fn the_last_intervals_are_kept() {
        let mut history = History::default();
        for number in 0..MAX_COLUMNS + 7 {
            history.take_datagram(&request_datagram(7, 1, 0.5));
            history.end_interval(number as f64);
        }
        assert_eq!((history.columns.len(), history.columns[0].time), (MAX_COLUMNS, 7.0));
    }
}
