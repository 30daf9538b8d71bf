//! The state that all connections share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio_rustls::rustls::ServerConfig;
use wsgiaudit_probes_core::access_log_line::AccessLogLine;
use wsgiaudit_probes_core::host_config::{HostMessage, RequestLimits};
use wsgiaudit_probes_core::peer::{Peer, TrustedProxies};
use wsgiaudit_probes_core::request_path::RouteTable;
use wsgiaudit_probes_core::telemetry::lifecycle::StopReason;
use wsgiaudit_probes_core::telemetry::process_telemetry::ProcessTelemetry;

use super::access_log::AccessLog;
use super::application_group::ApplicationGroup;
use super::live_feed::LiveFeed;
use super::log::log_info;
use super::process_usage::resident_bytes;
use super::supervisor_pipe::SupervisorPipe;
use super::tls_identity::FailedHandshakes;

/// How often the age and the memory of the process are checked.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Lifecycle phase of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerPhase {
    /// Accepts connections.
    Serving,
    /// Accepts no connections, and closes each one with its next response.
    Draining,
    /// As `Draining`, while another process accepts from the same sockets.
    HandedOver,
    /// Idle connections are closed.
    Closing,
}

/// State shared by all connections.
pub(super) struct ServerState {
    /// Path prefixes and their groups; `None` for a group that failed to start.
    pub(super) routes: RouteTable<Option<Arc<ApplicationGroup>>>,
    /// Path prefixes of static files and their folders.
    pub(super) static_folders: RouteTable<String>,
    pub(super) limits: RequestLimits,
    pub(super) phase: watch::Sender<ServerPhase>,
    /// Number of requests waiting for a response.
    pub(super) open: AtomicU64,
    /// Number of requests so far.
    pub(super) count: AtomicU64,
    /// Number of requests after which the process asks to be replaced.
    pub(super) most_requests: Option<u64>,
    /// Number of requests that were refused before an application group was chosen.
    pub(super) rejected: AtomicU64,
    /// All groups that started.
    pub(super) groups: Vec<Arc<ApplicationGroup>>,
    /// The access log, if enabled.
    pub(super) log: Option<AccessLog>,
    /// Proxies whose `X-Forwarded-*` headers are trusted.
    pub(super) proxies: TrustedProxies,
    /// Whether connections of trusted proxies begin with a PROXY protocol header.
    pub(super) has_proxy_protocol: bool,
    /// What the connections of clients are encrypted with, if they are.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// TLS handshakes that failed.
    pub(super) failed_handshakes: FailedHandshakes,
    pub(super) started: Instant,
    pub(super) supervisor: SupervisorPipe,
    /// Why this process has asked to be replaced, if it has.
    pub(super) replacement_reason: OnceLock<StopReason>,
    /// What is measured for telemetry and the live page, if there is either.
    pub(super) telemetry: Option<Arc<ProcessTelemetry>>,
    /// What the live page shows, if there are metrics.
    pub(super) live: Option<LiveFeed>,
}

impl ServerState {
    /// Asks the supervisor, once, to replace this process.
    pub(super) fn request_replacement(&self, reason: StopReason, why: fmt::Arguments<'_>) {
        if self.replacement_reason.set(reason).is_ok() {
            log_info(&format!("{why}: asking for a replacement process"));
            self.supervisor.send_message(&HostMessage::Replace);
        }
    }

    /// Counts and logs a request that was refused before it could be dispatched.
    pub(super) fn record_refusal(&self, peer: &Peer, line: &str, status: StatusCode) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        if let Some(log) = &self.log {
            let line = AccessLogLine::from_refused(peer, SystemTime::now(), line);
            log.write_line(&line, status.as_u16(), 0, Duration::ZERO);
        }
    }

    /// Counts a TLS handshake that failed, and logs it, but not all of them: anybody can make them fail.
    pub(super) fn record_failed_handshake(&self, peer: &Peer, why: &str) {
        if let Some(unsaid) = self.failed_handshakes.count_failure(Instant::now()) {
            let others = if unsaid == 0 {
                String::new()
            } else {
                format!(" (and {unsaid} more since the last such message)")
            };
            let from = if peer.address.is_empty() { "a Unix socket" } else { &peer.address };
            log_info(&format!("no TLS handshake with {from}: {why}{others}"));
        }
    }

    /// Does what comes before the first request of a connection, within `--head-timeout`. `None` if open connections are
    /// closed before that.
    pub(super) async fn prepare_connection<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Option<Result<T, Elapsed>> {
        let mut phase = self.phase.subscribe();
        let timeout = Duration::from_secs_f64(self.limits.head);
        tokio::select! {
            done = tokio::time::timeout(timeout, work) => Some(done),
            () = wait_for_phase(&mut phase, ServerPhase::Closing) => None,
        }
    }

    /// Whether requests are accepted, and at least one group can take them.
    pub(super) fn is_ready(&self) -> bool {
        *self.phase.borrow() == ServerPhase::Serving && !self.groups.iter().all(|group| group.is_stuck())
    }

    /// Size in bytes of the buffer that a request head must fit in.
    pub(super) fn buffer_size(&self) -> usize {
        self.limits.head_size.max(8192)
    }
}

/// Asks for a replacement once the process is too old or uses too much memory.
pub(super) async fn watch_process(server: Arc<ServerState>) {
    let (lifetime, memory) = (server.limits.lifetime.map(Duration::from_secs_f64), server.limits.memory);
    while lifetime.is_some() || memory.is_some() {
        tokio::time::sleep(WATCH_INTERVAL).await;
        if lifetime.is_some_and(|most| server.started.elapsed() >= most) {
            let why = format_args!("--max-lifetime has passed");
            return server.request_replacement(StopReason::RestartInterval, why);
        }
        let Some(most) = memory else { continue };
        let resident = resident_bytes();
        if resident > most {
            let why = format_args!("{resident} bytes of resident memory");
            return server.request_replacement(StopReason::MemoryLimit, why);
        }
    }
}

pub(super) async fn wait_for_phase(phase: &mut watch::Receiver<ServerPhase>, wanted: ServerPhase) {
    drop(phase.wait_for(|phase| *phase >= wanted).await);
}
