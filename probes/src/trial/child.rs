//! Prepares a forked child for a trial: record, output, session, limits, home folder and sandbox.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;

use wsgiaudit_probes_core::protocol::{PROBE_FAILED, TrialEvent, TrialOrder};
use wsgiaudit_probes_core::sandbox::{self, Confinement};
use wsgiaudit_probes_core::trial_files;

use super::{
    bind_mounts, crash_handler, file_access_log, record, resource_limits, shared_memory, thread_ids,
};
use crate::python;

/// Role of a forked child, which decides what it inherits and what it may write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChildRole {
    /// A child that runs one trial.
    Trial,
    /// A child that becomes a zygote: the folders of its trials lie in its own folder.
    Zygote,
    /// A child of such a zygote, whose home folder and write permissions it inherits.
    Inside,
}

/// Prepares a child for running foreign code.
///
/// # Errors
/// The I/O error of the step that failed.
pub(super) fn prepare_child(
    order: &TrialOrder,
    role: ChildRole,
    has_shared_memory: bool,
) -> std::io::Result<()> {
    let folder = Path::new(&order.folder);
    let home = folder.join(trial_files::HOME);
    record::open_record(&folder.join(trial_files::RECORD))?;
    file_access_log::record_inherited();
    let output = OpenOptions::new().append(true).create(true).open(folder.join(trial_files::OUTPUT))?;
    let nothing = OpenOptions::new().read(true).open("/dev/null")?;
    // SAFETY: plain system calls on this process and its own descriptors.
    unsafe {
        // A new session gives the child its own process group, for killing it, and no controlling terminal.
        libc::setsid();
        die_with_parent();
        libc::dup2(nothing.as_raw_fd(), 0);
        libc::dup2(output.as_raw_fd(), 1);
        libc::dup2(output.as_raw_fd(), 2);
    }
    std::env::set_current_dir(&home)?;
    resource_limits::limit_files();
    let (crash, stack) = (folder.join(trial_files::CRASH), folder.join(trial_files::STACK));
    crash_handler::install_handlers(&crash, &stack)?;
    let numbers = folder.join(trial_files::IDS);
    thread_ids::open_id_file(&numbers)?;
    if role != ChildRole::Inside {
        set_home(&home);
    }
    let shown = bind_mounts::bind_folders(&order.shown)?;
    if order.sandbox {
        // A zygote must live longer than one trial.
        resource_limits::limit_resources((role != ChildRole::Zygote).then_some(order.deadline));
        let mut writable: Vec<&Path> = match role {
            ChildRole::Trial => vec![&home, &crash, &stack, &numbers],
            ChildRole::Zygote => vec![folder],
            ChildRole::Inside => Vec::new(),
        };
        if has_shared_memory && role != ChildRole::Inside {
            writable.push(Path::new(shared_memory::FOLDER));
        }
        writable.extend(shown);
        // SAFETY: reads the id of the parent process.
        let parent = unsafe { libc::getppid() };
        // The result is not needed: the auditor has already tested and reported what cannot be enforced.
        let _known = sandbox::confine(&Confinement { writable: &writable, parent });
        record::write_event(&TrialEvent::Confined);
    }
    Ok(())
}

/// Sets `HOME` and `TMPDIR` to this folder, for C code and in `os.environ`.
fn set_home(home: &Path) {
    let Ok(path) = CString::new(home.as_os_str().as_encoded_bytes()) else { return };
    // SAFETY: the child has one thread, which holds the GIL; both strings are NUL-terminated.
    unsafe {
        libc::setenv(c"HOME".as_ptr(), path.as_ptr(), 1);
        libc::setenv(c"TMPDIR".as_ptr(), path.as_ptr(), 1);
        python::run_source(c"import os\nfor name in ('HOME', 'TMPDIR'): os.environ[name] = os.getcwd()");
    }
}

/// Sends everything that this process prints to `/dev/null`.
pub(super) fn discard_output() {
    let Ok(nothing) = OpenOptions::new().write(true).open("/dev/null") else { return };
    // SAFETY: replaces the standard descriptors of this process.
    unsafe {
        libc::dup2(nothing.as_raw_fd(), 1);
        libc::dup2(nothing.as_raw_fd(), 2);
    }
}

/// Exits without running exit handlers. The record tells how the trial went.
pub(super) fn exit_now(status: i32) -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(status) }
}

/// Records that the probe failed, not the subject, and exits.
pub(super) fn abort_probe(why: &str) -> ! {
    record::write_event(&TrialEvent::Broken(why.to_owned()));
    exit_now(PROBE_FAILED)
}

/// Records a panic as a failure of the probe, so that it does not look like a crash of the subject.
pub(super) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| abort_probe(&panic.to_string())));
}

/// Makes the kernel kill this process when its parent dies (Linux only; elsewhere the auditor sweeps up
/// orphans).
pub(super) fn die_with_parent() {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with constant arguments.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// Makes this process the subreaper of its descendants, so that it can kill orphans (Linux only).
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with constant arguments.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    }
}

/// Redirects standard output and standard error to a file, and standard input to `/dev/null`.
///
/// # Errors
/// If one of them cannot be opened.
pub(super) fn redirect_streams(log: &Path) -> std::io::Result<()> {
    let log = CString::new(log.as_os_str().as_encoded_bytes())?;
    // SAFETY: NUL-terminated paths; the standard descriptors belong to this process.
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
