//! The guardian: the process between the auditor and a zygote.
//!
//! Processes that trials have started are killed by the zygote, and if that is gone by the auditor. If the
//! auditor is killed too, only the guardian is left to do so.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use super::child;
use super::process_fork::fork_python;
use super::supervise::{kill_children, open_pidfd, wait_for_exit};

/// Forks. This process becomes the guardian and ends with its child; only the child returns.
///
/// The connection to the auditor tells when the auditor is gone.
///
/// # Errors
/// If this process cannot fork.
///
/// # Safety
/// The thread holds the GIL and is the only one of this process.
pub(super) unsafe fn start_guardian(auditor: &UnixStream) -> std::io::Result<()> {
    // SAFETY: guaranteed by the caller.
    let zygote = unsafe { fork_python() }?;
    if zygote == 0 {
        return Ok(());
    }
    child::adopt_orphans();
    wait_for_end(zygote, auditor);
    kill_children();
    child::exit_now(0)
}

/// Waits until the zygote has ended, or the auditor.
fn wait_for_end(zygote: libc::pid_t, auditor: &UnixStream) {
    let end = open_pidfd(zygote);
    loop {
        let polled = |fd, events| libc::pollfd { fd, events, revents: 0 };
        // poll(2) ignores negative descriptors, and always reports POLLHUP.
        let mut both = [
            polled(auditor.as_raw_fd(), 0),
            polled(end.as_ref().map_or(-1, AsRawFd::as_raw_fd), libc::POLLIN),
        ];
        // SAFETY: an array of two.
        unsafe { libc::poll(both.as_mut_ptr(), 2, 100) };
        if both[0].revents != 0 || wait_for_exit(zygote, libc::WNOHANG).is_some() {
            return;
        }
    }
}
