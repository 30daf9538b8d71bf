//! What the live page shows: made once in each interval, for however many pages.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use wsgiaudit_probes_core::figures::fleet::Fleet;
use wsgiaudit_probes_core::figures::history::History;
use wsgiaudit_probes_core::figures::snapshot::Snapshot;
use wsgiaudit_probes_core::host_config::LivePageConfig;
use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind};
use wsgiaudit_probes_core::telemetry::lifecycle::ProcessIdentity;
use wsgiaudit_probes_core::telemetry::process_telemetry::ProcessTelemetry;

use super::lifecycle_file::LifecycleFile;
use super::process_files::ProcessFiles;
use super::request_exchange::ResponseAborted;

/// Pages that may be open at the same time.
const MAX_CLIENTS: usize = 16;

/// The longest time of a stream. Its page then connects again; a client that has vanished frees its place.
const LONGEST_STREAM: Duration = Duration::from_secs(240);

/// How long to wait for the last frame.
const LAST_FRAME: Duration = Duration::from_millis(500);

/// How long the end of the process waits for streams to end, if there are any, and then for their last bytes.
const LAST_STREAM: Duration = Duration::from_millis(300);
const LAST_BYTES: Duration = Duration::from_millis(30);

/// The frames for the pages, on the HTTP side.
#[derive(Debug)]
pub(super) struct LiveFeed {
    /// The last one, as a server-sent event.
    frames: watch::Receiver<LiveFrame>,
    places: Arc<Semaphore>,
    /// The first event of each stream: what does not change.
    greeting: Bytes,
}

#[derive(Clone, Debug, Default)]
struct LiveFrame {
    event: Bytes,
    /// Whether the process ends.
    is_last: bool,
}

/// Makes the frames, on the thread of the telemetry.
#[derive(Debug)]
pub(super) struct LivePublisher {
    frames: watch::Sender<LiveFrame>,
    fleet: Fleet,
    history: History,
    lifecycle: LifecycleFile,
    /// The figures of the other processes, if the server has several.
    processes: Option<ProcessFiles>,
    slot: usize,
    interval: f64,
    started: Instant,
}

/// Makes a feed, and what publishes in it.
pub(super) fn open_feed(
    config: &LivePageConfig,
    identity: &ProcessIdentity,
    interval: f64,
) -> (LiveFeed, LivePublisher) {
    let folder = Path::new(&config.folder);
    let (sender, frames) = watch::channel(LiveFrame::default());
    let greeting = json!({
        "pid": std::process::id(),
        "slot": config.slot,
        "ports": config.ports,
        "rules": config.rules,
        "python": identity.python,
        "host": identity.host,
        "group": identity.group,
    });
    let greeting = format!("retry: 1000\nevent: greeting\ndata: {greeting}\n\n").into();
    let feed = LiveFeed { frames, places: Arc::new(Semaphore::new(MAX_CLIENTS)), greeting };
    let publisher = LivePublisher {
        frames: sender,
        fleet: Fleet::default(),
        history: History::default(),
        lifecycle: LifecycleFile::open(folder),
        // With one process there is nothing to share: during a reload, its page does not show the other process.
        processes: (config.ports.len() > 1).then(|| ProcessFiles::new(folder)),
        slot: config.slot,
        interval,
        started: Instant::now(),
    };
    (feed, publisher)
}

impl LivePublisher {
    /// Takes in a datagram, which is sent as `bytes`.
    pub(super) fn take_datagram(&mut self, datagram: &Datagram, bytes: &[u8]) {
        let is_lifecycle =
            matches!(datagram.kind, Kind::ProcessStarted | Kind::ProcessStopping | Kind::ProcessStopped);
        if is_lifecycle {
            self.lifecycle.append(bytes);
        }
        self.fleet.take_decoded(datagram, self.started.elapsed());
        self.history.take_datagram(datagram);
    }

