//! A worker: one zygote process and the connection to it. Whatever happens to the process, an order gets an
//! answer, and nothing of it outlives the worker.

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

use super::collect::collect;
use super::given::Given;
use super::library::{BOOTSTRAP, Library};
use super::protocol::{Command, End, Event, Interpreters, Order, Reply, Watched};
use super::read::Evidence;
use super::record;
use super::search_path::SearchPath;
use super::varying::{Clock, Run};
use crate::cache::Cache;
use crate::model::{Crash, EDITABLE_VARIABLES};

/// How long a zygote may take to come up, and to notice a deadline before it is itself given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why nothing is tried with `--writable` on this system.
const NO_MOUNTS: &str = "--writable needs mount namespaces, and this system does not allow them: make a copy of the folder \
                         yourself, and audit with --no-sandbox if the application can do no harm";

/// What a trial may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall time of one trial.
    pub timeout: Duration,
    /// Whether it is confined: no network, no writes outside its folder, no signals to others, and limits.
    pub sandbox: bool,
    /// How hard it is tried with several threads.
    pub storm: Storm,
}

/// Several threads that use something at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Storm {
    /// How many.
    pub threads: usize,
    /// How often each does its part.
    pub rounds: usize,
}

impl Storm {
    /// More threads than the processors of a small machine, few enough for each to get somewhere.
    pub const USUAL: Self = Self { threads: 4, rounds: 2 };
    /// For what takes more luck.
    pub const THOROUGH: Self = Self { threads: 8, rounds: 8 };
}

/// Asks every worker to stop: set by ctrl-C.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Stops: running trials are killed, no new ones begin.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
        zygotes(|zygotes| zygotes.iter().copied().for_each(end_group));
    }

    /// Whether it was asked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Zygotes that are alive: every other child of this process is an orphan of a trial.
static ZYGOTES: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How to start workers.
#[derive(Debug)]
pub(super) struct Setup<'a> {
    pub(super) python: &'a Path,
    pub(super) library: &'a Library,
    pub(super) scratch: &'a Path,
    pub(super) limits: Limits,
    pub(super) stop: &'a Stop,
    /// What the user gives to everything that is tried.
    pub(super) given: &'a Given,
    /// Environment variables on top of the cleaned environment.
    pub(super) variables: &'a [(&'a str, &'a str)],
    /// Options of the python on top of those that isolate it.
    pub(super) options: &'a [&'a str],
    /// What each interpreter adds to its `sys.path`.
    pub(super) path: &'a SearchPath,
    /// Answers of earlier audits.
    pub(super) cache: Option<&'a Cache>,
}

/// The zygote is gone, or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// What came of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) evidence: Evidence,
    pub(super) left: Left,
    /// What it read from disk, where that was asked for, each after so many of its events.
    #[serde(skip)]
    pub(super) touched: Vec<(usize, String)>,
}

impl Attempt {
    /// What a child that ended well would have left, if it had tried one subject alone.
    pub(super) fn of_one(events: Vec<Event>) -> Self {
        let evidence = Evidence { events, end: Some(End::Exit(0)) };
        Self { evidence, left: Left::default(), touched: Vec::new() }
    }
}

/// What a child leaves beside its record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) printed: String,
    pub(super) crash: Option<Crash>,
}

/// What came of entering a package in the control.
#[derive(Debug)]
pub(super) enum Entered {
    /// It is imported, and orders now run on top of it.
    Inside(Attempt),
    /// Its import ended the child.
    Outside(Attempt),
}

