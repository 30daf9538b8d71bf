//! A worker: one zygote process and the connection to it.
//!
//! Every order gets an answer, whatever happens to the process. Dropping a worker kills its processes and
//! deletes its files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, kill_process_group, set_child_subreaper, waitpid,
};
use serde::{Deserialize, Serialize};

use super::collect_output::collect_attempt;
use super::inputs::TrialInputs;
use super::interpret::TrialEvidence;
use super::normalize::{ClockReading, RunInfo};
use super::probe_library::{BOOTSTRAP, ProbeLibrary};
use super::protocol::{
    FileAccessScope, ProcessExit, Scenario, TrialEvent, TrialOrder, ZygoteCommand, ZygoteReply,
};
use super::record;
use super::search_path::SearchPath;
use crate::cache::TrialCache;
use crate::model::{CrashReport, EDITABLE_VARIABLES};

/// Time limit for a zygote to start, and the margin beyond a trial's deadline before the zygote is given up.
const ZYGOTE_TIMEOUT: Duration = Duration::from_secs(20);

/// Error message for `--writable` on a system without mount namespaces.
const NO_MOUNTS: &str = "--writable needs mount namespaces, and this system does not allow them: make a copy of the folder \
                         yourself, and audit with --no-sandbox if the application can do no harm";

/// Limits of one trial.
#[derive(Clone, Copy, Debug)]
pub struct TrialLimits {
    /// Wall-clock time limit of one trial.
    pub timeout: Duration,
    /// Whether trials run in the sandbox: no network, no writes outside their folder, no signals to other
    /// processes, and resource limits.
    pub sandbox: bool,
    /// Size of the stress test.
    pub storm: StressTest,
}

/// Size of a stress test: several threads import and use a subject at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StressTest {
    /// Number of threads.
    pub threads: usize,
    /// Number of rounds per thread.
    pub rounds: usize,
}

impl StressTest {
    /// Default: more threads than a small machine has processors, few enough for each to make progress.
    pub const USUAL: Self = Self { threads: 4, rounds: 2 };
    /// For races that show up rarely.
    pub const THOROUGH: Self = Self { threads: 8, rounds: 8 };
}

/// Tells every worker to stop. Set by Ctrl-C.
#[derive(Debug, Default)]
pub struct StopFlag(AtomicBool);

impl StopFlag {
    /// Stops the audit: kills running trials and prevents new ones.
    pub fn request_stop(&self) {
        self.0.store(true, Ordering::Relaxed);
        with_zygotes(|zygotes| zygotes.iter().copied().for_each(kill_group));
    }

    /// Whether a stop was requested.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Running zygotes. Every other child of this process is an orphan of a trial.
static ZYGOTES: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How to start workers.
#[derive(Debug)]
pub(super) struct WorkerConfig<'a> {
    pub(super) python: &'a Path,
    pub(super) library: &'a ProbeLibrary,
    pub(super) scratch: &'a Path,
    pub(super) limits: TrialLimits,
    pub(super) stop: &'a StopFlag,
    /// Variables, files and folders that the user gives to trials.
    pub(super) given: &'a TrialInputs,
    /// Environment variables on top of the cleaned environment.
    pub(super) variables: &'a [(&'a str, &'a str)],
    /// Python options on top of those that isolate it.
    pub(super) options: &'a [&'a str],
    /// Folders that each interpreter adds to its `sys.path`.
    pub(super) path: &'a SearchPath,
    /// Cached results of earlier audits.
    pub(super) cache: Option<&'a TrialCache>,
}

/// The zygote died or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerLost;

/// What one child process left behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) evidence: TrialEvidence,
    pub(super) left: ChildOutput,
    /// Paths that the child read from disk, if they were watched, each with the number of events before it.
    #[serde(skip)]
    pub(super) touched: Vec<(usize, String)>,
}

impl Attempt {
    /// The attempt of one subject of a batch, as if it had been tried alone and the child had exited with 0.
    pub(super) fn from_batch_events(events: Vec<TrialEvent>) -> Self {
        let evidence = TrialEvidence { events, end: Some(ProcessExit::Exit(0)) };
        Self { evidence, left: ChildOutput::default(), touched: Vec::new() }
    }
}

/// A child's output besides its record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ChildOutput {
    pub(super) printed: String,
    pub(super) crash: Option<CrashReport>,
}

