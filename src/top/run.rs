//! The command: reads a source until it has shown enough.

use std::io::{IsTerminal, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::fleet::Fleet;
use super::page::{compose_page, render_text};
use super::recording::{Recorder, read_recording};
use super::screen::show_live;
use super::snapshot::Snapshot;
use super::source::Source;
use crate::cli::{TextFormat, TopArgs};
use crate::exit::Exit;
use crate::render::escape::escape_json;
use crate::render::style::TextStyle;

/// How long `--once` waits for the first figures of a server.
const FIRST_FIGURES: Duration = Duration::from_secs(5);

/// The interval between two readings of metrics.
const READING_INTERVAL: Duration = Duration::from_secs(1);

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

/// Shows the source, once or until the user ends it. Returns the exit status with the text of `--once`.
///
/// # Errors
/// If the source cannot be read, or there is no terminal to show it on.
pub fn run_top(args: &TopArgs, style: TextStyle) -> Result<(Exit, String)> {
    if !args.once && !stdout().is_terminal() {
        bail!("the output is not a terminal\nhint: --once prints what one interval shows");
    }
    // Before the socket is made, which is removed at the end.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot watch for signals")?;
    }
    let recorder = args.record.as_deref().map(Recorder::create).transpose()?;
    let (source, name) = open_source(args)?;
    let mut watch = Watch { source, recorder, fleet: Fleet::default(), started: Instant::now(), stop, name };
    if !args.once {
        let exit = show_live(&mut watch, style);
        return watch.finish().and(exit).map(|exit| (exit, String::new()));
    }
    watch.collect_once(args)?;
    if watch.is_stopped() {
        return watch.finish().map(|()| (Exit::Interrupted, String::new()));
    }
    let snapshot = Snapshot::of_fleet(&watch.fleet);
    let text = match args.format {
        TextFormat::Text => render_text(&compose_page(&snapshot, &watch.name, style)),
        TextFormat::Json => escape_json(&(serde_json::to_string_pretty(&snapshot)? + "\n")).into_owned(),
    };
    if !watch.fleet.has_figures() {
        bail!("{}", describe_silence(&watch.name));
    }
    watch.finish().map(|()| (Exit::Ready, text))
}

fn open_source(args: &TopArgs) -> Result<(Source, String)> {
    match (&args.replay, &args.source) {
        (Some(file), _) => {
            let mut arrivals = read_recording(file)?;
            arrivals.reverse();
            Ok((Source::Recording { arrivals }, file.display().to_string()))
        }
        (None, Some(text)) => {
            let interval = args.wait.map_or(READING_INTERVAL, Duration::from_secs_f64);
            Ok((Source::open(text, args.socket_mode, interval)?, text.clone()))
        }
        (None, None) => bail!("nothing to show\nhint: unix:PATH, a URL, or --replay FILE"),
    }
}

impl Watch {
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

    /// Collects what one interval of every process shows. All of a recording is read at once.
    fn collect_once(&mut self, args: &TopArgs) -> Result<()> {
        if let Source::Recording { arrivals } = &mut self.source {
            for (time, bytes) in std::mem::take(arrivals).into_iter().rev() {
                self.fleet.pass_time(time);
                self.fleet.take_datagram(&bytes, time);
            }
            return Ok(());
        }
        let is_socket = matches!(self.source, Source::Socket(_));
        let first = match (is_socket, args.wait) {
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
    fn finish(&mut self) -> Result<()> {
        self.recorder.as_mut().map_or(Ok(()), Recorder::flush)
    }
}

/// What is said if nothing arrived.
fn describe_silence(source: &str) -> String {
    let path = Path::new(source.strip_prefix("unix:").unwrap_or(source)).display();
    format!(
        "no telemetry arrived at {path}\nhint: wsgiaudit serve --telemetry unix:{path}, or WSGITelemetryService \
         unix:{path} in Apache's configuration; --wait for longer intervals"
    )
}
