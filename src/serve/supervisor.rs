//! Starts, replaces and ends hosts, as signals ask.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use super::guard;
use super::host::{Event, Host};
use super::listen::Bound;
use super::plan;
use super::protocol::{Group, Ready};
use crate::cli::ServeArgs;
use crate::trial::Library;
use crate::venv::ask;

/// A host that ended sooner is not started again: it would end again.
const SHORTEST_LIFE: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT. Returns whether everything ended in order.
///
/// # Errors
/// When nothing could be served.
pub fn supervise(args: &ServeArgs, say: &dyn Fn(&str)) -> Result<bool> {
    let (sender, events) = channel();
    watch_signals(&sender)?;
    let bound = args.bind.iter().map(|address| Bound::new(address)).collect::<Result<Vec<_>>>()?;
    let metrics = args.metrics.iter().map(|address| Bound::new(address)).collect::<Result<Vec<_>>>()?;
    let folder = tempfile::Builder::new().prefix("wsgiaudit-").tempdir()?;
    let library = Library::install(folder.path()).context("cannot write the probes' library")?;
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
    supervisor.start()?;
    supervisor.run(&events)
}

struct Supervisor<'a> {
    args: &'a ServeArgs,
    say: &'a dyn Fn(&str),
    bound: Vec<Bound>,
    /// Where the metrics are told.
    metrics: Vec<Bound>,
    folder: TempDir,
    library: Library,
    sender: Sender<Event>,
    /// Oldest first: the last is the one that serves, or is to.
    hosts: Vec<Host>,
    /// Of the last of them.
    groups: Vec<Group>,
    is_stopping: bool,
    is_clean: bool,
}

impl Supervisor<'_> {
    fn start(&mut self) -> Result<()> {
        let python = plan::python(self.args)?;
        let found = ask(&python, self.folder.path())?;
        let guard = guard::read(self.args, &found, self.folder.path())?;
        let (config, notes) =
            plan::config(self.args, &self.bound, &self.metrics, guard, found.free_threaded)?;
        notes.iter().for_each(|note| (self.say)(note));
        let host = Host::start(&python, &self.library, &config, self.folder.path(), &self.sender)?;
        self.hosts.push(host);
        self.groups = config.groups;
        Ok(())
    }

    fn run(&mut self, events: &Receiver<Event>) -> Result<bool> {
        loop {
            match events.recv()? {
                Event::Signal(SIGHUP) => self.reload(),
                Event::Signal(_) => {
                    self.is_stopping = true;
                    self.bound.clear();
                    self.hosts.iter().for_each(Host::stop);
                }
                Event::Ready(pid, ready) => self.ready(pid, ready)?,
                Event::Ended(pid, status) => {
                    let place = self.hosts.iter().position(|host| host.pid == pid);
                    let Some(host) = place.map(|place| self.hosts.remove(place)) else { continue };
                    if self.is_stopping {
                        self.is_clean &= status.success();
                        if self.hosts.is_empty() {
                            return Ok(self.is_clean);
                        }
                    } else if place == Some(self.hosts.len()) {
                        self.lost(&host, &status.to_string())?;
                    }
                }
            }
        }
    }

    /// The newest host is gone, and nobody asked it to.
    fn lost(&mut self, host: &Host, status: &str) -> Result<()> {
        if !host.serves && !self.hosts.is_empty() {
            (self.say)("the new process does not serve: the old one goes on");
        } else if !host.serves {
            bail!("the application was not started ({status})");
        } else if host.started.elapsed() < SHORTEST_LIFE {
            bail!("the server process ended soon after its start: {status}");
        } else {
            (self.say)(&format!("the server process ended: {status}; a new one starts"));
            self.start()?;
        }
        Ok(())
    }

    fn reload(&mut self) {
        if self.is_stopping || self.hosts.last().is_some_and(|host| !host.serves) {
            return;
        }
        if let Err(error) = self.start() {
            (self.say)(&format!("cannot reload, the old process goes on: {error:#}"));
        }
    }

    /// A host has started: those before it end.
    fn ready(&mut self, pid: u32, ready: Option<Ready>) -> Result<()> {
        let Some(place) = self.hosts.iter().position(|host| host.pid == pid) else { return Ok(()) };
        let Some(Ready { failed, .. }) = ready.filter(|ready| ready.serves && !self.is_stopping) else {
            return Ok(());
        };
        self.hosts[place].serves = true;
        self.hosts[..place].iter().for_each(Host::retire);
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
                Some(report) => format!("only what {} vetted loads", report.display()),
                None => "no report: any extension module loads".to_owned(),
            }
        ));
        Ok(())
    }
}

fn watch_signals(events: &Sender<Event>) -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot watch for signals")?;
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            drop(events.send(Event::Signal(signal)));
        }
    });
    Ok(())
}
