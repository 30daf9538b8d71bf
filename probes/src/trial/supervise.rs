//! The parent's side of a fork: how the child ended, by when, and that nothing of it is left.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use super::limits::is_overfull;
use crate::protocol::End;

/// How often a folder's size is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Waits for a child, kills it at its deadline or when it fills its folder, then kills whatever it left
/// behind.
pub(super) fn supervise(child: libc::pid_t, deadline: Option<Duration>, folder: &Path) -> End {
    let end = wait(child, deadline, folder);
    sweep(child);
    end
}

fn wait(child: libc::pid_t, deadline: Option<Duration>, folder: &Path) -> End {
    let started = Instant::now();
    let mut looked = started;
    let end = watch_end(child);
    loop {
        if let Some(end) = ended(child, libc::WNOHANG) {
            return end;
        }
        if deadline.is_some_and(|deadline| started.elapsed() >= deadline) {
            kill(child);
            ended(child, 0);
            return End::Deadline;
        }
        if looked.elapsed() >= LOOK {
            if is_overfull(folder) {
                kill(child);
                ended(child, 0);
                return End::Overfull;
            }
            looked = Instant::now();
        }
        pause(end.as_ref());
    }
}

/// A descriptor that can be read once the child has ended (`pidfd_open(2)`); `None` where the system has none.
fn watch_end(child: libc::pid_t) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    // SAFETY: a system call that makes a descriptor, which is ours alone.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, child, 0);
        let descriptor = libc::c_int::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
        Some(OwnedFd::from_raw_fd(descriptor))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Waits for a moment: a short one, where the end would not be noticed.
fn pause(end: Option<&OwnedFd>) {
    let Some(end) = end else { return std::thread::sleep(Duration::from_millis(1)) };
    let mut polled = libc::pollfd { fd: end.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, which is open.
    unsafe { libc::poll(&raw mut polled, 1, 10) };
}

/// How the child ended; `None` while it lives.
fn ended(child: libc::pid_t, flags: libc::c_int) -> Option<End> {
    let mut status = 0;
    // SAFETY: waits for our own child.
    let found = unsafe { libc::waitpid(child, &raw mut status, flags) };
    if found == 0 {
        return None;
    }
    Some(if libc::WIFEXITED(status) {
        End::Exit(libc::WEXITSTATUS(status))
    } else {
        End::Signal(libc::WTERMSIG(status))
    })
}

/// Kills what a child left: its process group, and everything that, orphaned, became ours, since this
/// process is a subreaper. A process that double-forks or starts its own session does not escape that.
fn sweep(child: libc::pid_t) {
    // SAFETY: the group that the child made for itself; never ours, since the child is not us.
    unsafe { libc::kill(-child, libc::SIGKILL) };
    loop {
        // SAFETY: reaps any child.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } {
            0 => {
                children().into_iter().for_each(kill);
                std::thread::sleep(Duration::from_micros(200));
            }
            -1 => return,
            _ => {}
        }
    }
}

fn kill(process: libc::pid_t) {
    // SAFETY: signals a child of ours, which stays a zombie, and so keeps its number, until we reap it.
    unsafe {
        libc::kill(-process, libc::SIGKILL);
        libc::kill(process, libc::SIGKILL);
    }
}

/// Living children of this process (`/proc/PID/stat`, fourth field).
fn children() -> Vec<libc::pid_t> {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process: &libc::pid_t| {
            fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
                let after_name = stat.rsplit(") ").next().unwrap_or_default();
                after_name.split(' ').nth(1) == Some(&own)
            })
        })
        .collect()
}
