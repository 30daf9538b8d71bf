//! Child processes in process groups of their own, which end together with all their descendants.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

use super::{adopt_orphans, child_processes};

/// Leaders of running groups. Every other child of this process is an orphan of one of them.
static LEADERS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Whether all groups were killed: this process ends, and starts no other.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// A child process that leads a process group of its own.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Child,
    pid: Pid,
}

impl ProcessGroup {
    /// Starts the leader.
    ///
    /// # Errors
    /// When the program cannot be started, and after [`kill_all_groups`].
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        // Start under the lock: otherwise a concurrent sweep would kill the new process as an orphan.
        with_leaders(|leaders| {
            if IS_ENDING.load(Ordering::Relaxed) {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
            }
            let leader = command.process_group(0).spawn()?;
            let pid = Pid::from_child(&leader);
            leaders.push(pid);
            Ok(Self { leader, pid })
        })
    }

    /// The id of the leader.
    pub fn id(&self) -> u32 {
        self.leader.id()
    }

    /// Whether the leader still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.leader.try_wait(), Ok(None))
    }

    /// Waits for the leader to end. Returns nothing if it still runs after `limit`.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn wait_for(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let started = Instant::now();
        while started.elapsed() < limit {
            if let Some(status) = self.leader.try_wait()? {
                forget_leader(self.pid);
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(None)
    }

    /// Takes the leader's standard input and output, if both are piped.
    pub fn take_pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.leader.stdin.take().zip(self.leader.stdout.take())
    }

    /// Passes a text to the leader's standard input, if it is piped, and collects what it prints until it ends.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn wait_with_output(mut self, input: &str) -> io::Result<Output> {
        if let Some(mut stdin) = self.leader.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = self.leader.wait_with_output();
        forget_leader(self.pid);
        output
    }

    /// Kills the leader and all its descendants.
    pub fn kill(&mut self) {
        kill_group(self.pid);
        drop(self.leader.kill());
        drop(self.leader.wait());
        forget_leader(self.pid);
        sweep_orphans();
    }
}

fn forget_leader(pid: Pid) {
    with_leaders(|leaders| leaders.retain(|leader| *leader != pid));
}

/// Kills every running group, and keeps others from being started. Their owners still have to wait for them.
pub fn kill_all_groups() {
    with_leaders(|leaders| {
        IS_ENDING.store(true, Ordering::Relaxed);
        leaders.iter().copied().for_each(kill_group);
    });
}

/// Makes this process the parent of descendants whose own parents end, and kills those that it has.
///
/// So no process that a trial started outlives its group or the audit, even if it daemonizes. Linux only.
pub fn sweep_orphans() {
    adopt_orphans();
    // Killing an orphan makes its children orphans: repeat until there are none.
    for _ in 0..100 {
        let orphans = with_leaders(|leaders| {
            child_processes().into_iter().filter(|child| !leaders.contains(child)).collect::<Vec<_>>()
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

fn kill_group(leader: Pid) {
    let _ = kill_process_group(leader, Signal::KILL);
}

fn with_leaders<R>(change: impl FnOnce(&mut Vec<Pid>) -> R) -> R {
    change(&mut LEADERS.lock().unwrap_or_else(PoisonError::into_inner))
}
