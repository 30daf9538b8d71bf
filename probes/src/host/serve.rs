//! The process's life: start, ready, drain, end.

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::{Config, Ready};
use super::group::{self, Group, Running};
use super::guard;
use super::http::{self, Phase, Site};
use super::log::say;
use super::peer::Proxies;
use super::record::Log;
use super::{metrics, scrape};
use crate::python;

/// What the bootstrap calls, with the GIL held: serve as this file says, until SIGTERM, or until SIGHUP
/// says that another process accepts now. Returns the
/// process's exit status: 0 after an orderly end, 1 where nothing could be served or the deadline passed.
///
/// # Safety
/// The argument is a NUL-terminated path; the thread holds the main interpreter's GIL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn wsgiaudit_serve(path: *const c_char) -> c_int {
    // SAFETY: the caller's promises; the GIL is taken up again before the return.
    unsafe {
        let path = CStr::from_ptr(path).to_string_lossy().into_owned();
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        // As for trials: on 3.13.0, `datetime` imported first in a sub-interpreter and then here aborts at
        // exit.
        if python::Object::new(python::PyImport_ImportModule(c"datetime".as_ptr())).is_none() {
            python::PyErr_Clear();
        }
        let free_threaded = is_free_threaded();
        let config = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_slice::<Config>(&text).map_err(|error| error.to_string()));
        if let Some(plan) = config.as_ref().ok().and_then(|config| config.guard.clone()) {
            guard::install(plan);
        }
        let state = python::PyEval_SaveThread();
        let status = config.and_then(|config| run(config, free_threaded)).unwrap_or_else(|why| {
            say(&why);
            1
        });
        python::PyEval_RestoreThread(state);
        status
    }
}

/// Whether this is a free-threaded build.
unsafe fn is_free_threaded() -> bool {
    // SAFETY: the caller holds the GIL.
    unsafe {
        let name = c"abiflags".as_ptr();
        let flags = python::PySys_GetObject(name);
        !flags.is_null() && python::text(flags).is_some_and(|flags| flags.contains('t'))
    }
}

fn run(config: Config, free_threaded: bool) -> Result<c_int, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.http_threads.max(1))
        .thread_name("wsgiaudit-http")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // Before ready: a signal that comes right after it must find us.
    let (mut stop, mut hand_over) = {
        let _inside = runtime.enter();
        let watch = |kind| signal(kind).map_err(|error| error.to_string());
        (watch(SignalKind::terminate())?, watch(SignalKind::hangup())?)
    };

    let (mut groups, mut failed) = (Vec::new(), Vec::new());
    for plan in &config.groups {
        match Running::start(plan, &config.path, free_threaded) {
            Ok(group) => groups.push(group),
            Err(why) => failed.push((plan.name.clone(), format!("{}: {why}", plan.mode.name()))),
        }
    }
    for (name, why) in &failed {
        say(&format!("group {name} does not start: {why}"));
    }
    let serves = !groups.is_empty();
    tell(config.ready, &Ready { failed, serves });
    if !serves {
        return Ok(1);
    }

    let log = config.access_log.as_deref().map(Log::open).transpose()?;
    let (phase, _) = watch::channel(Phase::Serving);
    let site = Arc::new(Site {
        routes: routes(&config, &groups),
        limits: config.limits.clone(),
        groups: groups.iter().map(|running| Arc::clone(&running.group)).collect(),
        log,
        proxies: Proxies(config.proxies.clone()),
        started: Instant::now(),
        phase,
        open: AtomicU64::new(0),
        count: AtomicU64::new(0),
        is_done: AtomicBool::new(false),
    });
    let drain = Duration::from_secs_f64(config.limits.drain);
    for listener in config.metrics {
        runtime.spawn(scrape::serve(Arc::clone(&site), listener));
    }
    let (deadline, all_answered) = runtime.block_on(async {
        let served = tokio::spawn(http::serve(Arc::clone(&site), config.listeners));
        let next = tokio::select! {
            _ = stop.recv() => Phase::Draining,
            _ = hand_over.recv() => Phase::HandedOver,
        };
        site.phase.send_replace(next);
        let deadline = Instant::now() + drain;
        (deadline, tokio::time::timeout(drain, served).await.is_ok())
    });
    metrics::summary(&site).iter().for_each(|line| say(line));
    site.log.iter().for_each(Log::finish);
    if !all_answered {
        let open = site.open.load(Ordering::Relaxed);
        say(&format!("{open} requests were not answered within {} s", drain.as_secs_f64()));
        leave(1);
    }
    groups.iter().for_each(Running::stop);
    // At least a second: answering may have taken all the time there was.
    let deadline = deadline.max(Instant::now() + Duration::from_secs(1));
    match group::wait(groups, deadline) {
        Some(true) => Ok(0),
        Some(false) => leave(0),
        None => {
            say("interpreters did not end in time: the application's threads still run");
            leave(0)
        }
    }
}

/// Every prefix with its group, longest first.
fn routes(config: &Config, groups: &[Running]) -> Vec<(String, Option<Arc<Group>>)> {
    let mut routes = Vec::new();
    for plan in &config.groups {
        let group = groups.iter().map(|running| &running.group).find(|group| group.name == plan.name);
        routes.extend(plan.routes.iter().map(|prefix| (prefix.clone(), group.cloned())));
    }
    routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    routes
}

/// Ends the process without Python's finalization, which would wait for what is stuck.
fn leave(status: c_int) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn tell(descriptor: c_int, ready: &Ready) {
    // SAFETY: the supervisor opened it for us alone.
    let mut pipe = unsafe { File::from_raw_fd(descriptor) };
    if let Ok(mut line) = serde_json::to_vec(ready) {
        line.push(b'\n');
        drop(pipe.write_all(&line));
    }
}
