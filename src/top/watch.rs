//! A source that is watched: what arrives is taken in, and recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use wsgiaudit_probes_core::figures::fleet::Fleet;

use super::recording::Recorder;
use super::source::{READING_INTERVAL, Source};

/// How long `--once` waits for the first figures of a server.
const FIRST_FIGURES: Duration = Duration::from_secs(5);

/// How often a signal is looked for.
const MOMENT: Duration = Duration::from_millis(100);

/// The longest interval of a server for which `--once` waits.
const LONGEST_INTERVAL: f64 = 60.0;

/// What is read, and what is known.
pub(super) struct Watch {
    source: Source,
    recorder: Option<Recorder>,
    pub(super) fleet: Fleet,
    started: Instant,
    stop: Arc<AtomicBool>,
    /// What the page calls the source.
    pub(super) name: String,
}

impl Watch {
    /// Watches a source until `stop` is set.
    pub(super) fn new(
        source: Source,
        name: String,
        recorder: Option<Recorder>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { source, recorder, fleet: Fleet::default(), started: Instant::now(), stop, name }
    }

    /// Whether a signal has arrived.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for a moment, and takes in what arrives.
    ///
    /// # Errors
    /// If the source or the recording fails.
    pub(super) fn receive(&mut self, patience: Duration) -> Result<()> {
        let now = self.started.elapsed();
        let datagrams = self.source.receive(now, patience)?;
        let now = self.started.elapsed();
        for bytes in &datagrams {
            self.fleet.take_datagram(bytes, now);
            if let Some(recorder) = &mut self.recorder {
                recorder.write_datagram(now, bytes)?;
            }
        }
        // A recording that has ended shows its last moment.
        if !self.source.is_at_end() {
            self.fleet.pass_time(now);
        }
        Ok(())
    }

    /// Collects what one interval of every process shows, and waits for the first figures for as many seconds. All of a
    /// recording is read at once.
    ///
    /// # Errors
    /// If the source or the recording fails.
    pub(super) fn collect_once(&mut self, wait: Option<f64>) -> Result<()> {
        if let Source::Recording { arrivals } = &mut self.source {
            for (time, bytes) in std::mem::take(arrivals).into_iter().rev() {
                self.fleet.pass_time(time);
                self.fleet.take_datagram(&bytes, time);
            }
            return Ok(());
        }
        let is_socket = matches!(self.source, Source::Socket(_));
        let first = match (is_socket, wait) {
            (true, Some(seconds)) => Duration::from_secs_f64(seconds),
            (true, None) => FIRST_FIGURES,
            (false, wait) => wait.map_or(READING_INTERVAL, Duration::from_secs_f64) + FIRST_FIGURES,
        };
        let deadline = Instant::now() + first;
        while !self.is_stopped() && Instant::now() < deadline && !self.fleet.has_figures() {
            self.receive(MOMENT)?;
        }
        // Other processes report at other moments of the interval. A reading has all of them at once.
        if is_socket {
            let interval = self.fleet.longest_interval().unwrap_or(0.0).min(LONGEST_INTERVAL);
            let deadline = Instant::now() + Duration::from_secs_f64(interval * 1.1);
            while !self.is_stopped() && Instant::now() < deadline {
                self.receive(MOMENT)?;
            }
        }
        Ok(())
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.recorder.as_mut().map_or(Ok(()), Recorder::flush)
    }
}
