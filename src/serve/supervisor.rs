//! Starts, replaces and ends host processes, as signals and the processes themselves request.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use tempfile::TempDir;
use wsgiaudit_probes_core::host_config::{GroupConfig, HostMessage, HostReady};
use wsgiaudit_probes_core::tls::TlsIdentity;

use super::error_log::ErrorLog;
use super::guard;
use super::host::{Host, HostFiles, HostStart, SupervisorEvent};
use super::host_config::{self, find_import_folders};
use super::listening_socket::ListeningSocket;
use super::live_page;
use super::private_copies::HostCopies;
use super::process_settings::{PidFile, apply_process_settings};
use super::reload::keep_fixed_options;
use super::restart_delay::RestartDelay;
use super::serve_options::ServeOptions;
use super::serve_user::ServeUser;
use super::service_manager::ServiceManager;
use super::socket_access::SocketAccess;
use super::source_watch::SourceWatch;
use super::tls_files::read_tls_identity;
use crate::cli::ServeArgs;
use crate::trial::ProbeLibrary;
use crate::venv::query_interpreter;

/// How much longer than `--drain` a process may take to end before it is killed.
const LAST_RESORT: Duration = Duration::from_secs(10);

/// How long a process may take to start if its sources have changed since. Then it is killed.
const OUTDATED_START: Duration = Duration::from_secs(10);

/// Where to listen if nothing else is named.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8000";

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEnd {
    /// Every host ended with exit status 0.
    Clean,
    /// A host did not.
    Unclean,
    /// It did not start, and the error log says why.
    NotStarted,
}

/// Serves until SIGTERM, SIGINT or SIGQUIT.
///
/// # Errors
/// If the sockets cannot be bound or the application does not start.
pub fn supervise(options: &ServeOptions) -> Result<ServerEnd> {
    let args = options.read()?;
    apply_process_settings(&args)?;
    let mut log = ErrorLog::new(&args.operation);
    match run_supervisor(options, args, &mut log) {
        Ok(true) => Ok(ServerEnd::Clean),
        Ok(false) => Ok(ServerEnd::Unclean),
        Err(error) if log.report_failed_start(&error) => Ok(ServerEnd::NotStarted),
        Err(error) => Err(error),
    }
}

/// Binds the sockets and serves. Returns whether every host ended with exit status 0.
fn run_supervisor(options: &ServeOptions, args: ServeArgs, log: &mut ErrorLog) -> Result<bool> {
    let inherited = ListeningSocket::inherit_all()?;
    let user = ServeUser::find(&args.operation)?;
    if user.is_none() {
        log.open_file(&args.operation)?;
    }
    let tls = read_tls_identity(&args.tls)?;
    let (sender, events) = channel();
    watch_signals(&sender)?;
    let access = SocketAccess::from_args(&args)?;
    let bound = bind_sockets(&args, inherited, access)?;
    let processes = args.processes.get();
    let metrics = (0..processes)
        .map(|slot| {
            args.metrics.iter().map(|address| ListeningSocket::for_slot(address, slot, access)).collect()
        })
        .collect::<Result<Vec<Vec<_>>>>()?;
    // If another server has the sockets, its file stays as it is.
    let _pid_file = args.pid_file.as_deref().map(PidFile::write).transpose()?;
    if let Some(user) = &user {
        user.switch_process()?;
        // Whatever is opened later is opened as this user, so that root never follows a path that the user can change.
        log.open_file(&args.operation)?;
        log.info(&format!("every process runs as {} from now on", user.describe()));
        if let Err(error) = read_tls_identity(&args.tls) {
            log.warn(&format!(
                "a reload cannot read the TLS files, and will keep the certificate: {error:#}"
            ));
        }
    }
    options.describe_unknown_variables().iter().for_each(|message| log.warn(message));
    let folder = tempfile::Builder::new().prefix("wsgiaudit-").tempdir()?;
    let library = ProbeLibrary::install(folder.path()).context("cannot write the probes' library")?;
    let sources = watch_sources(&args, options)?;
    let mut supervisor = Supervisor {
        options,
        args,
        user,
        log,
        manager: ServiceManager::from_environment(),
        tls,
        bound,
        metrics,
        folder,
        library,
        sender,
        hosts: Vec::new(),
        restarts: vec![RestartDelay::default(); processes],
        to_replace: VecDeque::new(),
        groups: Vec::new(),
        sources,
        has_served: false,
        kill_at: None,
        is_clean: true,
    };
    // The others follow once the first serves, so that an application that cannot start says so once.
    supervisor.start_host(0)?;
    supervisor.run_event_loop(&events)
}

