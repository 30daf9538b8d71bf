//! Entry point and lifecycle of the host process: start, ready, drain, end.

use std::ffi::{CStr, c_char, c_int};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use wsgiaudit_probes_core::host_config::{HostConfig, HostMessage, HostReady, RequestLimits};
use wsgiaudit_probes_core::metrics::summary_lines;
use wsgiaudit_probes_core::peer::TrustedProxies;
use wsgiaudit_probes_core::request_path::RouteTable;
use wsgiaudit_probes_core::telemetry::interpreter_meter::InterpreterMeter;
use wsgiaudit_probes_core::telemetry::lifecycle::StopReason;
use wsgiaudit_probes_core::telemetry::process_telemetry::ProcessTelemetry;

use super::access_log::AccessLog;
use super::application_group::{self, ApplicationGroup, GroupsEnd, RunningGroup};
use super::host_signals::HostSignals;
use super::http;
use super::import_guard;
use super::inherited_descriptor::close_on_exec;
use super::live_feed::LiveFeed;
use super::log::{log_error, log_info, log_warning, reopen_error_log, set_log_settings};
use super::server_state::{ServerPhase, ServerState, watch_process};
use super::source_reports::watch_sources;
use super::supervisor_pipe::SupervisorPipe;
use super::telemetry_reporter::TelemetryReporter;
use super::tls_identity::{FailedHandshakes, read_server_config};
use super::{metrics, metrics_endpoint};
use crate::{copies, python};

/// Entry point, called by the bootstrap code with the GIL held.
///
/// Serves the configuration in this file until SIGTERM, or until SIGHUP, which means that another process
/// accepts connections now. Returns the exit status of the process: 0 after an orderly shutdown, 1 if nothing
/// could be served or the drain deadline passed.
///
/// # Safety
/// `path` is NUL-terminated; the thread holds the main interpreter's GIL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wsgiaudit_serve(path: *const c_char) -> c_int {
    // SAFETY: guaranteed by the caller; the GIL is reacquired before the return.
    unsafe {
        let path = CStr::from_ptr(path).to_string_lossy().into_owned();
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        // On 3.13.0, Python aborts at exit if `datetime` is imported in a sub-interpreter first and in the
        // main interpreter later. So it is imported here first, as in trials.
        if python::Object::new(python::PyImport_ImportModule(c"datetime".as_ptr())).is_none() {
            python::PyErr_Clear();
        }
        let free_threaded = python::is_free_threaded();
        let version = python::read_version();
        let config = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_slice::<HostConfig>(&text).map_err(|error| error.to_string()));
        if let Ok(config) = &config {
            set_log_settings(config.log);
        }
        let config = config.and_then(|config| match config.copies.clone() {
            Some(trees) => copies::set_process_trees(trees).map(|()| config),
            None => Ok(config),
        });
        if let Some(plan) = config.as_ref().ok().and_then(|config| config.guard.clone()) {
            import_guard::install_guard(plan);
        }
        let state = python::PyEval_SaveThread();
        let status =
            config.and_then(|config| run_server(config, free_threaded, &version)).unwrap_or_else(|why| {
                log_error(&why);
                1
            });
        python::PyEval_RestoreThread(state);
        status
    }
}

fn run_server(config: HostConfig, free_threaded: bool, version: &str) -> Result<c_int, String> {
    // Before the application can run a program, which would inherit them.
    config.inherited.iter().for_each(|descriptor| close_on_exec(*descriptor));
    // SAFETY: the descriptor is from the supervisor, which opened it for this process.
    let tls = config.tls.map(|descriptor| unsafe { read_server_config(descriptor) }).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.http_threads.max(1))
        .thread_name("wsgiaudit-http")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // SAFETY: the descriptor is from the supervisor, which opened it for this process.
    let supervisor = unsafe { SupervisorPipe::from_inherited(config.ready) };
    if config.reload {
        watch_sources(&supervisor);
    }
    // Installed before the ready message: a signal may arrive immediately after it.
    let signals = {
        let _inside = runtime.enter();
        HostSignals::watch().map_err(|error| format!("cannot watch for signals: {error}"))?
    };
    let mut interpreters = Vec::new();
    let (groups, failed) = start_groups(&config, free_threaded, &mut interpreters);
    let serves = !groups.is_empty();
    supervisor.send_message(&HostMessage::Ready(HostReady { failed, serves }));
    if !serves {
        return Ok(1);
    }
    let telemetry = config.telemetry.as_ref().map(|plan| {
        let slow = plan.slow_requests.map(Duration::from_secs_f64);
        Arc::new(ProcessTelemetry::new(interpreters, slow))
    });
    let (reporter, live) = match (&config.telemetry, &telemetry) {
        (Some(plan), Some(telemetry)) => {
            let (reporter, live) = TelemetryReporter::start(plan, config.live.as_ref(), telemetry, version)?;
            (Some(reporter), live)
        }
        (None, _) | (_, None) => (None, None),
    };
    let server = build_state(&config, &groups, supervisor, telemetry, live, tls)?;
    runtime.spawn(watch_process(Arc::clone(&server)));
    for listener in config.metrics {
        runtime.spawn(metrics_endpoint::serve_metrics(Arc::clone(&server), listener));
    }
    let drain = Duration::from_secs_f64(config.limits.drain);
    let (deadline, all_answered) = runtime.block_on(async {
        let served = tokio::spawn(http::serve_listeners(Arc::clone(&server), config.listeners));
        let phase =
            signals.wait_for_end(|| reopen_logs(server.log.as_ref(), config.error_log.as_deref())).await;
        server.phase.send_replace(phase);
        reporter.iter().for_each(|reporter| reporter.report_stopping(find_stop_reason(&server, phase)));
        let deadline = Instant::now() + drain;
        (deadline, tokio::time::timeout(drain, served).await.is_ok())
    });
    let (groups_metrics, process) = (metrics::read_groups(&server), metrics::read_process(&server));
    summary_lines(&groups_metrics, &process).iter().for_each(|line| log_info(line));
    server.log.iter().for_each(AccessLog::flush);
    reporter.into_iter().for_each(TelemetryReporter::report_stopped);
    if let Some(live) = &server.live {
        runtime.block_on(live.finish_streams());
    }
    if !all_answered {
        let open = server.open.load(Ordering::Relaxed);
        log_error(&format!("{open} requests were not answered within {} s", drain.as_secs_f64()));
        exit_now(1);
    }
    Ok(end_groups(groups, deadline))
}

