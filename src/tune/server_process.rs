//! Starts `wsgiaudit serve` with a configuration, as a process of its own, and reads its metrics.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::configuration::ServerConfiguration;
use super::load_request::LoadRequest;
use super::measurement::MeasureError;
use super::server_arguments::{list_serve_options, render_serve_toml};
use super::server_metrics::ServerMetrics;
use super::transport::{Connector, UnixConnector};
use crate::platform::{ProcessGroup, run_on_processors, sweep_orphans};
use crate::regular_file;

/// Time for a server to start.
const START_TIME: Duration = Duration::from_secs(60);
/// Time for an orderly end; after that it is killed.
const END_TIME: Duration = Duration::from_secs(5);
/// Time for the metrics to answer. The server may be busy.
const METRICS_TIME: Duration = Duration::from_secs(10);
/// Size limit of its log.
const MAX_LOG_SIZE: u64 = 64 << 20;
/// Most lines of its log in a message.
const LINES: usize = 8;

/// How servers are started.
#[derive(Clone, Debug)]
pub(super) struct ServerLaunch {
    /// The program: this one.
    pub(super) program: PathBuf,
    /// The environment.
    pub(super) environment: PathBuf,
    /// The environment of a free-threaded Python, for the mode `free-threaded`.
    pub(super) free_threaded: Option<PathBuf>,
    /// The application, as `serve` takes it.
    pub(super) application: String,
    /// Variables of its environment besides those of this process.
    pub(super) variables: Vec<(String, String)>,
    /// Number of processors that it may use; `None` for all.
    pub(super) processors: Option<usize>,
}

/// A running server. It is killed on drop.
#[derive(Debug)]
pub(super) struct ServerProcess {
    group: ProcessGroup,
    /// Its files.
    folder: TempDir,
    processes: usize,
}

impl ServerProcess {
    /// Starts a server in a folder of its own, and waits until every process serves.
    ///
    /// # Errors
    /// If it does not start, or `is_stopped` became true.
    pub(super) fn start(
        launch: &ServerLaunch,
        configuration: &ServerConfiguration,
        folder: &Path,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Self, MeasureError> {
        let folder = tempfile::Builder::new().prefix("server-").tempdir_in(folder);
        let folder = folder.context("cannot make a folder for the server")?;
        let mut command = build_command(launch, configuration, folder.path())?;
        let spawned = match launch.processors {
            Some(count) => run_on_processors(count, || ProcessGroup::spawn(&mut command)),
            None => Ok(ProcessGroup::spawn(&mut command)),
        };
        let group = spawned.and_then(|spawned| spawned);
        if is_stopped() {
            return Err(MeasureError::Interrupted);
        }
        let group = group.context("cannot start the server")?;
        let mut server = Self { group, folder, processes: configuration.processes };
        server.wait_until_ready(is_stopped)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, is_stopped: &dyn Fn() -> bool) -> Result<(), MeasureError> {
        let (began, mut ready) = (Instant::now(), 0);
        while ready < self.processes {
            if is_stopped() {
                return Err(MeasureError::Interrupted);
            }
            if !self.group.is_alive() || began.elapsed() > START_TIME {
                return Err(MeasureError::NotServed(self.describe_log()));
            }
            match fetch(&self.metrics_socket(ready), "/readyz", Duration::from_millis(200)) {
                Ok((200, _)) => ready += 1,
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Ok(())
    }

    /// Connects to its application.
    pub(super) fn connector(&self) -> UnixConnector {
        UnixConnector(self.folder.path().join("http"))
    }

    /// Reads the metrics of all its processes.
    ///
    /// # Errors
    /// If one does not answer.
    pub(super) fn read_metrics(&self) -> Result<ServerMetrics, MeasureError> {
        let mut all = ServerMetrics::default();
        for slot in 0..self.processes {
            let answer = fetch(&self.metrics_socket(slot), "/metrics.json", METRICS_TIME);
            let (_, body) = answer.map_err(|why| {
                MeasureError::NotServed(format!("process {} has no metrics: {why}", slot + 1))
            })?;
            all.add_process(&body).context("the metrics of the server are not understood")?;
        }
        Ok(all)
    }

    /// Ends it. Requests that it still works on may be cut off.
    pub(super) fn stop(mut self) {
        if let Some(pid) = i32::try_from(self.group.id()).ok().and_then(Pid::from_raw) {
            // An error means that it has ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        if !matches!(self.group.wait_for(END_TIME), Ok(Some(_))) {
            self.group.kill();
        }
    }

    /// The socket of the metrics of one of its processes.
    fn metrics_socket(&self, slot: usize) -> PathBuf {
        let name = if slot == 0 { "metrics".to_owned() } else { format!("metrics.{slot}") };
        self.folder.path().join(name)
    }

    /// The last lines of its log.
    fn describe_log(&self) -> String {
        let text =
            regular_file::read_limited(&self.folder.path().join("log"), MAX_LOG_SIZE).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        match lines.len() {
            0 => "it did not start, and said nothing".to_owned(),
            count => lines[count.saturating_sub(LINES)..].join("\n"),
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        match self.group.is_alive() {
            true => self.group.kill(),
            // Killed on a signal: its own processes have become ours.
            false => sweep_orphans(),
        }
    }
}

fn build_command(
    launch: &ServerLaunch,
    configuration: &ServerConfiguration,
    folder: &Path,
) -> Result<Command, MeasureError> {
    let written = fs::write(folder.join("serve.toml"), render_serve_toml(configuration));
    written.context("cannot write the configuration of the server")?;
    let log = File::create(folder.join("log")).context("cannot write the log of the server")?;
    let environment = match configuration.mode.is_free_threaded() {
        true => launch.free_threaded.as_ref().unwrap_or(&launch.environment),
        false => &launch.environment,
    };
    let address = |name: &str| format!("unix:{}", folder.join(name).display());
    let mut command = Command::new(&launch.program);
    command.arg("serve").arg("-e").arg(environment);
    command.args(["--bind", &address("http"), "--metrics", &address("metrics"), "--drain", "1"]);
    for option in list_serve_options(configuration) {
        match option.as_str() {
            "serve.toml" => command.arg(folder.join("serve.toml")),
            option => command.arg(option),
        };
    }
    command.arg(&launch.application).envs(launch.variables.iter().map(|(name, value)| (name, value)));
    let errors = log.try_clone().context("cannot write the log of the server")?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    Ok(command)
}

/// Asks a socket once. Returns the status and the body.
fn fetch(socket: &Path, target: &str, limit: Duration) -> Result<(u16, Vec<u8>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let exchange = async {
        let mut connection = UnixConnector(socket.to_owned()).connect().await?;
        connection.fetch(&LoadRequest::without_body("GET", target)).await
    };
    let answer = async { tokio::time::timeout(limit, exchange).await };
    let answer = tokio::task::LocalSet::new().block_on(&runtime, answer);
    answer.unwrap_or_else(|_| Err(format!("no answer in {} s", limit.as_secs_f64())))
}
