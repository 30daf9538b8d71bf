//! A worker: one zygote process and the connection to it.
//!
//! Every order gets an answer, whatever happens to the process. Dropping a worker kills its processes and
//! deletes its files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Seek as _, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::protocol::{
    FileAccessScope, ProcessExit, Scenario, TrialOrder, ZygoteCommand, ZygoteReply, ZygoteSettings,
};
use wsgiaudit_probes_core::trial_files;

use super::attempt::Attempt;
use super::bytecode::BytecodeFolder;
use super::collect_output::collect_attempt;
use super::config::TrialConfig;
use super::environment::trial_environment;
use super::normalize::{ClockReading, RunInfo};
use super::record;
use super::reply_reader::ReplyReader;
use super::stop_flag::StopFlag;
use crate::cache::TrialCache;
use crate::platform::{ProcessGroup, remove_folder};

/// Time limit for a zygote to start, and the margin beyond a trial's deadline before the zygote is given up.
const ZYGOTE_TIMEOUT: Duration = Duration::from_secs(20);

/// Name of the file with what a zygote prints, and the maximum of bytes read of it.
const LOG: &str = "log";
const MAX_LOG_BYTES: u64 = 64 << 10;

/// Error message for `--writable` on a system without mount namespaces.
const NO_MOUNTS: &str = "--writable needs mount namespaces, and this system does not allow them: make a copy of the folder \
                         yourself, and audit with --no-sandbox if the application can do no harm";

/// The zygote died or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerLost;

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
    config: &'a TrialConfig<'a>,
    folder: PathBuf,
    began: ClockReading,
    process: ProcessGroup,
    commands: UnixStream,
    replies: ReplyReader,
    /// Order ids and folders of the zygotes of entered packages, innermost last.
    inside: Vec<(u64, PathBuf)>,
    shared_memory: bool,
    bytecode: Option<Arc<BytecodeFolder>>,
    /// Process id of the zygote. Its parent, the guardian, is the process that was started.
    zygote: u32,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl<'a> Worker<'a> {
    /// Starts a zygote.
    ///
    /// # Errors
    /// Returns a message with the last line that the Python printed.
    pub(super) fn start(config: &'a TrialConfig<'a>) -> Result<Self, String> {
        let began = ClockReading::now();
        let folder = config.scratch.join(format!("worker-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed)));
        let log = folder.join(LOG);
        let socket = folder.join("socket");
        let bytecode = config.bytecode.find(config.python);
        let spawn = || -> io::Result<(UnixListener, ProcessGroup)> {
            fs::create_dir_all(&folder)?;
            let listener = UnixListener::bind(&socket)?;
            listener.set_nonblocking(true)?;
            let errors = File::create(&log)?;
            let mut command = Command::new(config.python);
            command
                // The parts of `-I`. `-I` itself would ignore PYTHONHASHSEED.
                .args(["-s", "-P", "-B", "-X", "faulthandler"])
                .args(bytecode.iter().flat_map(|bytecode| bytecode.python_options()))
                .args(config.options)
                .env_clear()
                .envs(trial_environment(&folder))
                .envs(config.variables.iter().copied())
                .envs(config.given.variables())
                .current_dir(&folder)
                .stdin(open_program(config, bytecode.as_deref(), &socket, &log)?)
                .stdout(errors.try_clone()?)
                .stderr(errors);
            Ok((listener, ProcessGroup::spawn(&mut command)?))
        };
        let (listener, mut process) =
            spawn().map_err(|error| format!("cannot start {}: {error}", config.python.display()))?;
        match accept_connection(&listener, &mut process, config.stop) {
            Some(stream) => {
                let commands = stream.try_clone().map_err(|error| error.to_string())?;
                let replies = ReplyReader::new(stream);
                let mut worker = Self {
                    config,
                    folder,
                    began,
                    process,
                    commands,
                    replies,
                    inside: Vec::new(),
                    shared_memory: false,
                    bytecode,
                    zygote: 0,
                };
                match worker.read_reply(ZYGOTE_TIMEOUT) {
                    Ok((ZygoteReply::Ready { shared_memory: false, .. }, _))
                        if config.given.has_writable_folders() =>
                    {
                        Err(NO_MOUNTS.to_owned())
                    }
                    Ok((ZygoteReply::Ready { shared_memory, process }, _)) => {
                        worker.shared_memory = shared_memory;
                        worker.zygote = process;
                        Ok(worker)
                    }
                    Ok(_) | Err(WorkerLost) => Err("the probes did not start".to_owned()),
                }
            }
            None => {
                process.kill();
                let said = record::read_end(&folder, LOG, MAX_LOG_BYTES);
                Err(said.lines().last().unwrap_or("it printed nothing").to_owned())
            }
        }
    }

    /// Runs one trial in a child, of one subject or of a batch. Functions of the modules in `skipped` are not called.
    pub(super) fn run_trial(
        &mut self,
        scenario: Scenario,
        after: &[&str],
        subjects: &[&str],
        skipped: &[&str],
    ) -> Result<Attempt, WorkerLost> {
        let order =
            TrialOrder { skipped: to_strings(skipped), ..self.create_order(scenario, after, subjects)? };
        let folder = PathBuf::from(&order.folder);
        let id = order.id;
        let attempt = self.send_command(&ZygoteCommand::Try(order)).and_then(|()| {
            let (end, record) = self.wait_for_end(id)?;
            Ok(self.collect(&record, &folder, Some(end)))
        });
        drop(remove_folder(&folder));
        attempt
    }

    /// Imports a package in the control and keeps that process as a zygote.
    pub(super) fn enter_package(&mut self, subject: &str) -> Result<EnterResult, WorkerLost> {
        let order = self.create_order(Scenario::Main, &[], &[subject])?;
        let (id, folder) = (order.id, PathBuf::from(&order.folder));
        self.send_command(&ZygoteCommand::Enter(order))?;
        match self.read_reply(self.config.limits.timeout + ZYGOTE_TIMEOUT)? {
            (ZygoteReply::Entered(_), record) => {
                self.inside.push((id, folder.clone()));
                Ok(EnterResult::Inside(self.collect(&record, &folder, None)))
            }
            (ZygoteReply::Ended(ended, end, _), record) if ended == id => {
                Ok(EnterResult::Outside(self.collect(&record, &folder, Some(end))))
            }
            (ZygoteReply::Ready { .. } | ZygoteReply::Ended(..), _) => Err(WorkerLost),
        }
    }

    /// Leaves the innermost entered package.
    pub(super) fn leave_package(&mut self) -> Result<(), WorkerLost> {
        let Some((id, folder)) = self.inside.pop() else { return Ok(()) };
        self.send_command(&ZygoteCommand::Leave)?;
        self.wait_for_end(id)?;
        drop(remove_folder(&folder));
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
        self.process.is_alive()
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
        let home = folder.join(trial_files::HOME);
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
            copies: self.config.copies.cloned(),
            skipped: Vec::new(),
            threads: self.config.limits.storm.threads,
            rounds: self.config.limits.storm.rounds,
        })
    }

    /// Joins the record of a trial with what it left in its folder.
    fn collect(&self, record: &[u8], folder: &Path, end: Option<ProcessExit>) -> Attempt {
        // Include the ids of its zygotes: modules imported there may have stored them.
        let own = [std::process::id(), self.process.id(), self.zygote].map(u64::from);
        let mut ids: BTreeSet<u64> = own.into_iter().collect();
        for folder in folder.ancestors().take_while(|folder| *folder != self.folder) {
            ids.extend(record::read_ids(folder));
        }
        let TrialConfig { scratch, python, library, copies, .. } = *self.config;
        let run = RunInfo::new(scratch, python, library.path(), copies, ids, self.began);
        let mut attempt = collect_attempt(record, folder, end, &run);
        if let Some(bytecode) = &self.bytecode {
            bytecode.compile_sources(std::mem::take(&mut attempt.compiled));
        }
        attempt
    }

    fn send_command(&mut self, command: &ZygoteCommand) -> Result<(), WorkerLost> {
        let mut line = serde_json::to_vec(command).map_err(|_| WorkerLost)?;
        line.push(b'\n');
        self.commands.write_all(&line).map_err(|_| WorkerLost)
    }

    /// Waits for the end of this order's child. Returns how it ended, and its record.
    ///
    /// Another id means that the zygote of an entered package died.
    fn wait_for_end(&mut self, id: u64) -> Result<(ProcessExit, Vec<u8>), WorkerLost> {
        match self.read_reply(self.config.limits.timeout + ZYGOTE_TIMEOUT)? {
            (ZygoteReply::Ended(ended, end, _), record) if ended == id => Ok((end, record)),
            (ZygoteReply::Ended(..) | ZygoteReply::Ready { .. } | ZygoteReply::Entered(_), _) => {
                Err(WorkerLost)
            }
        }
    }

    fn read_reply(&mut self, within: Duration) -> Result<(ZygoteReply, Vec<u8>), WorkerLost> {
        self.replies.read_reply(within).map_err(|_| WorkerLost)
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.process.kill();
        drop(remove_folder(&self.folder));
    }
}

