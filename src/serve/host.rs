//! Starts and signals a host process: the environment's python, which loads the probes' library.

use std::io::{self, BufRead, BufReader, PipeReader, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wsgiaudit_probes_core::host_config::{HostConfig, HostMessage, InterpreterMode};
use wsgiaudit_probes_core::tls::TlsIdentity;

use super::private_copies::HostCopies;
use super::serve_user::ServeUser;
use super::service_manager::VARIABLES;
use crate::trial::ProbeLibrary;

/// The Python code that the host process runs. It removes the supervisor's arguments from `sys.argv`, which
/// the application can see.
const BOOTSTRAP: &str = "import ctypes, sys\n\
    library, config = sys.argv[1:]\n\
    sys.argv[:] = ['wsgiaudit']\n\
    sys.exit(ctypes.PyDLL(library).wsgiaudit_serve(config.encode()))";

/// An event that the supervisor handles.
#[derive(Debug)]
pub(super) enum SupervisorEvent {
    /// The supervisor received this signal.
    Signal(i32),
    /// A host (process id) sent this.
    Message(u32, HostMessage),
    /// A host (process id) ended.
    Ended(u32, ExitStatus),
}

/// The files of a host process, removed on drop.
#[derive(Debug)]
pub(super) struct HostFiles {
    /// Its folder.
    pub(super) folder: TempDir,
    /// Its private copies.
    #[expect(dead_code, reason = "held, not read")]
    pub(super) copies: Option<HostCopies>,
}

/// What a host process is started with.
#[derive(Debug)]
pub(super) struct HostStart<'a> {
    /// The environment's python.
    pub(super) python: &'a Path,
    /// The probes' library, for that python to load.
    pub(super) library: &'a ProbeLibrary,
    /// The certificates and the key, if connections are encrypted.
    pub(super) tls: Option<&'a TlsIdentity>,
    /// The user that serves, if the supervisor had another one at its start.
    pub(super) user: Option<&'a ServeUser>,
}

/// A running host process.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) pid: u32,
    /// Which of the `--processes` it is, from 0.
    pub(super) slot: usize,
    pub(super) started: Instant,
    /// Whether it reported that it serves requests.
    pub(super) serves: bool,
    /// Whether its log files were renamed while it started.
    has_old_logs: bool,
    /// Its files, removed on drop.
    #[expect(dead_code, reason = "held, not read")]
    files: HostFiles,
}

impl Host {
    /// Starts a host process for a slot, with files of its own. Its events are sent to `events`.
    ///
    /// # Errors
    /// If the python cannot be run.
    pub(super) fn start(
        start: &HostStart<'_>,
        config: &HostConfig,
        (slot, files): (usize, HostFiles),
        events: &Sender<SupervisorEvent>,
    ) -> Result<Self> {
        let (reader, writer) = pipe()?;
        fcntl_setfd(&writer, FdFlags::empty())?;
        let identity = start.tls.map(pass_identity).transpose()?;
        let file = files.folder.path().join("config.json");
        let config = HostConfig {
            ready: writer.as_raw_fd(),
            tls: identity.as_ref().map(AsRawFd::as_raw_fd),
            ..config.clone()
        };
        std::fs::write(&file, serde_json::to_vec(&config)?)?;
        let is_free = config.groups.iter().any(|group| group.mode == InterpreterMode::FreeThreaded);
        let mut command = Command::new(start.python);
        for name in VARIABLES {
            command.env_remove(name);
        }
        let child = command
            .args(["-P"])
            // With a guard, `glue.py` imports `site` after the guard is installed, so that it covers `.pth`
            // files and `sitecustomize`, too.
            .args(config.guard.is_some().then_some("-S"))
            .args(["-c", BOOTSTRAP])
            .arg(start.library.path())
            .arg(&file)
            .envs(start.user.into_iter().flat_map(ServeUser::variables))
            // Modules that do not declare free threading must not switch the GIL on, as under mod_wsgi.
            .envs(is_free.then_some(("PYTHON_GIL", "0")))
            .stdin(Stdio::null())
            // A process group of its own: only the supervisor gets Ctrl-C, and sends SIGTERM to the host.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} cannot be run", start.python.display()))?;
        drop((writer, identity));
        let host = Self {
            pid: child.id(),
            slot,
            started: Instant::now(),
            serves: false,
            has_old_logs: false,
            files,
        };
        let watched = watch_messages(host.pid, reader, events).and_then(|()| watch_end(child, events));
        watched.inspect_err(|_| host.kill()).context("cannot start a thread")?;
        Ok(host)
    }

    /// Requests an orderly shutdown.
    pub(super) fn stop(&self) {
        self.send_signal(Signal::TERM);
    }

    /// Requests an orderly shutdown while another host accepts connections from the same sockets.
    pub(super) fn retire(&self) {
        self.send_signal(Signal::HUP);
    }

    /// Asks the host to reopen its logs: at once, or when it serves. Before, it may not handle the signal, which would
    /// then end it.
    pub(super) fn reopen_logs(&mut self) {
        if self.serves {
            self.send_signal(Signal::USR1);
        } else {
            self.has_old_logs = true;
        }
    }

    /// Records that the host serves.
    pub(super) fn mark_serving(&mut self) {
        self.serves = true;
        if self.has_old_logs {
            self.reopen_logs();
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        self.send_signal(Signal::KILL);
    }

    fn send_signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // An error means that the process has ended already.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Returns a pipe that a host inherits, with an identity in it. No file has a copy of the key, and no other process can
/// read it.
fn pass_identity(identity: &TlsIdentity) -> Result<PipeReader> {
    let (reader, mut writer) = pipe()?;
    fcntl_setfd(&reader, FdFlags::empty())?;
    let text = serde_json::to_vec(identity)?;
    // On a thread of its own: it may be more than the pipe holds, and the host may end before it has read it.
    let write = move || drop(writer.write_all(&text));
    thread::Builder::new().spawn(write).context("cannot start a thread")?;
    Ok(reader)
}

/// Forwards the messages of a host as events.
fn watch_messages(pid: u32, reader: PipeReader, events: &Sender<SupervisorEvent>) -> io::Result<()> {
    let events = events.clone();
    let watch = move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if let Ok(message) = serde_json::from_str(&line) {
                drop(events.send(SupervisorEvent::Message(pid, message)));
            }
        }
    };
    thread::Builder::new().spawn(watch).map(drop)
}

/// Forwards the end of a host as an event. On a thread of its own: a child that the host has forked may keep the pipe of
/// its messages open.
fn watch_end(mut child: Child, events: &Sender<SupervisorEvent>) -> io::Result<()> {
    let events = events.clone();
    let watch = move || {
        let pid = child.id();
        drop(events.send(SupervisorEvent::Ended(pid, wait_for_exit(&mut child))));
    };
    thread::Builder::new().spawn(watch).map(drop)
}

/// Waits until the process has ended.
fn wait_for_exit(child: &mut Child) -> ExitStatus {
    loop {
        if let Ok(status) = child.wait() {
            return status;
        }
    }
}
