//! Supervises a forked child: keeps its record, waits for its end, enforces deadline and size limit, and kills
//! leftover processes.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::process_stat::{list_children, list_descendants};
use wsgiaudit_probes_core::protocol::ProcessExit;
use wsgiaudit_probes_core::record_format::TrialRecord;

use super::resource_limits::{is_overfull, uses_too_much_memory};

/// Interval for checking the size of the folder and of memory.
const SIZE_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A child, the connection over which it sends its record, and what it has sent.
pub(super) struct SupervisedChild {
    process: libc::pid_t,
    /// `None` once the child has closed it.
    connection: Option<UnixStream>,
    record: TrialRecord,
}

impl SupervisedChild {
    /// # Errors
    /// If the connection cannot be read without blocking.
    pub(super) fn new(process: libc::pid_t, connection: UnixStream) -> std::io::Result<Self> {
        connection.set_nonblocking(true)?;
        Ok(Self { process, connection: Some(connection), record: TrialRecord::default() })
    }

    /// Waits for the child, kills it at its deadline or if its folder or its memory exceeds the limit, then kills
    /// all processes that it left behind. Returns how it ended, and its record.
    ///
    /// If the child becomes a zygote, `serves` gets the record and the connection as soon as the trial is done,
    /// and then there is no deadline.
    pub(super) fn supervise(
        mut self,
        deadline: Duration,
        folder: &Path,
        serves: Option<impl FnOnce(&TrialRecord, &UnixStream)>,
    ) -> (ProcessExit, TrialRecord) {
        let end = self.wait_for_end(deadline, folder, serves);
        kill_leftovers(self.process);
        self.receive_events();
        (end, self.record)
    }

    fn wait_for_end(
        &mut self,
        deadline: Duration,
        folder: &Path,
        mut serves: Option<impl FnOnce(&TrialRecord, &UnixStream)>,
    ) -> ProcessExit {
        let started = Instant::now();
        let (mut looked, mut deadline) = (started, Some(deadline));
        let end = open_pidfd(self.process);
        loop {
            if let Some(end) = wait_for_exit(self.process, libc::WNOHANG) {
                return end;
            }
            if deadline.is_some_and(|deadline| started.elapsed() >= deadline) {
                return self.kill_as(ProcessExit::Deadline);
            }
            if looked.elapsed() >= SIZE_CHECK_INTERVAL {
                let processes = list_descendants();
                if is_overfull(folder, &processes) {
                    return self.kill_as(ProcessExit::Overfull);
                }
                if uses_too_much_memory(&processes) {
                    return self.kill_as(ProcessExit::TooMuchMemory);
                }
                looked = Instant::now();
            }
            self.receive_events();
            if self.record.is_done()
                && let (Some(connection), Some(serves)) = (&self.connection, serves.take())
            {
                serves(&self.record, connection);
                deadline = None;
            }
            wait_briefly(end.as_ref(), self.connection.as_ref());
        }
    }

    fn kill_as(&self, end: ProcessExit) -> ProcessExit {
        kill_process(self.process);
        wait_for_exit(self.process, 0);
        end
    }

    /// Receives what the child has sent so far.
    fn receive_events(&mut self) {
        let mut buffer = [0; 16 << 10];
        while let Some(connection) = &self.connection {
            match (&mut &*connection).read(&mut buffer) {
                Ok(0) => self.connection = None,
                Ok(size) => self.record.append(&buffer[..size]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.connection = None,
            }
        }
    }
}

/// Opens a descriptor that becomes readable once the child has ended (`pidfd_open(2)`); `None` if
/// unsupported.
pub(super) fn open_pidfd(child: libc::pid_t) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    // SAFETY: the system call creates a descriptor that only this function owns.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, child, 0);
        let descriptor = libc::c_int::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
        Some(OwnedFd::from_raw_fd(descriptor))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Waits up to 10 ms for the end of the child or for events; only 1 ms if there is no pidfd to wake up this
/// thread.
fn wait_briefly(end: Option<&OwnedFd>, connection: Option<&UnixStream>) {
    // poll(2) ignores negative descriptors.
    let polled = |descriptor: Option<libc::c_int>| libc::pollfd {
        fd: descriptor.unwrap_or(-1),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut all = [polled(end.map(AsRawFd::as_raw_fd)), polled(connection.map(AsRawFd::as_raw_fd))];
    // SAFETY: an array of two.
    unsafe { libc::poll(all.as_mut_ptr(), 2, if end.is_some() { 10 } else { 1 }) };
}

/// Returns how the child ended, or `None` if it is still running.
pub(super) fn wait_for_exit(child: libc::pid_t, flags: libc::c_int) -> Option<ProcessExit> {
    let mut status = 0;
    // SAFETY: waits for a child of this process.
    let found = unsafe { libc::waitpid(child, &raw mut status, flags) };
    if found == 0 {
        return None;
    }
    Some(if libc::WIFEXITED(status) {
        ProcessExit::Exit(libc::WEXITSTATUS(status))
    } else {
        ProcessExit::Signal(libc::WTERMSIG(status))
    })
}

/// Kills what a child left: its process group, and all orphans, which this process inherits as a subreaper.
/// So processes that double-fork or start their own session do not escape.
fn kill_leftovers(child: libc::pid_t) {
    // SAFETY: the process group that the child created for itself, never that of this process.
    unsafe { libc::kill(-child, libc::SIGKILL) };
    kill_children();
}

/// Kills all children of this process, and those that it inherits from them.
pub(super) fn kill_children() {
    loop {
        // SAFETY: reaps any child.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } {
            0 => {
                list_children().into_iter().for_each(kill_process);
                std::thread::sleep(Duration::from_micros(200));
            }
            -1 => return,
            _ => {}
        }
    }
}

fn kill_process(process: libc::pid_t) {
    // SAFETY: signals a child of this process. Its id stays reserved until the child is reaped.
    unsafe {
        libc::kill(-process, libc::SIGKILL);
        libc::kill(process, libc::SIGKILL);
    }
}
