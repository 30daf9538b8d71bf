//! One host process: the environment's python with the probes' library in it.

use std::io::{BufRead, BufReader, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};

use super::protocol::{HostConfig, HostReady, InterpreterMode};
use crate::trial::ProbeLibrary;

/// What the python runs. The application is not to see our arguments.
const BOOTSTRAP: &str = "import ctypes, sys\n\
    library, config = sys.argv[1:]\n\
    sys.argv[:] = ['wsgiaudit']\n\
    sys.exit(ctypes.PyDLL(library).wsgiaudit_serve(config.encode()))";

/// What happens to a host, or to the supervisor.
#[derive(Debug)]
pub(super) enum SupervisorEvent {
    /// The supervisor got this signal.
    Signal(i32),
    /// A host says so; `None` where it ended without.
    Ready(u32, Option<HostReady>),
    /// A host ended.
    Ended(u32, ExitStatus),
}

/// A running host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) pid: u32,
    pub(super) started: Instant,
    /// Whether it said that it serves.
    pub(super) serves: bool,
}

impl Host {
    /// Starts one. What becomes of it goes to `events`.
    ///
    /// # Errors
    /// When the python cannot be run.
    pub(super) fn start(
        python: &Path,
        library: &ProbeLibrary,
        config: &HostConfig,
        folder: &Path,
        events: &Sender<SupervisorEvent>,
    ) -> Result<Self> {
        let (reader, writer) = pipe()?;
        fcntl_setfd(&writer, FdFlags::empty())?;
        let file = folder.join("config.json");
        let config = HostConfig { ready: writer.as_raw_fd(), ..config.clone() };
        std::fs::write(&file, serde_json::to_vec(&config)?)?;
        let is_free = config.groups.iter().any(|group| group.mode == InterpreterMode::FreeThreaded);
        let mut child = Command::new(python)
            .args(["-P"])
            // With a guard, `.pth` files and `sitecustomize` run behind it (`glue.py`).
            .args(config.guard.is_some().then_some("-S"))
            .args(["-c", BOOTSTRAP])
            .arg(library.path())
            .arg(&file)
            // As mod_wsgi does: no undeclared module turns the GIL on again.
            .envs(is_free.then_some(("PYTHON_GIL", "0")))
            .stdin(Stdio::null())
            // Of its own: Ctrl-C is for the supervisor, which passes it on as SIGTERM.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} cannot be run", python.display()))?;
        drop(writer);
        let (pid, events) = (child.id(), events.clone());
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(reader).read_line(&mut line);
            let ready = read.ok().and_then(|_| serde_json::from_str(&line).ok());
            drop(events.send(SupervisorEvent::Ready(pid, ready)));
            drop(events.send(SupervisorEvent::Ended(pid, wait_for_exit(&mut child))));
        });
        Ok(Self { pid, started: Instant::now(), serves: false })
    }

    /// Asks it to end in order.
    pub(super) fn stop(&self) {
        self.send_signal(Signal::TERM);
    }

    /// The same, when another one accepts from the same sockets.
    pub(super) fn retire(&self) {
        self.send_signal(Signal::HUP);
    }

    fn send_signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // One that has ended already needs no signal.
            let _ = kill_process(pid, signal);
        }
    }
}

fn wait_for_exit(child: &mut Child) -> ExitStatus {
    loop {
        if let Ok(status) = child.wait() {
            return status;
        }
    }
}
