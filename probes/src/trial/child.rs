//! The child's side of a fork: away from the zygote's descriptors, streams and limits, then the protocol.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::{crash, folders, ids, limits, record, shared_memory, touched};
use crate::protocol::{Event, Order};
use crate::python;
use crate::sandbox::{self, Confinement};

/// The status of a child that could not even begin.
const COULD_NOT_BEGIN: i32 = 70;

/// Who settles, and so what it inherits and what it may write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A child that runs one trial.
    Trial,
    /// A child that will be a zygote: the folders of its trials lie in its own.
    Zygote,
    /// A child of such a zygote: at home where its parent is.
    Inside,
}

/// Prepares the child for foreign code: record, output, session, limits, home, sandbox.
///
/// # Errors
/// Which of them failed.
pub(super) fn settle(order: &Order, who: Who, has_shared_memory: bool) -> std::io::Result<()> {
    let folder = Path::new(&order.folder);
    let home = folder.join("home");
    record::open(&folder.join("record"))?;
    touched::tell_again();
    let output = OpenOptions::new().append(true).create(true).open(folder.join("output"))?;
    let nothing = OpenOptions::new().read(true).open("/dev/null")?;
    // SAFETY: plain system calls on our own process and descriptors.
    unsafe {
        // A group of its own to be ended by, and no terminal to speak to.
        libc::setsid();
        die_with_parent();
        libc::dup2(nothing.as_raw_fd(), 0);
        libc::dup2(output.as_raw_fd(), 1);
        libc::dup2(output.as_raw_fd(), 2);
    }
    std::env::set_current_dir(&home)?;
    limits::files();
    let (crash, stack) = (folder.join("crash"), folder.join("stack"));
    crash::watch(&crash, &stack)?;
    let numbers = folder.join("ids");
    ids::begin(&numbers)?;
    if who != Who::Inside {
        move_in(&home);
    }
    let shown = folders::show(&order.shown)?;
    if order.sandbox {
        limits::resources(order, who);
        let mut writable: Vec<&Path> = match who {
            Who::Trial => vec![&home, &crash, &stack, &numbers],
            Who::Zygote => vec![folder],
            Who::Inside => Vec::new(),
        };
        if has_shared_memory && who != Who::Inside {
            writable.push(Path::new(shared_memory::FOLDER));
        }
        writable.extend(shown);
        // SAFETY: reads a number of our own process.
        let parent = unsafe { libc::getppid() };
        // What cannot be enforced here is in the report already: the auditor has tried.
        let _known = sandbox::confine(&Confinement { writable: &writable, parent });
        record::write(&Event::Confined);
    }
    Ok(())
}

/// Has the environment name this folder, for C and for what Python has read of it.
fn move_in(home: &Path) {
    let Ok(path) = CString::new(home.as_os_str().as_encoded_bytes()) else { return };
    // SAFETY: the child has one thread, which holds the GIL; both strings end with NUL.
    unsafe {
        libc::setenv(c"HOME".as_ptr(), path.as_ptr(), 1);
        libc::setenv(c"TMPDIR".as_ptr(), path.as_ptr(), 1);
        python::run(c"import os\nfor name in ('HOME', 'TMPDIR'): os.environ[name] = os.getcwd()");
    }
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