    /// Publishes what is known at the end of an interval. `time` is in seconds since 1970.
    pub(super) fn publish(&mut self, telemetry: &ProcessTelemetry, time: f64, is_last: bool) {
        self.fleet.pass_time(self.started.elapsed());
        self.history.end_interval(time);
        let mut snapshot = Snapshot::of_fleet(&self.fleet);
        // The frame has those of the slow log instead, which have stacks.
        snapshot.slow_requests.clear();
        snapshot.events = self.lifecycle.list_events();
        let own = self.summarize(&snapshot, time);
        let mut processes = Vec::new();
        if let Some(files) = &self.processes {
            files.write(&own);
            processes = files.read_others(time, self.interval);
        }
        processes.push(own);
        processes.sort_by_key(|process| (process["slot"].as_u64(), process["pid"].as_u64()));
        let frame = json!({
            "time": time,
            "active": telemetry.active(),
            "slow_threshold": telemetry.slow_threshold.map(|threshold| threshold.as_secs_f64()),
            "processes": processes,
            "snapshot": snapshot,
            "history": self.history,
            "slow_requests": telemetry.slow_log.to_json(),
        });
        let event = format!("data: {frame}\n\n").into();
        self.frames.send_replace(LiveFrame { event, is_last });
    }
}

impl LivePublisher {
    /// What the pages of the other processes show of this one.
    fn summarize(&self, snapshot: &Snapshot, time: f64) -> Value {
        let process = snapshot.processes.first();
        let figures = process.map(|process| &process.figures);
        json!({
            "time": time,
            "slot": self.slot,
            "pid": std::process::id(),
            "state": process.map(|process| process.state),
            "throughput": figures.map(|figures| figures.throughput),
            "busy": figures.and_then(|figures| figures.busy),
            "cpu": process.and_then(|process| process.cpu),
            "memory": process.and_then(|process| process.memory),
            "response": figures.map(|figures| figures.response),
            "gil_wait": figures.map(|figures| figures.gil_wait),
            "findings": snapshot.findings,
        })
    }
}

impl LiveFeed {
    /// Begins a stream of frames, which ends once another process takes over; `None` if too many are open. A client that
    /// reads too slowly misses frames, and delays nothing.
    pub(super) fn subscribe(
        &self,
        handover: impl Future<Output = ()> + Send + 'static,
    ) -> Option<mpsc::Receiver<Result<Bytes, ResponseAborted>>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (pieces, receiver) = mpsc::channel(2);
        let stream = FrameStream { frames: self.frames.clone(), pieces, _place: place };
        // There is space for two.
        let _ = stream.pieces.try_send(Ok(self.greeting.clone()));
        tokio::spawn(async move { tokio::time::timeout(LONGEST_STREAM, stream.send_frames(handover)).await });
        Some(receiver)
    }

    /// Waits for a moment until all streams have ended, so that none is cut off. Their last frame must have been published.
    pub(super) async fn finish_streams(&self) {
        if self.places.available_permits() == MAX_CLIENTS {
            return;
        }
        let all = u32::try_from(MAX_CLIENTS).unwrap_or(u32::MAX);
        drop(tokio::time::timeout(LAST_STREAM, self.places.acquire_many(all)).await);
        tokio::time::sleep(LAST_BYTES).await;
    }
}

struct FrameStream {
    frames: watch::Receiver<LiveFrame>,
    pieces: mpsc::Sender<Result<Bytes, ResponseAborted>>,
    _place: OwnedSemaphorePermit,
}

impl FrameStream {
    /// Sends frames until the client leaves, another process takes over, or this one ends.
    async fn send_frames(mut self, handover: impl Future<Output = ()>) {
        let mut handover = std::pin::pin!(handover);
        self.frames.mark_changed();
        loop {
            let is_handed_over = tokio::select! {
                changed = self.frames.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return,
                },
                () = self.pieces.closed() => return,
                () = &mut handover => true,
            };
            if is_handed_over {
                // Waits for the frame that shows that this process stops.
                let _ = tokio::time::timeout(LAST_FRAME, self.frames.changed()).await;
            }
            let frame = self.frames.borrow_and_update().clone();
            if !frame.event.is_empty() && self.pieces.send(Ok(frame.event)).await.is_err() {
                return;
            }
            if frame.is_last || is_handed_over {
                return;
            }
        }
    }
}