/// Begins to watch what is known before the application tells what it has loaded.
fn watch_sources(args: &ServeArgs, options: &ServeOptions) -> Result<Option<SourceWatch>> {
    if !args.operation.reload {
        return Ok(None);
    }
    let files: Vec<PathBuf> = options.file().map(Path::to_owned).into_iter().collect();
    let folders: Vec<PathBuf> = find_import_folders(args)?.into_iter().map(PathBuf::from).collect();
    Ok(Some(SourceWatch::new(&files, &folders)))
}

/// Returns the sockets to serve on: those of the service manager and of the command line.
fn bind_sockets(
    args: &ServeArgs,
    inherited: Vec<ListeningSocket>,
    access: SocketAccess,
) -> Result<Vec<ListeningSocket>> {
    let mut sockets = inherited;
    for address in &args.bind {
        sockets.push(ListeningSocket::new(address, access)?);
    }
    if sockets.is_empty() {
        sockets.push(ListeningSocket::new(DEFAULT_ADDRESS, access)?);
    }
    Ok(sockets)
}

/// The state of the supervisor.
struct Supervisor<'a> {
    options: &'a ServeOptions,
    args: ServeArgs,
    /// The user that serves, if it is another one than this process had at its start.
    user: Option<ServeUser>,
    log: &'a mut ErrorLog,
    manager: ServiceManager,
    /// The certificates and the key, if connections are encrypted.
    tls: Option<TlsIdentity>,
    bound: Vec<ListeningSocket>,
    /// Sockets of the metrics endpoint, for each slot.
    metrics: Vec<Vec<ListeningSocket>>,
    folder: TempDir,
    library: ProbeLibrary,
    sender: Sender<SupervisorEvent>,
    /// The running hosts, oldest first. The last one of each slot serves, or is starting.
    hosts: Vec<Host>,
    /// When to start the next host of each slot, if it has none.
    restarts: Vec<RestartDelay>,
    /// Slots whose host is still to be replaced, one after the other.
    to_replace: VecDeque<usize>,
    /// The groups of the last host.
    groups: Vec<GroupConfig>,
    /// The sources of the application, with `--reload`.
    sources: Option<SourceWatch>,
    has_served: bool,
    /// Set once it is stopping: when to kill what still runs.
    kill_at: Option<Instant>,
    is_clean: bool,
}