/// One zygote and the connection to it.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    setup: &'a Setup<'a>,
    folder: PathBuf,
    began: Clock,
    process: Child,
    pid: Pid,
    commands: UnixStream,
    replies: BufReader<UnixStream>,
    /// Orders of the zygotes entered with their folders, innermost last.
    inside: Vec<(u64, PathBuf)>,
    shared_memory: bool,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl<'a> Worker<'a> {
    /// Starts a zygote.
    ///
    /// # Errors
    /// In words, with what the python printed.
    pub(super) fn start(setup: &'a Setup<'a>) -> Result<Self, String> {
        let began = Clock::now();
        let folder = setup.scratch.join(format!("worker-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let log = folder.join("log");
        let socket = folder.join("socket");
        let begin = || -> io::Result<(UnixListener, Child)> {
            fs::create_dir_all(&folder)?;
            let listener = UnixListener::bind(&socket)?;
            listener.set_nonblocking(true)?;
            let errors = File::create(&log)?;
            let process = std::process::Command::new(setup.python)
                // As `-I`, which would not let the seed be fixed.
                .args(["-s", "-P", "-B", "-X", "faulthandler"])
                .args(setup.options)
                .args(["-c", BOOTSTRAP])
                .args([setup.library.path(), &socket, &log])
                .arg(if setup.limits.sandbox || setup.given.has_writable() { "1" } else { "0" })
                .arg(setup.cache.map(watched).unwrap_or_default())
                .env_clear()
                .envs(environment(&folder))
                .envs(setup.variables.iter().copied())
                .envs(setup.given.variables())
                .current_dir(&folder)
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(errors.try_clone()?)
                .stderr(errors)
                .spawn()?;
            Ok((listener, process))
        };
        // Under the lock: a sweep must not take a zygote that it does not know yet for an orphan.
        let (listener, mut process, pid) = zygotes(|zygotes| {
            let (listener, process) =
                begin().map_err(|error| format!("cannot start {}: {error}", setup.python.display()))?;
            let pid = Pid::from_child(&process);
            zygotes.push(pid);
            Ok::<_, String>((listener, process, pid))
        })?;
        match accept(&listener, &mut process, setup.stop) {
            Some(stream) => {
                let commands = stream.try_clone().map_err(|error| error.to_string())?;
                let replies = BufReader::new(stream);
                let mut worker = Self {
                    setup,
                    folder,
                    began,
                    process,
                    pid,
                    commands,
                    replies,
                    inside: Vec::new(),
                    shared_memory: false,
                };
                match worker.reply(PATIENCE) {
                    Ok(Reply::Ready { shared_memory: false }) if setup.given.has_writable() => {
                        Err(NO_MOUNTS.to_owned())
                    }
                    Ok(Reply::Ready { shared_memory }) => {
                        worker.shared_memory = shared_memory;
                        Ok(worker)
                    }
                    Ok(_) | Err(Lost) => Err("the probes did not come up".to_owned()),
                }
            }
            None => {
                end(&mut process, pid);
                let said = fs::read_to_string(&log).unwrap_or_default();
                Err(said.lines().last().unwrap_or("it printed nothing").to_owned())
            }
        }
    }

    /// Runs a trial in a child, of one subject or of several.
    pub(super) fn attempt(
        &mut self,
        place: Interpreters,
        after: &[&str],
        subjects: &[&str],
    ) -> Result<Attempt, Lost> {
        let order = self.order(place, after, subjects)?;
        let folder = PathBuf::from(&order.folder);
        let id = order.id;
        let attempt = self.send(&Command::Try(order)).and_then(|()| {
            let end = self.ended(id)?;
            Ok(self.collect(&folder, Some(end)))
        });
        drop(fs::remove_dir_all(&folder));
        attempt
    }

    /// Imports a package in the control and stays there.
    pub(super) fn enter(&mut self, subject: &str) -> Result<Entered, Lost> {
        let order = self.order(Interpreters::Main, &[], &[subject])?;
        let (id, folder) = (order.id, PathBuf::from(&order.folder));
        self.send(&Command::Enter(order))?;
        match self.reply(self.setup.limits.timeout) {
            Ok(Reply::Entered) => {
                self.inside.push((id, folder.clone()));
                Ok(Entered::Inside(self.collect(&folder, None)))
            }
            Ok(Reply::Ended(ended, end)) if ended == id => {
                Ok(Entered::Outside(self.collect(&folder, Some(end))))
            }
            Ok(Reply::Ready { .. } | Reply::Ended(..)) => Err(Lost),
            // Nobody but us watches the clock of an import that may become a zygote.
            Err(Lost) if self.is_alive() => {
                let attempt = self.collect(&folder, Some(End::Deadline));
                self.kill();
                Ok(Entered::Outside(attempt))
            }
            Err(Lost) => Err(Lost),
        }
    }

    /// Leaves the innermost package entered.
    pub(super) fn leave(&mut self) -> Result<(), Lost> {
        let Some((id, folder)) = self.inside.pop() else { return Ok(()) };
        self.send(&Command::Leave)?;
        self.ended(id)?;
        drop(fs::remove_dir_all(folder));
        Ok(())
    }

    /// How many packages are entered.
    pub(super) fn depth(&self) -> usize {
        self.inside.len()
    }

    /// Whether its trials have shared memory: the system's, or in the sandbox their own.
    pub(super) fn has_shared_memory(&self) -> bool {
        self.shared_memory || !self.setup.limits.sandbox
    }

    /// Whether the zygote still runs. A worker that is lost is thrown away and another one started.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn order(&self, place: Interpreters, after: &[&str], subjects: &[&str]) -> Result<Order, Lost> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        // What a zygote entered forks may write where that one may, and nowhere else.
        let outer = self.inside.last().map_or(&self.folder, |(_, folder)| folder);
        let folder = outer.join(format!("trial-{id}"));
        let home = folder.join("home");
        fs::create_dir_all(&home).and_then(|()| self.setup.given.put_into(&home)).map_err(|_| Lost)?;
        // Who comes from a zygote entered is where that one is.
        let is_inside = !self.inside.is_empty();
        let shown = match is_inside {
            true => Vec::new(),
            false => self.setup.given.put_writable_into(&folder).map_err(|_| Lost)?,
        };
        Ok(Order {
            id,
            folder: folder.to_string_lossy().into_owned(),
            sandbox: self.setup.limits.sandbox,
            shown,
            place,
            after: texts(after),
            path: self.setup.path.folders(),
            subjects: texts(subjects),
            deadline: u64::try_from(self.setup.limits.timeout.as_millis()).unwrap_or(u64::MAX),
            threads: self.setup.limits.storm.threads,
            rounds: self.setup.limits.storm.rounds,
        })
    }

    /// What a trial has left in its folder.
    fn collect(&self, folder: &Path, end: Option<End>) -> Attempt {
        // It may tell numbers of the zygotes that it comes from, too: what was imported there keeps them.
        let own = [std::process::id(), self.pid.as_raw_nonzero().get().unsigned_abs()].map(u64::from);
        let mut ids: BTreeSet<u64> = own.into_iter().collect();
        for folder in folder.ancestors().take_while(|folder| *folder != self.folder) {
            ids.extend(record::ids(folder));
        }
        collect(folder, end, &Run::new(self.setup.scratch, self.setup.python, ids, self.began))
    }

    fn send(&mut self, command: &Command) -> Result<(), Lost> {
        let mut line = serde_json::to_vec(command).map_err(|_| Lost)?;
        line.push(b'\n');
        self.commands.write_all(&line).map_err(|_| Lost)
    }

    /// Waits for the end of this order's child. Another's end means that a zygote entered died under it.
    fn ended(&mut self, id: u64) -> Result<End, Lost> {
        match self.reply(self.setup.limits.timeout + PATIENCE)? {
            Reply::Ended(ended, end) if ended == id => Ok(end),
            Reply::Ended(..) | Reply::Ready { .. } | Reply::Entered => Err(Lost),
        }
    }

    fn reply(&mut self, within: Duration) -> Result<Reply, Lost> {
        let mut line = String::new();
        self.replies.get_ref().set_read_timeout(Some(within)).map_err(|_| Lost)?;
        match self.replies.read_line(&mut line) {
            Ok(0) | Err(_) => Err(Lost),
            Ok(_) => serde_json::from_str(&line).map_err(|_| Lost),
        }
    }

    fn kill(&mut self) {
        end(&mut self.process, self.pid);
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.kill();
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What the probes tell of a trial's reading, as JSON.
fn watched(cache: &Cache) -> String {
    let texts = |path: &Path| path.to_string_lossy().into_owned();
    let folders = cache.folders().iter().map(|folder| texts(folder)).collect();
    let watched = Watched { folders, apart: cache.apart().map(texts).collect() };
    serde_json::to_string(&watched).unwrap_or_default()
}

/// What a trial finds in its environment: what a program needs to run, nothing of the user's, and that it is a trial:
/// `wsgiaudit_guard` then admits everything, since there is no report yet.
fn environment(home: &Path) -> Vec<(&'static str, std::ffi::OsString)> {
    let kept = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
    let mut environment: Vec<_> =
        kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
    environment.extend([("HOME", home.into()), ("TMPDIR", home.into()), ("LANG", "C.UTF-8".into())]);
    environment.push(("WSGIAUDIT_TRIAL", "1".into()));
    // Sets of strings are in the same order in each audit: what is imported by that order is, and what is said in it.
    environment.push(("PYTHONHASHSEED", "1".into()));
    // As powers of two of a processor's cycles: how long OpenBLAS's threads spin before they sleep, 26 if nothing is said.
    // They are as many as ever; waiting for work they keep other trials from the processors.
    environment.push(("OPENBLAS_THREAD_TIMEOUT", "4".into()));
    environment.extend(EDITABLE_VARIABLES.map(|(name, value)| (name, value.into())));
    environment
}

fn accept(listener: &UnixListener, process: &mut Child, stop: &Stop) -> Option<UnixStream> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE && !stop.is_set() {
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

/// Kills a zygote and all that came from it.
fn end(process: &mut Child, pid: Pid) {
    end_group(pid);
    drop(process.kill());
    drop(process.wait());
    zygotes(|zygotes| zygotes.retain(|zygote| *zygote != pid));
    sweep_orphans();
}

fn end_group(pid: Pid) {
    let _ = kill_process_group(pid, Signal::KILL);
}

fn zygotes<R>(change: impl FnOnce(&mut Vec<Pid>) -> R) -> R {
    change(&mut ZYGOTES.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// Makes this process the one that orphans of its descendants fall to, and ends those there are: what a
/// trial started outlives neither its zygote nor the audit, whatever it did to hide. Linux only.
pub fn sweep_orphans() {
    let _ = set_child_subreaper(rustix::process::getpid().into());
    // A killed orphan's own children come next: look again until there are none.
    for _ in 0..100 {
        let orphans = zygotes(|zygotes| {
            children().into_iter().filter(|child| !zygotes.contains(child)).collect::<Vec<_>>()
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

/// Children of this process (`/proc/PID/stat`: name in brackets, state, parent).
fn children() -> Vec<Pid> {
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