fn to_strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The program of a zygote, as a file without a name.
fn open_program(
    config: &TrialConfig<'_>,
    bytecode: Option<&BytecodeFolder>,
    socket: &Path,
    log: &Path,
) -> io::Result<File> {
    let settings = ZygoteSettings {
        socket: path_text(socket),
        log: path_text(log),
        sandbox: config.limits.sandbox || config.given.has_writable_folders(),
        watched: config.cache.map(watched_folders),
        bytecode: bytecode.map(|bytecode| path_text(bytecode.path())),
    };
    let mut file = tempfile::tempfile_in(config.scratch)?;
    file.write_all(config.library.zygote_program(&settings)?.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// Which reads of a trial the probes report.
fn watched_folders(cache: &TrialCache) -> FileAccessScope {
    let folders = cache.folders().iter().map(|folder| path_text(folder)).collect();
    FileAccessScope { folders, apart: cache.excluded_folders().map(path_text).collect() }
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Waits for the zygote to connect. Returns `None` if it exits, times out, or a stop is requested.
fn accept_connection(
    listener: &UnixListener,
    process: &mut ProcessGroup,
    stop: &StopFlag,
) -> Option<UnixStream> {
    let started = Instant::now();
    while started.elapsed() < ZYGOTE_TIMEOUT && !stop.is_set() {
        match listener.accept() {
            Ok((stream, _)) => return stream.set_nonblocking(false).ok().map(|()| stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
        if !process.is_alive() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}
