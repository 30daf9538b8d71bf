//! The zygote: a Python process that has loaded this library, has one thread and no sub-interpreter, and
//! forks a child for each trial.
//!
//! A zygote may itself be such a child, which has imported a heavy parent package in the main interpreter, so
//! that trials of modules in that package need not import it again.

use std::ffi::c_long;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::null_mut;
use std::time::Duration;

use wsgiaudit_probes_core::protocol::{
    PROBE_FAILED, ProcessExit, Scenario, TrialEvent, TrialOrder, ZygoteCommand, ZygoteReply,
};

use super::child::ChildRole;
use super::supervise::supervise_child;
use super::{child, file_access_log, observe, record, resource_limits, scenarios, shared_memory};
use crate::python::{self, FunctionDef, PyObject};

/// `sys.wsgiaudit_zygote(socket, log, sandbox, watched)`, all `str`: serves the auditor at `socket` until it
/// disconnects.
///
/// The zygote's own output goes to the file `log`. `sandbox` is `1` if trials are sandboxed. `watched` is
/// empty, or a [`FileAccessScope`](wsgiaudit_probes_core::protocol::FileAccessScope) as JSON. Returns the exit
/// status of the process.
static SERVE: FunctionDef = FunctionDef::new(c"wsgiaudit_zygote", py_serve);

/// The library's init function.
///
/// It stores the entry point in `sys` and raises an exception instead of creating a module, since a module
/// needs a `PyModuleDef`, whose layout differs on free-threaded builds. The import system keeps the library
/// loaded.
///
/// # Safety
/// Called by the import system with the main interpreter's GIL held.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn PyInit_wsgiaudit_probes() -> *mut PyObject {
    // SAFETY: guaranteed by the caller; the method definition is static and the exception type immortal.
    unsafe {
        if let Some(entry) = SERVE.new_function(null_mut(), null_mut())
            && python::PySys_SetObject(c"wsgiaudit_zygote".as_ptr(), entry.as_ptr()) == 0
        {
            python::PyErr_SetString(python::PyExc_ImportError, c"wsgiaudit_probes is not a module".as_ptr());
        }
    }
    null_mut()
}

unsafe extern "C" fn py_serve(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let [socket, log, sandbox, watched] = [0, 1, 2, 3].map(|index| {
            python::str_to_string(python::PyTuple_GetItem(arguments, index)).unwrap_or_default()
        });
        if let Ok(watched) = serde_json::from_str(&watched) {
            file_access_log::start_recording(watched);
        }
        let status: c_long = match start_zygote(&socket, Path::new(&log), sandbox == "1") {
            Ok(mut zygote) => {
                zygote.serve_commands();
                0
            }
            Err(_) => 1,
        };
        python::PyLong_FromLong(status)
    }
}

struct Zygote {
    commands: BufReader<UnixStream>,
    replies: UnixStream,
    /// Whether this zygote is itself a child that has imported something.
    is_entered: bool,
    /// Whether it has a private `/dev/shm`.
    shared_memory: bool,
}

fn start_zygote(socket: &str, log: &Path, sandbox: bool) -> std::io::Result<Zygote> {
    let replies = UnixStream::connect(socket)?;
    let commands = BufReader::new(replies.try_clone()?);
    child::redirect_streams(log)?;
    let shared_memory = sandbox && shared_memory::mount_private();
    child::die_with_parent();
    child::adopt_orphans();
    // Counted once here instead of in every trial.
    resource_limits::count_user_tasks();
    // SAFETY: the caller holds the GIL.
    unsafe { observe::precompile_source() };
    let mut zygote = Zygote { commands, replies, is_entered: false, shared_memory };
    zygote.send_reply(ZygoteReply::Ready { shared_memory })?;
    Ok(zygote)
}

impl Zygote {
    /// Serves commands until the auditor disconnects or sends [`ZygoteCommand::Leave`].
    fn serve_commands(&mut self) {
        let mut line = String::new();
        loop {
            line.clear();
            match self.commands.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let (id, ended) = match serde_json::from_str::<ZygoteCommand>(&line) {
                Ok(ZygoteCommand::Try(order)) => (order.id, self.run_in_child(&order)),
                Ok(ZygoteCommand::Enter(order)) => (order.id, self.enter_subject(&order)),
                Ok(ZygoteCommand::Leave) | Err(_) => return,
            };
            if ended.and_then(|end| self.send_reply(ZygoteReply::Ended(id, end))).is_err() {
                return;
            }
        }
    }