impl Supervisor<'_> {
    /// Starts a new host with the present configuration.
    fn start_host(&mut self, slot: usize) -> Result<()> {
        let python = host_config::find_python(&self.args)?;
        let folder = tempfile::Builder::new().prefix("host-").tempdir_in(self.folder.path())?;
        let found = query_interpreter(&python, folder.path())?;
        let guard = guard::build_guard(&self.args, &found, folder.path())?;
        let metrics = self.metrics.get(slot).map(Vec::as_slice).unwrap_or_default();
        let (mut config, notes) =
            host_config::build_host_config(&self.args, &self.bound, metrics, guard, found.free_threaded)?;
        config.inherited = self.list_descriptors();
        config.live = live_page::describe_server(slot, &self.metrics, self.folder.path());
        if slot == 0 {
            notes.iter().for_each(|note| self.log.warn(note));
        }
        // The processes share one store: its files serve one interpreter of each.
        let store = self.folder.path();
        let copies = HostCopies::prepare(&config.groups, &found, &config.path, config.guard.as_ref(), store)?;
        config.copies = copies.as_ref().map(HostCopies::trees);
        let files = HostFiles { folder, copies };
        let (tls, user) = (self.tls.as_ref(), self.user.as_ref());
        let start = HostStart { python: &python, library: &self.library, tls, user };
        let host = Host::start(&start, &config, (slot, files), &self.sender)?;
        self.hosts.push(host);
        if let Some(restart) = self.restarts.get_mut(slot) {
            restart.cancel();
        }
        self.groups = config.groups;
        Ok(())
    }

    /// Returns all descriptors that a host inherits.
    fn list_descriptors(&self) -> Vec<i32> {
        let sockets = self.bound.iter().chain(self.metrics.iter().flatten());
        sockets.map(ListeningSocket::descriptor).collect()
    }

    /// Starts a new host for a slot. If that fails, says so and tries again later.
    fn start_host_or_retry(&mut self, slot: usize) {
        if let Err(error) = self.start_host(slot) {
            let delay = self.delay_restart(slot);
            self.log.error(&format!(
                "cannot start the server {}: {error:#}; next attempt in {delay}",
                self.describe(slot)
            ));
        }
    }

    fn delay_restart(&mut self, slot: usize) -> String {
        let delay = self.restarts.get_mut(slot).map(|restart| restart.delay_restart(Instant::now()));
        format!("{:.1} s", delay.unwrap_or_default().as_secs_f64())
    }

    /// Handles events until the last host has ended after a stop signal. Returns whether all ended as they should.
    fn run_event_loop(&mut self, events: &Receiver<SupervisorEvent>) -> Result<bool> {
        loop {
            let restarts = self.restarts.iter().filter_map(|restart| restart.at);
            let polls = self.sources.as_ref().map(|sources| sources.next_poll);
            let deadline = restarts.chain(self.kill_at).chain(self.manager.next_ping).chain(polls).min();
            let event = match deadline {
                None => events.recv()?,
                Some(at) => match events.recv_timeout(at.saturating_duration_since(Instant::now())) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) => {
                        self.handle_deadlines();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => bail!("the supervisor lost its events"),
                },
            };
            self.handle_event(event)?;
            if self.kill_at.is_some() && self.hosts.is_empty() {
                return Ok(self.is_clean);
            }
        }
    }

    fn handle_event(&mut self, event: SupervisorEvent) -> Result<()> {
        match event {
            SupervisorEvent::Signal(SIGHUP) if self.kill_at.is_none() => {
                self.reload();
            }
            SupervisorEvent::Signal(SIGUSR1) => {
                self.log.reopen();
                self.hosts.iter_mut().for_each(Host::reopen_logs);
            }
            SupervisorEvent::Signal(SIGTERM | SIGINT | SIGQUIT) => self.stop(),
            SupervisorEvent::Signal(SIGHUP) => {}
            SupervisorEvent::Signal(signal) => {
                let name = signal_hook::low_level::signal_name(signal).unwrap_or("this signal");
                self.log.info(&format!("{name} has no effect"));
            }
            SupervisorEvent::Message(pid, HostMessage::Ready(ready)) => self.handle_host_ready(pid, &ready),
            SupervisorEvent::Message(pid, HostMessage::Replace) => {
                let slot = self.hosts.iter().find(|host| host.pid == pid).map(|host| host.slot);
                if let Some(slot) = slot.filter(|slot| !self.to_replace.contains(slot)) {
                    self.to_replace.push_back(slot);
                    self.replace_next();
                }
            }
            SupervisorEvent::Message(pid, HostMessage::Sources(paths)) => {
                let host = self.hosts.iter().find(|host| host.pid == pid);
                let age = host.map_or(Duration::ZERO, |host| host.started.elapsed());
                if let Some(sources) = &mut self.sources {
                    sources.add_files(paths, SystemTime::now() - age);
                }
            }
            SupervisorEvent::Ended(pid, status) => {
                let Some(position) = self.hosts.iter().position(|host| host.pid == pid) else {
                    return Ok(());
                };
                let host = self.hosts.remove(position);
                if self.kill_at.is_some() {
                    // A host that has not served yet ends by the signal.
                    self.is_clean &= status.success() || !host.serves;
                } else if !self.hosts.iter().skip(position).any(|other| other.slot == host.slot) {
                    self.handle_host_loss(&host, &status.to_string())?;
                }
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        if self.kill_at.is_none() {
            self.kill_at = Some(Instant::now() + Duration::from_secs_f64(self.args.drain) + LAST_RESORT);
            self.manager.notify_stopping();
            self.bound.clear();
            self.sources = None;
            self.restarts.iter_mut().for_each(RestartDelay::cancel);
            self.hosts.iter().for_each(Host::stop);
        }
    }

    /// Starts the hosts that are due, or kills those that do not end.
    fn handle_deadlines(&mut self) {
        let now = Instant::now();
        self.manager.ping_watchdog(now);
        if self.kill_at.is_some_and(|at| at <= now) {
            self.is_clean = false;
            self.hosts.iter().for_each(Host::kill);
            self.kill_at = Some(now + LAST_RESORT);
        }
        self.reload_changed_sources(now);
        for slot in 0..self.restarts.len() {
            if self.restarts.get_mut(slot).is_some_and(|restart| restart.take_due(now)) {
                self.start_host_or_retry(slot);
            }
        }
    }

    /// Handles an unexpected end of the newest host of a slot.
    fn handle_host_loss(&mut self, host: &Host, status: &str) -> Result<()> {
        let slot = host.slot;
        if !host.serves && !self.has_served {
            if self.sources.is_none() {
                bail!("the application was not started ({status})");
            }
            self.to_replace.clear();
            self.log.error(&format!(
                "the application was not started ({status}): waiting for a change of its sources"
            ));
            return Ok(());
        }
        if !host.serves && self.hosts.iter().any(|other| other.slot == slot) {
            self.log.error("the new process did not start serving: the old one continues");
            // It would not start for the other slots either.
            self.to_replace.clear();
            self.manager.notify_ready();
            return Ok(());
        }
        let what = format!("{} ended: {status}", self.describe_host(host));
        if host.serves && self.restarts.get_mut(slot).is_some_and(|restart| restart.record_end(host.started))
        {
            self.log.error(&format!("{what}; a new one starts"));
            self.start_host_or_retry(slot);
        } else {
            let delay = self.delay_restart(slot);
            self.log.error(&format!("{what}; a new one starts in {delay}"));
        }
        Ok(())
    }

    /// Reads the options again, and replaces every host.
    fn reload(&mut self) {
        self.manager.notify_reloading();
        if let Err(error) = self.read_options_again() {
            self.report_failed_reload(&error);
            return;
        }
        // The others follow once the first serves.
        let count = if self.has_served { self.restarts.len() } else { 1 };
        self.to_replace = (0..count).collect();
        self.replace_next();
    }

    /// Reloads after sources have changed and no further change follows. Waits for a host that is starting, which may have
    /// loaded the old sources, and kills it if it takes too long.
    fn reload_changed_sources(&mut self, now: Instant) {
        let Some(sources) = &mut self.sources else { return };
        if !sources.poll(now) {
            return;
        }
        let mut starting = self.hosts.iter().filter(|host| !host.serves).peekable();
        if starting.peek().is_some() {
            starting.filter(|host| host.started.elapsed() > OUTDATED_START).for_each(Host::kill);
            return;
        }
        let changed = sources.take_changes();
        self.log.info(&format!("reloading: {changed} changed"));
        self.reload();
    }

    /// Starts a host for the next slot that is to be replaced, unless one is starting already.
    fn replace_next(&mut self) {
        if self.kill_at.is_some() || self.hosts.iter().any(|host| !host.serves) {
            return;
        }
        let Some(slot) = self.to_replace.pop_front() else { return };
        if let Err(error) = self.start_host(slot) {
            self.report_failed_reload(&error);
        }
    }

    fn report_failed_reload(&mut self, error: &anyhow::Error) {
        self.to_replace.clear();
        if self.has_served {
            self.manager.notify_ready();
        }
        let continued = if self.hosts.is_empty() { "nothing is served" } else { "the old process continues" };
        self.log.error(&format!("cannot reload, {continued}: {error:#}"));
    }

    /// Reads the options again, without those that take effect at the start only.
    fn read_options_again(&mut self) -> Result<()> {
        let mut args = self.options.read()?;
        for option in keep_fixed_options(&self.args, &mut args) {
            self.log.warn(&format!("{option} has changed, which takes effect at the next start"));
        }
        self.log.update_settings(&args.operation);
        self.args = args;
        self.read_tls_again();
        Ok(())
    }

    /// Reads the certificates and the key again. If they cannot be used, those from before are still served.
    fn read_tls_again(&mut self) {
        match read_tls_identity(&self.args.tls) {
            Ok(tls) if tls == self.tls => {}
            Ok(tls) => {
                self.tls = tls;
                self.log.info("the TLS files have changed: new processes use them");
            }
            Err(error) => self.log.error(&format!("the TLS certificate stays as it was: {error:#}")),
        }
    }

    /// Handles the start of a host: retires the older ones of its slot.
    fn handle_host_ready(&mut self, pid: u32, ready: &HostReady) {
        let Some(position) = self.hosts.iter().position(|host| host.pid == pid) else { return };
        if !ready.serves || self.kill_at.is_some() {
            return;
        }
        let (older, newer) = self.hosts.split_at_mut(position);
        let Some(host) = newer.first_mut() else { return };
        host.mark_serving();
        let slot = host.slot;
        older.iter().filter(|other| other.slot == slot).for_each(Host::retire);
        self.say_what_serves(slot, pid, &ready.failed);
        if !self.has_served {
            self.has_served = true;
            (1..self.restarts.len()).for_each(|slot| self.start_host_or_retry(slot));
        }
        if self.to_replace.is_empty() {
            self.manager.notify_ready();
        }
        self.replace_next();
    }

    fn say_what_serves(&self, slot: usize, pid: u32, failed: &[(String, String)]) {
        for bound in self.metrics.get(slot).into_iter().flatten() {
            self.log.info(&format!("metrics on {}/metrics and /metrics.json", bound.describe(false)));
        }
        let groups: Vec<String> = self
            .groups
            .iter()
            .filter(|group| failed.iter().all(|(name, _)| *name != group.name))
            .map(|group| {
                let (mode, interpreters, threads) = (group.mode.name(), group.interpreters, group.threads);
                format!("{}: {mode}, {interpreters} x {threads} threads", group.name)
            })
            .collect();
        let addresses: Vec<String> =
            self.bound.iter().map(|bound| bound.describe(self.tls.is_some())).collect();
        self.log.info(&format!(
            "serving {} on {} ({}; {}), {}",
            self.args.application,
            addresses.join(", "),
            groups.join("; "),
            match &self.args.report {
                Some(report) => format!("loads only modules vetted in {}", report.display()),
                None => "no report: loads any extension module".to_owned(),
            },
            self.describe_with_pid(slot, pid),
        ));
    }

    /// Names the process of a slot.
    fn describe(&self, slot: usize) -> String {
        match self.restarts.len() {
            1 => "process".to_owned(),
            count => format!("process {} of {count}", slot + 1),
        }
    }

    fn describe_with_pid(&self, slot: usize, pid: u32) -> String {
        let process = self.describe(slot);
        match self.restarts.len() {
            1 => format!("{process} {pid}"),
            _ => format!("{process}, pid {pid}"),
        }
    }

    fn describe_host(&self, host: &Host) -> String {
        match self.restarts.len() {
            1 => "the server process".to_owned(),
            _ => format!("the server {}", self.describe_with_pid(host.slot, host.pid)),
        }
    }
}

/// Forwards signals as events. Those that mean nothing here must not stop or end the supervisor.
fn watch_signals(events: &Sender<SupervisorEvent>) -> Result<()> {
    let watched = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2];
    let mut signals = Signals::new(watched).context("cannot watch for signals")?;
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            drop(events.send(SupervisorEvent::Signal(signal)));
        }
    });
    Ok(())
}