/// Opens the log files again: a program that rotates logs has renamed them.
fn reopen_logs(access: Option<&AccessLog>, errors: Option<&str>) {
    access.into_iter().for_each(AccessLog::reopen);
    errors.into_iter().for_each(reopen_error_log);
}

/// Starts all groups. Returns those that run, and name and reason of each that does not.
fn start_groups(
    config: &HostConfig,
    free_threaded: bool,
    interpreters: &mut Vec<Arc<InterpreterMeter>>,
) -> (Vec<RunningGroup>, Vec<(String, String)>) {
    let (mut groups, mut failed) = (Vec::new(), Vec::new());
    for plan in &config.groups {
        let before = interpreters.len();
        let telemetry = config.telemetry.is_some().then_some(&mut *interpreters);
        match RunningGroup::start_group(plan, &config.path, free_threaded, telemetry) {
            Ok(group) => groups.push(group),
            Err(why) => {
                interpreters.truncate(before);
                failed.push((plan.name.clone(), format!("{}: {why}", plan.mode.name())));
            }
        }
    }
    for (name, why) in &failed {
        log_error(&format!("group {name} failed to start: {why}"));
    }
    (groups, failed)
}

fn build_state(
    config: &HostConfig,
    groups: &[RunningGroup],
    supervisor: SupervisorPipe,
    telemetry: Option<Arc<ProcessTelemetry>>,
    live: Option<LiveFeed>,
    tls: Option<Arc<ServerConfig>>,
) -> Result<Arc<ServerState>, String> {
    let (phase, _) = watch::channel(ServerPhase::Serving);
    Ok(Arc::new(ServerState {
        routes: build_routes(config, groups),
        static_folders: RouteTable::new(
            config.static_folders.iter().map(|each| (each.prefix.clone(), each.folder.clone())).collect(),
        ),
        limits: config.limits.clone(),
        groups: groups.iter().map(|running| Arc::clone(&running.group)).collect(),
        log: config
            .access_log
            .as_deref()
            .map(|path| AccessLog::open(path, config.access_log_format))
            .transpose()?,
        proxies: TrustedProxies::parse(&config.proxies, &config.proxy_headers)?,
        has_proxy_protocol: config.proxy_protocol,
        tls,
        failed_handshakes: FailedHandshakes::default(),
        started: Instant::now(),
        phase,
        open: AtomicU64::new(0),
        count: AtomicU64::new(0),
        most_requests: choose_most_requests(&config.limits),
        rejected: AtomicU64::new(0),
        supervisor,
        replacement_reason: OnceLock::new(),
        telemetry,
        live,
    }))
}

/// Why this process ends.
fn find_stop_reason(server: &ServerState, phase: ServerPhase) -> StopReason {
    match (server.replacement_reason.get(), phase) {
        (Some(reason), ServerPhase::HandedOver) => *reason,
        (None, ServerPhase::HandedOver) => StopReason::GracefulSignal,
        (_, ServerPhase::Serving | ServerPhase::Draining | ServerPhase::Closing) => {
            StopReason::ShutdownSignal
        }
    }
}

/// Ends all interpreters. Returns the exit status.
fn end_groups(groups: Vec<RunningGroup>, deadline: Instant) -> c_int {
    groups.iter().for_each(RunningGroup::stop_all_threads);
    // At least a second: waiting for responses may have used up the drain time.
    let deadline = deadline.max(Instant::now() + Duration::from_secs(1));
    match application_group::wait_for_groups(groups, deadline) {
        GroupsEnd::Clean => 0,
        GroupsEnd::Unclean => exit_now(0),
        GroupsEnd::Deadline => {
            log_warning("interpreters did not end in time: threads of the application are still running");
            exit_now(0)
        }
    }
}

/// Returns every path prefix with its group; `None` for a group that failed to start.
fn build_routes(config: &HostConfig, groups: &[RunningGroup]) -> RouteTable<Option<Arc<ApplicationGroup>>> {
    let mut routes = Vec::new();
    for plan in &config.groups {
        let group = groups.iter().map(|running| &running.group).find(|group| group.name == plan.name);
        routes.extend(plan.routes.iter().map(|prefix| (prefix.clone(), group.cloned())));
    }
    RouteTable::new(routes)
}

/// Ends the process without Python's finalization, which would wait for stuck threads.
fn exit_now(status: c_int) -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(status) }
}

/// The number of requests after which this process asks to be replaced.
fn choose_most_requests(limits: &RequestLimits) -> Option<u64> {
    // Each `RandomState` has other keys.
    let random = RandomState::new().build_hasher().finish();
    let extra = random.checked_rem(limits.requests_jitter.saturating_add(1)).unwrap_or(0);
    limits.requests.map(|requests| requests.saturating_add(extra))
}
