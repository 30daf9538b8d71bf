//! The thread that sends telemetry, and publishes the same for the live page. It never runs Python, and never delays the
//! threads that serve requests.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use wsgiaudit_probes_core::host_config::{LivePageConfig, TelemetryConfig};
use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind};
use wsgiaudit_probes_core::telemetry::interpreter_meter::{InterpreterMeter, WorkerInterval};
use wsgiaudit_probes_core::telemetry::lifecycle::{ProcessEnd, ProcessIdentity, StopReason};
use wsgiaudit_probes_core::telemetry::process_telemetry::ProcessTelemetry;
use wsgiaudit_probes_core::telemetry::report::{IntervalReport, ProcessUsage, describe_slow_request};

use super::live_feed::{LiveFeed, LivePublisher, open_feed};
use super::process_usage::read_usage;
use super::slow_watch::SlowWatch;
use super::telemetry_socket::TelemetrySocket;
use super::worker_watch::read_cpu_clock;

/// How long the end of the process waits for the last datagram.
const LAST_DATAGRAM: Duration = Duration::from_millis(500);

/// The running thread.
#[derive(Debug)]
pub(super) struct TelemetryReporter {
    commands: Sender<ReporterCommand>,
}

enum ReporterCommand {
    /// The process was told to end.
    Stopping(StopReason),
    /// The process ends now. Answered once the last datagram is sent.
    Stopped(Sender<()>),
}

impl TelemetryReporter {
    /// Starts the thread, which tells that the process has started.
    ///
    /// # Errors
    /// If the socket or the thread cannot be made.
    pub(super) fn start(
        plan: &TelemetryConfig,
        live: Option<&LivePageConfig>,
        telemetry: &Arc<ProcessTelemetry>,
        python: &str,
    ) -> Result<(Self, Option<LiveFeed>), String> {
        let open = |path: &String| TelemetrySocket::open(path.clone());
        let socket =
            plan.path.as_ref().map(open).transpose().map_err(|error| format!("telemetry: {error}"))?;
        let identity = ProcessIdentity {
            python: python.to_owned(),
            server: concat!("wsgiaudit/", env!("CARGO_PKG_VERSION")).to_owned(),
            host: read_host_name(),
            group: plan.group.clone(),
            parent: std::os::unix::process::parent_id(),
        };
        let (feed, publisher) = live.map(|config| open_feed(config, &identity, plan.interval)).unzip();
        let mut stream = TelemetryStream {
            socket,
            publisher,
            slow_watch: SlowWatch::default(),
            telemetry: Arc::clone(telemetry),
            identity,
            interval: Duration::from_secs_f64(plan.interval),
            sequence: 0,
            started: Instant::now(),
            last: Instant::now(),
            usage: read_usage(),
            cpu: Vec::new(),
            reason: StopReason::ShutdownSignal,
        };
        let (commands, received) = channel();
        std::thread::Builder::new()
            .name("wsgiaudit-tele".to_owned())
            .spawn(move || stream.run(&received))
            .map_err(|error| format!("cannot start the thread of the telemetry: {error}"))?;
        Ok((Self { commands }, feed))
    }

    /// Tells that the process was told to end.
    pub(super) fn report_stopping(&self, reason: StopReason) {
        drop(self.commands.send(ReporterCommand::Stopping(reason)));
    }

    /// Tells that the process ends, after what was measured since the last interval.
    pub(super) fn report_stopped(self) {
        let (sent, confirmation) = channel();
        if self.commands.send(ReporterCommand::Stopped(sent)).is_ok() {
            let _ = confirmation.recv_timeout(LAST_DATAGRAM);
        }
    }
}

/// What the thread works with.
struct TelemetryStream {
    socket: Option<TelemetrySocket>,
    publisher: Option<LivePublisher>,
    slow_watch: SlowWatch,
    telemetry: Arc<ProcessTelemetry>,
    identity: ProcessIdentity,
    interval: Duration,
    sequence: u32,
    started: Instant,
    /// The end of the last interval.
    last: Instant,
    /// What the system said then.
    usage: ProcessUsage,
    /// CPU time of each thread then, interpreter by interpreter.
    cpu: Vec<Duration>,
    reason: StopReason,
}