    fn run_in_child(&mut self, order: &TrialOrder) -> std::io::Result<ProcessExit> {
        match fork_process()? {
            ForkSide::Parent(child) => {
                let deadline = Duration::from_millis(order.deadline);
                let end = supervise_child(child, Some(deadline), Path::new(&order.folder));
                if self.shared_memory && !self.is_entered {
                    shared_memory::remove_all_files();
                }
                Ok(end)
            }
            ForkSide::Child => {
                self.close_connection();
                self.begin_child(order, if self.is_entered { ChildRole::Inside } else { ChildRole::Trial });
                scenarios::run_trial(order);
                child::exit_now(0)
            }
        }
    }

    /// Forks a child that becomes the zygote and reads the commands, while this process waits for its end.
    /// The auditor enforces the deadline, since only it knows whether the child is importing or serving.
    fn enter_subject(&mut self, order: &TrialOrder) -> std::io::Result<ProcessExit> {
        match fork_process()? {
            ForkSide::Parent(child) => Ok(supervise_child(child, None, Path::new(&order.folder))),
            ForkSide::Child => {
                let (identity, order) = (
                    descriptor_identity(&self.replies),
                    TrialOrder { place: Scenario::Main, ..order.clone() },
                );
                self.begin_child(&order, if self.is_entered { ChildRole::Inside } else { ChildRole::Zygote });
                self.is_entered = true;
                child::adopt_orphans();
                // Foreign code runs with the descriptors of this process open: it may close or replace them.
                let imported = scenarios::run_trial(&order);
                let is_ours = identity == descriptor_identity(&self.replies);
                if imported && is_ours && self.send_reply(ZygoteReply::Entered).is_ok() {
                    self.serve_commands();
                }
                child::exit_now(0)
            }
        }
    }

    fn begin_child(&self, order: &TrialOrder, role: ChildRole) {
        child::install_panic_hook();
        if let Err(error) = child::prepare_child(order, role, self.shared_memory) {
            record::write_event(&TrialEvent::Broken(format!("the trial's folder: {error}")));
            child::exit_now(PROBE_FAILED);
        }
    }

    fn send_reply(&mut self, reply: ZygoteReply) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        self.replies.write_all(&line)
    }

    /// Closes the connection in a child, so that foreign code cannot send replies.
    fn close_connection(&mut self) {
        use std::os::fd::AsRawFd;
        // SAFETY: descriptors of this process that are not used again: the process ends with `_exit`.
        unsafe {
            libc::close(self.replies.as_raw_fd());
            libc::close(self.commands.get_ref().as_raw_fd());
        }
    }
}

enum ForkSide {
    Parent(libc::pid_t),
    Child,
}

/// Forks like `os.fork()` (`Modules/posixmodule.c`): takes the import lock, runs the hooks, resets locks in
/// the child.
fn fork_process() -> std::io::Result<ForkSide> {
    // SAFETY: the thread holds the GIL and is the only one of this process.
    unsafe {
        python::PyOS_BeforeFork();
        match libc::fork() {
            0 => {
                python::PyOS_AfterFork_Child();
                Ok(ForkSide::Child)
            }
            child => {
                python::PyOS_AfterFork_Parent();
                if child < 0 { Err(std::io::Error::last_os_error()) } else { Ok(ForkSide::Parent(child)) }
            }
        }
    }
}

/// Device and inode of a descriptor's file: changes if the descriptor is closed or replaced.
fn descriptor_identity(stream: &UnixStream) -> Option<(u64, u64)> {
    use std::os::fd::AsRawFd;
    // SAFETY: fstat fills the structure or fails.
    unsafe {
        let mut status = std::mem::zeroed::<libc::stat>();
        (libc::fstat(stream.as_raw_fd(), &raw mut status) == 0)
            .then_some((status.st_dev as u64, status.st_ino as u64))
    }
}
