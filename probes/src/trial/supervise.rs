//! Supervises a forked child: waits for its end, enforces deadline and size limit, and kills leftover
//! processes.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::process_stat::list_children;
use wsgiaudit_probes_core::protocol::ProcessExit;

use super::resource_limits::is_overfull;

/// Interval for checking the size of the folder.
const SIZE_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits for a child, kills it at its deadline or if its folder exceeds the size limit, then kills all
/// processes that it left behind.
pub(super) fn supervise_child(child: libc::pid_t, deadline: Option<Duration>, folder: &Path) -> ProcessExit {
    let end = wait_for_child(child, deadline, folder);
    kill_leftovers(child);
    end
}

fn wait_for_child(child: libc::pid_t, deadline: Option<Duration>, folder: &Path) -> ProcessExit {
    let started = Instant::now();
    let mut looked = started;
    let end = open_pidfd(child);
    loop {
        if let Some(end) = wait_for_exit(child, libc::WNOHANG) {
            return end;
        }
        if deadline.is_some_and(|deadline| started.elapsed() >= deadline) {
            kill_process(child);
            wait_for_exit(child, 0);
            return ProcessExit::Deadline;
        }
        if looked.elapsed() >= SIZE_CHECK_INTERVAL {
            if is_overfull(folder) {
                kill_process(child);
                wait_for_exit(child, 0);
                return ProcessExit::Overfull;
            }
            looked = Instant::now();
        }
        wait_briefly(end.as_ref());
    }
}

/// Opens a descriptor that becomes readable once the child has ended (`pidfd_open(2)`); `None` if
/// unsupported.
fn open_pidfd(child: libc::pid_t) -> Option<OwnedFd> {
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

/// Waits up to 10 ms for the end of the child; only 1 ms if there is no pidfd to wake up this thread.
fn wait_briefly(end: Option<&OwnedFd>) {
    let Some(end) = end else { return std::thread::sleep(Duration::from_millis(1)) };
    let mut polled = libc::pollfd { fd: end.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one open descriptor.
    unsafe { libc::poll(&raw mut polled, 1, 10) };
}

/// Returns how the child ended, or `None` if it is still running.
fn wait_for_exit(child: libc::pid_t, flags: libc::c_int) -> Option<ProcessExit> {
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