/// Result of entering a package in the control.
#[derive(Debug)]
pub(super) enum EnterResult {
    /// The package is imported, and later trials fork from the process that imported it.
    Inside(Attempt),
    /// The import ended the child.
    Outside(Attempt),
}

/// One zygote and the connection to it.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    config: &'a WorkerConfig<'a>,
    folder: PathBuf,
    began: ClockReading,
    process: Child,
    pid: Pid,
    commands: UnixStream,
    replies: BufReader<UnixStream>,
    /// Order ids and folders of the zygotes of entered packages, innermost last.
    inside: Vec<(u64, PathBuf)>,
    shared_memory: bool,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl<'a> Worker<'a> {
    /// Starts a zygote.
    ///
    /// # Errors
    /// Returns a message with the last line that the Python printed.
    pub(super) fn start(config: &'a WorkerConfig<'a>) -> Result<Self, String> {
        let began = ClockReading::now();
        let folder = config.scratch.join(format!("worker-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed)));
        let log = folder.join("log");
        let socket = folder.join("socket");
        let begin = || -> io::Result<(UnixListener, Child)> {
            fs::create_dir_all(&folder)?;
            let listener = UnixListener::bind(&socket)?;
            listener.set_nonblocking(true)?;
            let errors = File::create(&log)?;
            let process = std::process::Command::new(config.python)
                // The parts of `-I`. `-I` itself would ignore PYTHONHASHSEED.
                .args(["-s", "-P", "-B", "-X", "faulthandler"])
                .args(config.options)
                .args(["-c", BOOTSTRAP])
                .args([config.library.path(), &socket, &log])
                .arg(if config.limits.sandbox || config.given.has_writable_folders() { "1" } else { "0" })
                .arg(config.cache.map(watched_folders_json).unwrap_or_default())
                .env_clear()
                .envs(trial_environment(&folder))
                .envs(config.variables.iter().copied())
                .envs(config.given.variables())
                .current_dir(&folder)
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(errors.try_clone()?)
                .stderr(errors)
                .spawn()?;
            Ok((listener, process))
        };
        // Start under the lock: otherwise a concurrent sweep would kill the new zygote as an orphan.
        let (listener, mut process, pid) = with_zygotes(|zygotes| {
            let (listener, process) =
                begin().map_err(|error| format!("cannot start {}: {error}", config.python.display()))?;
            let pid = Pid::from_child(&process);
            zygotes.push(pid);
            Ok::<_, String>((listener, process, pid))
        })?;
        match accept_connection(&listener, &mut process, config.stop) {
            Some(stream) => {
                let commands = stream.try_clone().map_err(|error| error.to_string())?;
                let replies = BufReader::new(stream);
                let mut worker = Self {
                    config,
                    folder,
                    began,
                    process,
                    pid,
                    commands,
                    replies,
                    inside: Vec::new(),
                    shared_memory: false,
                };
                match worker.read_reply(ZYGOTE_TIMEOUT) {
                    Ok(ZygoteReply::Ready { shared_memory: false })
                        if config.given.has_writable_folders() =>
                    {
                        Err(NO_MOUNTS.to_owned())
                    }
                    Ok(ZygoteReply::Ready { shared_memory }) => {
                        worker.shared_memory = shared_memory;
                        Ok(worker)
                    }
                    Ok(_) | Err(WorkerLost) => Err("the probes did not start".to_owned()),
                }
            }
            None => {
                end_zygote(&mut process, pid);
                let said = fs::read_to_string(&log).unwrap_or_default();
                Err(said.lines().last().unwrap_or("it printed nothing").to_owned())
            }
        }
    }

    /// Runs one trial in a child, of one subject or of a batch.
    pub(super) fn run_trial(
        &mut self,
        scenario: Scenario,
        after: &[&str],
        subjects: &[&str],
    ) -> Result<Attempt, WorkerLost> {
        let order = self.create_order(scenario, after, subjects)?;
        let folder = PathBuf::from(&order.folder);
        let id = order.id;
        let attempt = self.send_command(&ZygoteCommand::Try(order)).and_then(|()| {
            let end = self.wait_for_end(id)?;
            Ok(self.collect_from_folder(&folder, Some(end)))
        });
        drop(fs::remove_dir_all(&folder));
        attempt
    }

    /// Imports a package in the control and keeps that process as a zygote.
    pub(super) fn enter_package(&mut self, subject: &str) -> Result<EnterResult, WorkerLost> {
        let order = self.create_order(Scenario::Main, &[], &[subject])?;
        let (id, folder) = (order.id, PathBuf::from(&order.folder));
        self.send_command(&ZygoteCommand::Enter(order))?;
        match self.read_reply(self.config.limits.timeout) {
            Ok(ZygoteReply::Entered) => {
                self.inside.push((id, folder.clone()));
                Ok(EnterResult::Inside(self.collect_from_folder(&folder, None)))
            }
            Ok(ZygoteReply::Ended(ended, end)) if ended == id => {
                Ok(EnterResult::Outside(self.collect_from_folder(&folder, Some(end))))
            }
            Ok(ZygoteReply::Ready { .. } | ZygoteReply::Ended(..)) => Err(WorkerLost),
            // The zygote does not enforce a deadline for this import; only the auditor does.
            Err(WorkerLost) if self.is_alive() => {
                let attempt = self.collect_from_folder(&folder, Some(ProcessExit::Deadline));
                self.kill();
                Ok(EnterResult::Outside(attempt))
            }
            Err(WorkerLost) => Err(WorkerLost),
        }
    }

    /// Leaves the innermost entered package.
    pub(super) fn leave_package(&mut self) -> Result<(), WorkerLost> {
        let Some((id, folder)) = self.inside.pop() else { return Ok(()) };
        self.send_command(&ZygoteCommand::Leave)?;
        self.wait_for_end(id)?;
        drop(fs::remove_dir_all(folder));
        Ok(())
    }

    /// Number of entered packages.
    pub(super) fn depth(&self) -> usize {
        self.inside.len()
    }

    /// Whether trials have shared memory: the system's, or in the sandbox their own.
    pub(super) fn has_shared_memory(&self) -> bool {
        self.shared_memory || !self.config.limits.sandbox
    }

    /// Whether the zygote still runs. A lost worker is dropped and replaced.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Creates the folder of a trial, and the order for the zygote.
    fn create_order(
        &self,
        scenario: Scenario,
        after: &[&str],
        subjects: &[&str],
    ) -> Result<TrialOrder, WorkerLost> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        // Children of an entered package's zygote may write only where that zygote may.
        let outer = self.inside.last().map_or(&self.folder, |(_, folder)| folder);
        let folder = outer.join(format!("trial-{id}"));
        let home = folder.join("home");
        fs::create_dir_all(&home)
            .and_then(|()| self.config.given.copy_files(&home))
            .map_err(|_| WorkerLost)?;
        // They also share its mounts, so only the outermost folder gets writable copies.
        let is_inside = !self.inside.is_empty();
        let shown = match is_inside {
            true => Vec::new(),
            false => self.config.given.copy_writable_folders(&folder).map_err(|_| WorkerLost)?,
        };
        Ok(TrialOrder {
            id,
            folder: folder.to_string_lossy().into_owned(),
            sandbox: self.config.limits.sandbox,
            shown,
            place: scenario,
            after: to_strings(after),
            path: self.config.path.to_folders(),
            subjects: to_strings(subjects),
            deadline: u64::try_from(self.config.limits.timeout.as_millis()).unwrap_or(u64::MAX),
            threads: self.config.limits.storm.threads,
            rounds: self.config.limits.storm.rounds,
        })
    }

    /// Reads what a trial left in its folder.
    fn collect_from_folder(&self, folder: &Path, end: Option<ProcessExit>) -> Attempt {
        // Include the ids of its zygotes: modules imported there may have stored them.
        let own = [std::process::id(), self.pid.as_raw_nonzero().get().unsigned_abs()].map(u64::from);
        let mut ids: BTreeSet<u64> = own.into_iter().collect();
        for folder in folder.ancestors().take_while(|folder| *folder != self.folder) {
            ids.extend(record::read_ids(folder));
        }
        collect_attempt(folder, end, &RunInfo::new(self.config.scratch, self.config.python, ids, self.began))
    }

    fn send_command(&mut self, command: &ZygoteCommand) -> Result<(), WorkerLost> {
        let mut line = serde_json::to_vec(command).map_err(|_| WorkerLost)?;
        line.push(b'\n');
        self.commands.write_all(&line).map_err(|_| WorkerLost)
    }

    /// Waits for the end of this order's child.
    ///
    /// Another id means that the zygote of an entered package died.
    fn wait_for_end(&mut self, id: u64) -> Result<ProcessExit, WorkerLost> {
        match self.read_reply(self.config.limits.timeout + ZYGOTE_TIMEOUT)? {
            ZygoteReply::Ended(ended, end) if ended == id => Ok(end),
            ZygoteReply::Ended(..) | ZygoteReply::Ready { .. } | ZygoteReply::Entered => Err(WorkerLost),
        }
    }

    fn read_reply(&mut self, within: Duration) -> Result<ZygoteReply, WorkerLost> {
        let mut line = String::new();
        self.replies.get_ref().set_read_timeout(Some(within)).map_err(|_| WorkerLost)?;
        match self.replies.read_line(&mut line) {
            Ok(0) | Err(_) => Err(WorkerLost),
            Ok(_) => serde_json::from_str(&line).map_err(|_| WorkerLost),
        }
    }

    fn kill(&mut self) {
        end_zygote(&mut self.process, self.pid);
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.kill();
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn to_strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Which reads of a trial the probes report, as JSON.
fn watched_folders_json(cache: &TrialCache) -> String {
    let texts = |path: &Path| path.to_string_lossy().into_owned();
    let folders = cache.folders().iter().map(|folder| texts(folder)).collect();
    let watched = FileAccessScope { folders, apart: cache.excluded_folders().map(texts).collect() };
    serde_json::to_string(&watched).unwrap_or_default()
}

/// Environment variables of a trial: what a program needs to run, and nothing else of the user's.
///
/// `WSGIAUDIT_TRIAL` makes `wsgiaudit_guard` admit every module, since there is no report yet.
fn trial_environment(home: &Path) -> Vec<(&'static str, std::ffi::OsString)> {
    let kept = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
    let mut environment: Vec<_> =
        kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
    environment.extend([("HOME", home.into()), ("TMPDIR", home.into()), ("LANG", "C.UTF-8".into())]);
    environment.push(("WSGIAUDIT_TRIAL", "1".into()));
    // A fixed seed keeps the order of sets of strings the same in each audit, and so the order of imports and
    // messages that depend on it.
    environment.push(("PYTHONHASHSEED", "1".into()));
    // OpenBLAS: idle threads spin for 2^4 processor cycles before they sleep, instead of 2^26. The number of
    // threads is unchanged, but idle ones do not slow down other trials.
    environment.push(("OPENBLAS_THREAD_TIMEOUT", "4".into()));
    environment.extend(EDITABLE_VARIABLES.map(|(name, value)| (name, value.into())));
    environment
}

/// Waits for the zygote to connect. Returns `None` if it exits, times out, or a stop is requested.
fn accept_connection(listener: &UnixListener, process: &mut Child, stop: &StopFlag) -> Option<UnixStream> {
    let started = Instant::now();
    while started.elapsed() < ZYGOTE_TIMEOUT && !stop.is_set() {
        match listener.accept() {
            Ok((stream, _)) => return stream.set_nonblocking(false).ok().map(|()| stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
        if !matches!(process.try_wait(), Ok(None)) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Kills a zygote and all its descendants.
fn end_zygote(process: &mut Child, pid: Pid) {
    kill_group(pid);
    drop(process.kill());
    drop(process.wait());
    with_zygotes(|zygotes| zygotes.retain(|zygote| *zygote != pid));
    sweep_orphans();
}

fn kill_group(pid: Pid) {
    let _ = kill_process_group(pid, Signal::KILL);
}

fn with_zygotes<R>(change: impl FnOnce(&mut Vec<Pid>) -> R) -> R {
    change(&mut ZYGOTES.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// Makes this process the subreaper of its descendants, and kills the orphans that it has.
///
/// So no process that a trial started outlives its zygote or the audit, even if it daemonizes. Linux only.
pub fn sweep_orphans() {
    let _ = set_child_subreaper(rustix::process::getpid().into());
    // Killing an orphan makes its children orphans: repeat until there are none.
    for _ in 0..100 {
        let orphans = with_zygotes(|zygotes| {
            child_processes().into_iter().filter(|child| !zygotes.contains(child)).collect::<Vec<_>>()
        });
        if orphans.is_empty() {
            return;
        }
        for orphan in orphans {
            let _ = kill_process(orphan, Signal::KILL);
            let _ = waitpid(Some(orphan), WaitOptions::empty());
        }
    }
}

/// Child processes of this process, from `/proc/PID/stat`: name in parentheses, state, parent.
fn child_processes() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process: &i32| {
            fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
                stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&own)
            })
        })
        .filter_map(Pid::from_raw)
        .collect()
}