impl TelemetryStream {
    fn run(&mut self, commands: &Receiver<ReporterCommand>) {
        let identity = self.identity.clone();
        self.send(Kind::ProcessStarted, |datagram| identity.add_to(datagram));
        self.publish(false);
        let mut next = self.last + self.interval;
        let mut next_look = self.look_for_slow_requests();
        loop {
            let wake = next_look.map_or(next, |look| look.min(next));
            match commands.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(ReporterCommand::Stopping(reason)) => {
                    self.reason = reason;
                    let active = self.telemetry.active();
                    self.send(Kind::ProcessStopping, |datagram| {
                        identity.describe_stopping(datagram, reason, active);
                    });
                    self.publish(false);
                }
                Ok(ReporterCommand::Stopped(sent)) => {
                    self.end_interval();
                    let end = ProcessEnd {
                        reason: self.reason,
                        uptime: self.started.elapsed().as_secs_f64(),
                        requests: self.telemetry.lifetime_requests(),
                        active: self.telemetry.active(),
                    };
                    self.send(Kind::ProcessStopped, |datagram| identity.describe_stopped(datagram, &end));
                    self.publish(true);
                    let _ = sent.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    if next_look.is_some_and(|look| look <= now) {
                        next_look = self.look_for_slow_requests();
                    }
                    if next <= now {
                        self.end_interval();
                        self.publish(false);
                        next += self.interval;
                        if next <= self.last {
                            next = self.last + self.interval;
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks for slow requests, and returns when to look again. `None`: never.
    fn look_for_slow_requests(&mut self) -> Option<Instant> {
        Some(Instant::now() + self.slow_watch.check(&self.telemetry)?)
    }

    /// Publishes what is known for the live page.
    fn publish(&mut self, is_last: bool) {
        if let Some(publisher) = &mut self.publisher {
            publisher.publish(&self.telemetry, read_time(), is_last);
        }
    }

    /// Sends what was measured since the last call.
    fn end_interval(&mut self) {
        let telemetry = Arc::clone(&self.telemetry);
        let now = Instant::now();
        let period = (now - self.last).as_secs_f64();
        self.last = now;
        let usage_before = std::mem::replace(&mut self.usage, read_usage());
        let workers = self.read_workers(&telemetry.interpreters);
        let identity = self.identity.clone();
        let unassigned = telemetry.unassigned.end_interval();
        let report = IntervalReport {
            identity: &identity,
            name: "",
            period,
            interval: self.interval.as_secs_f64(),
            slow_threshold: telemetry.slow_threshold.unwrap_or_default().as_secs_f64(),
            switch_interval: None,
            requests: &unassigned,
            workers: &[],
            usage_before,
            usage: self.usage,
        };
        if unassigned.requests() > 0 {
            self.send(Kind::Request, |datagram| report.describe(datagram));
        }
        for (interpreter, workers) in telemetry.interpreters.iter().zip(&workers) {
            let requests = interpreter.end_interval();
            let report = IntervalReport {
                name: &interpreter.name,
                switch_interval: interpreter.switch_interval(),
                requests: &requests,
                workers,
                ..report
            };
            self.send(Kind::Request, |datagram| report.describe(datagram));
        }
        for slow in telemetry.take_slow_requests() {
            self.send(Kind::SlowRequest, |datagram| {
                describe_slow_request(datagram, &slow, std::process::id());
            });
        }
    }

    /// Reads what each thread of each interpreter did in the interval, with its CPU time.
    fn read_workers(
        &mut self,
        interpreters: &[Arc<InterpreterMeter>],
    ) -> Vec<Vec<(WorkerInterval, Duration)>> {
        let mut before = std::mem::take(&mut self.cpu).into_iter();
        let mut read = Vec::new();
        for interpreter in interpreters {
            let workers = interpreter.workers.iter().map(|worker| {
                let cpu = read_cpu_clock(worker);
                self.cpu.push(cpu);
                (worker.end_interval(), cpu.saturating_sub(before.next().unwrap_or_default()))
            });
            read.push(workers.collect());
        }
        read
    }

    /// Sends a datagram of a kind, which `describe` completes.
    fn send(&mut self, kind: Kind, describe: impl FnOnce(&mut Datagram)) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut datagram = Datagram::new(kind, std::process::id(), self.sequence, read_time());
        describe(&mut datagram);
        let bytes = datagram.encode();
        if let Some(socket) = &mut self.socket {
            socket.send_datagram(&bytes);
        }
        if let Some(publisher) = &mut self.publisher {
            publisher.take_datagram(&datagram, &bytes);
        }
    }
}

/// The time, in seconds since 1970.
fn read_time() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn read_host_name() -> String {
    let mut buffer = [0_u8; 256];
    // SAFETY: the buffer is as long as is said, and its last byte stays 0.
    let failed = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) } != 0;
    let name = std::ffi::CStr::from_bytes_until_nul(&buffer).map(|name| name.to_string_lossy().into_owned());
    if failed { String::new() } else { name.unwrap_or_default() }
}
