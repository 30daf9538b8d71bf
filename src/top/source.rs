//! Where datagrams come from.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use serde_json::Value;

use super::http_get::MetricsUrl;
use super::metrics_poll::build_datagrams;
use super::telemetry_socket::TelemetryReceiver;

/// The interval between two readings of metrics, unless told otherwise.
pub(super) const READING_INTERVAL: Duration = Duration::from_secs(1);

/// A source of datagrams.
#[derive(Debug)]
pub(super) enum Source {
    /// Servers send to this socket.
    Socket(TelemetryReceiver),
    /// The metrics of a server are read.
    Metrics(MetricsReader),
    /// A recording.
    Recording {
        /// What is still to come, the next one last.
        arrivals: Vec<(Duration, Vec<u8>)>,
    },
}

impl Source {
    /// Opens `unix:PATH` or a URL.
    ///
    /// # Errors
    /// If the socket cannot be made, or nothing answers at the URL.
    pub(super) fn open(text: &str, mode: u32, interval: Duration) -> Result<Self> {
        match text.strip_prefix("unix:") {
            Some(path) => TelemetryReceiver::bind(Path::new(path), mode).map(Self::Socket),
            None => MetricsReader::new(MetricsUrl::parse(text)?, interval).map(Self::Metrics),
        }
    }

    /// Whether nothing more can arrive: a recording is at its end.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self, Self::Recording { arrivals } if arrivals.is_empty())
    }

    /// Waits for datagrams, for a moment, and returns those that have arrived by `now`. A moment may be longer for a server
    /// that does not answer.
    ///
    /// # Errors
    /// If the source fails for good.
    pub(super) fn receive(&mut self, now: Duration, patience: Duration) -> Result<Vec<Vec<u8>>> {
        match self {
            Self::Socket(receiver) => receiver.receive(patience),
            Self::Metrics(reader) => Ok(reader.read(patience)),
            Self::Recording { arrivals } => {
                let mut due = Vec::new();
                while arrivals.last().is_some_and(|(time, _)| *time <= now) {
                    due.extend(arrivals.pop().map(|(_, bytes)| bytes));
                }
                if due.is_empty() && !patience.is_zero() {
                    std::thread::sleep(patience);
                }
                Ok(due)
            }
        }
    }
}

/// Reads the metrics of a server at intervals.
#[derive(Debug)]
pub(super) struct MetricsReader {
    url: MetricsUrl,
    interval: Duration,
    last: (Instant, Value),
    sequence: u32,
}

impl MetricsReader {
    fn new(url: MetricsUrl, interval: Duration) -> Result<Self> {
        let first = url.fetch_json()?;
        Ok(Self { url, interval, last: (Instant::now(), first), sequence: 1 })
    }

    /// Waits for the next reading. A server that does not answer is asked again later: it is lost meanwhile.
    fn read(&mut self, patience: Duration) -> Vec<Vec<u8>> {
        let due = self.interval.saturating_sub(self.last.0.elapsed());
        if due > patience {
            std::thread::sleep(patience);
            return Vec::new();
        }
        std::thread::sleep(due);
        let Ok(now) = self.url.fetch_json() else {
            std::thread::sleep(patience);
            return Vec::new();
        };
        let (at, time) = (Instant::now(), SystemTime::now().duration_since(SystemTime::UNIX_EPOCH));
        let period = (at - self.last.0).as_secs_f64().max(0.001);
        let time = time.unwrap_or_default().as_secs_f64();
        let datagrams = build_datagrams(&self.last.1, &now, self.sequence, period, time);
        self.sequence = self.sequence.wrapping_add(u32::try_from(datagrams.len()).unwrap_or(1));
        self.last = (at, now);
        datagrams.iter().map(|datagram| datagram.encode()).collect()
    }
}
