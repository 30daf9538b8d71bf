//! A configuration of the server: what `tune` compares.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Mode;

/// How the server runs the application.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerConfiguration {
    /// The kind of interpreter.
    pub mode: Mode,
    /// Number of processes.
    pub processes: usize,
    /// Interpreters of each process. More than one only with an own GIL.
    pub interpreters: usize,
    /// Threads of each interpreter.
    pub threads: usize,
    /// The switch interval of each interpreter in seconds; absent: CPython's own, 0.005.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_interval: Option<f64>,
}

impl ServerConfiguration {
    /// The simplest of a mode: one process with one thread.
    #[cfg(test)]
    pub(super) fn simplest_of(mode: Mode) -> Self {
        Self { mode, processes: 1, interpreters: 1, threads: 1, switch_interval: None }
    }

    /// Number of interpreters in all processes. Each has its own GIL, or none.
    pub(super) fn all_interpreters(&self) -> usize {
        self.processes * self.interpreters
    }

    /// Number of threads in all processes: as many requests are worked on at the same time.
    pub(super) fn all_threads(&self) -> usize {
        self.all_interpreters() * self.threads
    }

    /// Orders configurations from simple to demanding: what needs another Python or private copies comes last, then the
    /// number of interpreters, the mode, the number of threads, and how far the switch interval is from CPython's own.
    pub(super) fn simplicity(&self) -> (bool, usize, usize, usize, u64) {
        let (needs_more, mode) = match self.mode {
            Mode::Main => (false, 0),
            Mode::SharedGil => (false, 1),
            Mode::OwnGil => (false, 2),
            Mode::FreeThreaded | Mode::FreeThreadedGroup => (true, 3),
            Mode::OwnGilCopies => (true, 4),
        };
        let interval = self.switch_interval.map_or(0, |seconds| (1e9 / seconds.max(1e-9)) as u64);
        (needs_more, self.all_interpreters(), mode, self.threads, interval)
    }
}

impl fmt::Display for ServerConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: usize, one: &str, many: &str| match number {
            1 => format!("1 {one}"),
            number => format!("{number} {many}"),
        };
        write!(f, "{}: {}", self.mode, count(self.processes, "process", "processes"))?;
        if self.interpreters > 1 {
            write!(f, " x {} interpreters", self.interpreters)?;
        }
        write!(f, " x {}", count(self.threads, "thread", "threads"))?;
        match self.switch_interval {
            Some(seconds) => write!(f, ", interval {} ms", seconds * 1e3),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(mode: Mode, shape: (usize, usize, usize), interval: Option<f64>) -> ServerConfiguration {
        let (processes, interpreters, threads) = shape;
        ServerConfiguration { mode, processes, interpreters, threads, switch_interval: interval }
    }

    #[test]
    fn a_configuration_is_said_in_one_line() {
        let simplest = ServerConfiguration::simplest_of(Mode::Main);
        assert_eq!(simplest.to_string(), "main: 1 process x 1 thread");
        let own = configuration(Mode::OwnGil, (2, 4, 3), Some(0.0001));
        assert_eq!(own.to_string(), "own-gil: 2 processes x 4 interpreters x 3 threads, interval 0.1 ms");
        assert_eq!((own.all_interpreters(), own.all_threads()), (8, 24));
    }

    #[test]
    fn what_is_usual_and_small_is_simpler() {
        let ordered = [
            configuration(Mode::Main, (1, 1, 1), None),
            configuration(Mode::Main, (1, 1, 16), None),
            configuration(Mode::OwnGil, (1, 1, 2), Some(0.001)),
            configuration(Mode::OwnGil, (1, 1, 2), Some(0.0001)),
            configuration(Mode::Main, (2, 1, 1), None),
            configuration(Mode::Main, (2, 1, 2), None),
            configuration(Mode::OwnGil, (1, 2, 1), None),
            configuration(Mode::FreeThreaded, (1, 1, 2), None),
            configuration(Mode::OwnGilCopies, (1, 2, 1), None),
        ];
        assert!(ordered.is_sorted_by_key(ServerConfiguration::simplicity), "{ordered:#?}");
    }
}
