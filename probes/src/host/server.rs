//! Entry point and lifecycle of the host process: start, ready, drain, end.

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use wsgiaudit_probes_core::host_config::{HostConfig, HostReady};
use wsgiaudit_probes_core::metrics::summary_lines;
use wsgiaudit_probes_core::peer::TrustedProxies;
use wsgiaudit_probes_core::request_path::RouteTable;

use super::access_log::AccessLog;
use super::application_group::{self, ApplicationGroup, GroupsEnd, RunningGroup};
use super::http;
use super::import_guard;
use super::log::log_message;
use super::server_state::{ServerPhase, ServerState};
use super::{metrics, metrics_endpoint};
use crate::python;

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
        let config = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_slice::<HostConfig>(&text).map_err(|error| error.to_string()));
        if let Some(plan) = config.as_ref().ok().and_then(|config| config.guard.clone()) {
            import_guard::install_guard(plan);
        }
        let state = python::PyEval_SaveThread();
        let status = config.and_then(|config| run_server(config, free_threaded)).unwrap_or_else(|why| {
            log_message(&why);
            1
        });
        python::PyEval_RestoreThread(state);
        status
    }
}

fn run_server(config: HostConfig, free_threaded: bool) -> Result<c_int, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.http_threads.max(1))
        .thread_name("wsgiaudit-http")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // Installed before the ready message: a signal may arrive immediately after it.
    let (mut stop, mut hand_over) = {
        let _inside = runtime.enter();
        let watch = |kind| signal(kind).map_err(|error| error.to_string());
        (watch(SignalKind::terminate())?, watch(SignalKind::hangup())?)
    };

    let (mut groups, mut failed) = (Vec::new(), Vec::new());
    for plan in &config.groups {
        match RunningGroup::start_group(plan, &config.path, free_threaded) {
            Ok(group) => groups.push(group),
            Err(why) => failed.push((plan.name.clone(), format!("{}: {why}", plan.mode.name()))),
        }
    }
    for (name, why) in &failed {
        log_message(&format!("group {name} failed to start: {why}"));
    }
    let serves = !groups.is_empty();
    send_ready(config.ready, &HostReady { failed, serves });
    if !serves {
        return Ok(1);
    }

    let log = config.access_log.as_deref().map(AccessLog::open).transpose()?;
    let (phase, _) = watch::channel(ServerPhase::Serving);
    let server = Arc::new(ServerState {
        routes: build_routes(&config, &groups),
        limits: config.limits.clone(),
        groups: groups.iter().map(|running| Arc::clone(&running.group)).collect(),
        log,
        proxies: TrustedProxies(config.proxies.clone()),
        started: Instant::now(),
        phase,
        open: AtomicU64::new(0),
        count: AtomicU64::new(0),
        rejected: AtomicU64::new(0),
        is_done: AtomicBool::new(false),
    });
    let drain = Duration::from_secs_f64(config.limits.drain);
    for listener in config.metrics {
        runtime.spawn(metrics_endpoint::serve_metrics(Arc::clone(&server), listener));
    }
    let (deadline, all_answered) = runtime.block_on(async {
        let served = tokio::spawn(http::serve_listeners(Arc::clone(&server), config.listeners));
        let next = tokio::select! {
            _ = stop.recv() => ServerPhase::Draining,
            _ = hand_over.recv() => ServerPhase::HandedOver,
        };
        server.phase.send_replace(next);
        let deadline = Instant::now() + drain;
        (deadline, tokio::time::timeout(drain, served).await.is_ok())
    });
    let (groups_metrics, process) = (metrics::read_groups(&server), metrics::read_process(&server));
    summary_lines(&groups_metrics, &process).iter().for_each(|line| log_message(line));
    server.log.iter().for_each(AccessLog::flush);
    if !all_answered {
        let open = server.open.load(Ordering::Relaxed);
        log_message(&format!("{open} requests were not answered within {} s", drain.as_secs_f64()));
        exit_now(1);
    }
    groups.iter().for_each(RunningGroup::stop_all_threads);
    // At least a second: waiting for responses may have used up the drain time.
    let deadline = deadline.max(Instant::now() + Duration::from_secs(1));
    match application_group::wait_for_groups(groups, deadline) {
        GroupsEnd::Clean => Ok(0),
        GroupsEnd::Unclean => exit_now(0),
        GroupsEnd::Deadline => {
            log_message("interpreters did not end in time: threads of the application are still running");
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

fn send_ready(descriptor: c_int, ready: &HostReady) {
    // SAFETY: the supervisor opened the descriptor for this process alone.
    let mut pipe = unsafe { File::from_raw_fd(descriptor) };
    if let Ok(mut line) = serde_json::to_vec(ready) {
        line.push(b'\n');
        drop(pipe.write_all(&line));
    }
}
