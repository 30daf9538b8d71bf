//! Starts, replaces and ends host processes, as signals request.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;
use wsgiaudit_probes_core::host_config::{GroupConfig, HostReady};

use super::guard;
use super::host::{Host, SupervisorEvent};
use super::host_config;
use super::listening_socket::ListeningSocket;
use super::private_copies::HostCopies;
use crate::cli::ServeArgs;
use crate::trial::ProbeLibrary;
use crate::venv::query_interpreter;

/// A host that ends within this time after its start is not restarted, because it would probably end again.
const MIN_LIFETIME: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT. Returns whether every host ended with exit status 0.
///
/// # Errors
/// If the sockets cannot be bound or the application does not start.
pub fn supervise(args: &ServeArgs, say: &dyn Fn(&str)) -> Result<bool> {
    let (sender, events) = channel();
    watch_signals(&sender)?;
    let bound = args.bind.iter().map(|address| ListeningSocket::new(address)).collect::<Result<Vec<_>>>()?;
    let metrics =
        args.metrics.iter().map(|address| ListeningSocket::new(address)).collect::<Result<Vec<_>>>()?;
    let folder = tempfile::Builder::new().prefix("wsgiaudit-").tempdir()?;
    let library = ProbeLibrary::install(folder.path()).context("cannot write the probes' library")?;
    let mut supervisor = Supervisor {
        args,
        say,
        bound,
        metrics,
        folder,
        library,
        sender,
        hosts: Vec::new(),
        groups: Vec::new(),
        is_stopping: false,
        is_clean: true,
    };
    supervisor.start_host()?;
    supervisor.run_event_loop(&events)
}

/// The state of the supervisor.
struct Supervisor<'a> {
    args: &'a ServeArgs,
    say: &'a dyn Fn(&str),
    bound: Vec<ListeningSocket>,
    /// Sockets of the metrics endpoint.
    metrics: Vec<ListeningSocket>,
    folder: TempDir,
    library: ProbeLibrary,
    sender: Sender<SupervisorEvent>,
    /// The running hosts, oldest first. The last one serves, or is starting.
    hosts: Vec<Host>,
    /// The groups of the last host.
    groups: Vec<GroupConfig>,
    is_stopping: bool,
    is_clean: bool,
}

impl Supervisor<'_> {
    /// Starts a new host with the present configuration.
    fn start_host(&mut self) -> Result<()> {
        let python = host_config::find_python(self.args)?;
        let found = query_interpreter(&python, self.folder.path())?;
        let guard = guard::build_guard(self.args, &found, self.folder.path())?;
        let (mut config, notes) = host_config::build_host_config(
            self.args,
            &self.bound,
            &self.metrics,
            guard,
            found.free_threaded,
        )?;
        notes.iter().for_each(|note| (self.say)(note));
        let folder = self.folder.path();
        let copies =
            HostCopies::prepare(&config.groups, &found, &config.path, config.guard.as_ref(), folder)?;
        config.copies = copies.as_ref().map(HostCopies::trees);
        let host = Host::start(&python, &self.library, &config, folder, &self.sender)?;
        self.hosts.push(Host { copies, ..host });
        self.groups = config.groups;
        Ok(())
    }

    /// Handles events until the last host has ended after a stop signal. Returns whether all ended with exit
    /// status 0.
    fn run_event_loop(&mut self, events: &Receiver<SupervisorEvent>) -> Result<bool> {
        loop {
            match events.recv()? {
                SupervisorEvent::Signal(SIGHUP) => self.reload(),
                SupervisorEvent::Signal(_) => {
                    self.is_stopping = true;
                    self.bound.clear();
                    self.hosts.iter().for_each(Host::stop);
                }
                SupervisorEvent::Ready(pid, ready) => self.handle_host_ready(pid, ready)?,
                SupervisorEvent::Ended(pid, status) => {
                    let position = self.hosts.iter().position(|host| host.pid == pid);
                    let Some(host) = position.map(|position| self.hosts.remove(position)) else { continue };
                    if self.is_stopping {
                        self.is_clean &= status.success();
                        if self.hosts.is_empty() {
                            return Ok(self.is_clean);
                        }
                    } else if position == Some(self.hosts.len()) {
                        self.handle_host_loss(&host, &status.to_string())?;
                    }
                }
            }
        }
    }

    /// Handles an unexpected end of the newest host.
    fn handle_host_loss(&mut self, host: &Host, status: &str) -> Result<()> {
        if !host.serves && !self.hosts.is_empty() {
            (self.say)("the new process did not start serving: the old one continues");
        } else if !host.serves {
            bail!("the application was not started ({status})");
        } else if host.started.elapsed() < MIN_LIFETIME {
            bail!("the server process ended soon after its start: {status}");
        } else {
            (self.say)(&format!("the server process ended: {status}; a new one starts"));
            self.start_host()?;
        }
        Ok(())
    }

    /// Starts a new host to replace the running one, unless one is starting already.
    fn reload(&mut self) {
        if self.is_stopping || self.hosts.last().is_some_and(|host| !host.serves) {
            return;
        }
        if let Err(error) = self.start_host() {
            (self.say)(&format!("cannot reload, the old process continues: {error:#}"));
        }
    }

    /// Handles the start of a host: retires the older ones.
    fn handle_host_ready(&mut self, pid: u32, ready: Option<HostReady>) -> Result<()> {
        let Some(position) = self.hosts.iter().position(|host| host.pid == pid) else { return Ok(()) };
        let Some(HostReady { failed, .. }) = ready.filter(|ready| ready.serves && !self.is_stopping) else {
            return Ok(());
        };
        self.hosts[position].serves = true;
        self.hosts[..position].iter().for_each(Host::retire);
        let groups: Vec<String> = self
            .groups
            .iter()
            .filter(|group| failed.iter().all(|(name, _)| *name != group.name))
            .map(|group| {
                let (mode, interpreters, threads) = (group.mode.name(), group.interpreters, group.threads);
                format!("{}: {mode}, {interpreters} x {threads} threads", group.name)
            })
            .collect();
        for bound in &self.metrics {
            (self.say)(&format!("metrics on {}/metrics and /metrics.json", bound.address));
        }
        let addresses: Vec<&str> = self.bound.iter().map(|bound| bound.address.as_str()).collect();
        (self.say)(&format!(
            "serving {} on {} ({}; {}), process {pid}",
            self.args.application,
            addresses.join(", "),
            groups.join("; "),
            match &self.args.report {
                Some(report) => format!("loads only modules vetted in {}", report.display()),
                None => "no report: loads any extension module".to_owned(),
            }
        ));
        Ok(())
    }
}

/// Forwards SIGHUP, SIGINT and SIGTERM as events.
fn watch_signals(events: &Sender<SupervisorEvent>) -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot watch for signals")?;
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            drop(events.send(SupervisorEvent::Signal(signal)));
        }
    });
    Ok(())
}
