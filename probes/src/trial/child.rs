//! The child's side of a fork: away from the zygote's descriptors, streams and limits, then the protocol.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::{crash, record};
use crate::protocol::{Event, Order};

/// The status of a child that could not even begin.
const COULD_NOT_BEGIN: i32 = 70;

/// Bytes that a trial may write to one file.
const LARGEST_FILE: u64 = 1 << 30;

/// Prepares the child for foreign code: record, output, working folder, group, limits.
///
/// # Errors
/// Which of them failed.
pub(super) fn settle(order: &Order) -> std::io::Result<()> {
    let folder = Path::new(&order.folder);
    record::open(&folder.join("record"))?;
    let output = OpenOptions::new().append(true).create(true).open(folder.join("output"))?;
    let nothing = OpenOptions::new().read(true).open("/dev/null")?;
    // SAFETY: plain system calls on our own process and descriptors.
    unsafe {
        libc::setpgid(0, 0);
        die_with_parent();
        libc::dup2(nothing.as_raw_fd(), 0);
        libc::dup2(output.as_raw_fd(), 1);
        libc::dup2(output.as_raw_fd(), 2);
    }
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_FSIZE, LARGEST_FILE);
    crash::watch(folder)?;
    std::env::set_current_dir(folder)
}

/// Leaves without running anybody's exit handlers: the record says how it went.
pub(super) fn leave(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

/// Records that the probe failed, not the subject, and leaves.
pub(super) fn give_up(why: &str) -> ! {
    record::write(&Event::Broken(why.to_owned()));
    leave(COULD_NOT_BEGIN)
}

/// A panic of the probe must not look like a crash of the subject.
pub(super) fn panic_is_ours() {
    std::panic::set_hook(Box::new(|panic| give_up(&panic.to_string())));
}

/// The kernel kills this process when its parent goes (Linux only; elsewhere the auditor's sweep does).
pub(super) fn die_with_parent() {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with constant arguments.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// Orphans of this process's children become its own, so that it can end them (Linux only).
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with constant arguments.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    }
}

#[cfg(target_os = "linux")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_os = "linux"))]
type Resource = libc::c_int;

fn limit(resource: Resource, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: lowers a limit of our own process.
    unsafe { libc::setrlimit(resource, &raw const limit) };
}

/// Points standard input and both outputs at a file, or at nothing.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn quiet(log: &Path) -> std::io::Result<()> {
    let log = CString::new(log.as_os_str().as_encoded_bytes())?;
    // SAFETY: NUL-terminated paths; the standard descriptors are ours.
    unsafe {
        let log = libc::open(log.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND, 0o600);
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY);
        if log < 0 || nothing < 0 {
            return Err(std::io::Error::last_os_error());
        }
        libc::dup2(nothing, 0);
        libc::dup2(log, 1);
        libc::dup2(log, 2);
        libc::close(nothing);
        libc::close(log);
    }
    Ok(())
}
