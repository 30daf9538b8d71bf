//! The command: reads a source until it has shown enough.

use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use wsgiaudit_probes_core::figures::snapshot::Snapshot;

use super::page::{compose_page, render_text};
use super::recording::{Recorder, read_recording};
use super::screen::show_live;
use super::source::{READING_INTERVAL, Source};
use super::watch::Watch;
use crate::cli::{TextFormat, TopArgs};
use crate::exit::Exit;
use crate::render::escape::escape_json;
use crate::render::style::TextStyle;

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
    let (source, name) = open_source(args)?;
    // After the source: an unfit one leaves an older recording as it is.
    let recorder = args.record.as_deref().map(Recorder::create).transpose()?;
    let mut watch = Watch::new(source, name, recorder, stop);
    if !args.once {
        let exit = show_live(&mut watch, style);
        return watch.finish().and(exit).map(|exit| (exit, String::new()));
    }
    watch.collect_once(args.wait)?;
    if watch.is_stopped() {
        return watch.finish().map(|()| (Exit::Interrupted, String::new()));
    }
    let snapshot = Snapshot::of_fleet(&watch.fleet);
    let text = match args.format {
        TextFormat::Text => render_text(&compose_page(&snapshot, &watch.name, style)),
        TextFormat::Json => escape_json(&(serde_json::to_string_pretty(&snapshot)? + "\n")).into_owned(),
    };
    if !watch.fleet.has_figures() {
        bail!("{}", describe_silence(&watch.name, args.replay.is_some()));
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

/// What is said if no figures arrived.
fn describe_silence(source: &str, is_recording: bool) -> String {
    match source.strip_prefix("unix:") {
        _ if is_recording => format!("{source} has no figures at its end"),
        Some(path) => format!(
            "no telemetry arrived at {path}\nhint: wsgiaudit serve --telemetry unix:{path}, or WSGITelemetryService \
             unix:{path} in Apache's configuration; --wait for longer intervals"
        ),
        None => {
            format!("no figures could be read from {source}\nhint: the address of wsgiaudit serve --metrics")
        }
    }
}
