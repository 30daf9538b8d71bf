//! The zygote: a Python process that has loaded this library, has one thread and no sub-interpreter, and
//! forks a child for each trial.
//!
//! A zygote may itself be such a child, which has imported a heavy parent package in the main interpreter, so
//! that trials of modules in that package need not import it again.

use std::ffi::c_long;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::mem::{ManuallyDrop, forget, replace};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::null_mut;
use std::time::Duration;

use wsgiaudit_probes_core::protocol::{
    PROBE_FAILED, ProcessExit, Scenario, TrialEvent, TrialOrder, ZygoteCommand, ZygoteReply, ZygoteSettings,
};
use wsgiaudit_probes_core::record_format::TrialRecord;

use super::child::ChildRole;
use super::descriptor_transfer::{receive_descriptor, send_descriptor};
use super::driver::run_driver;
use super::guardian::start_guardian;
use super::process_fork::fork_python;
use super::supervise::SupervisedChild;
use super::{child, file_access_log, observe, record, resource_limits, scenarios, shared_memory};
use crate::python::{self, FunctionDef, PyObject};

/// `sys._zygote()`: serves the auditor until it disconnects, with the settings in the program that Python reads from its
/// standard input. Returns the exit status of the process.
///
/// Names of this program are avoided: foreign code can see the frame that calls it.
static SERVE: FunctionDef = FunctionDef::new(c"_zygote", py_serve);

/// The library's init function.
///
/// It stores the entry point in `sys` and raises an exception instead of creating a module, since a module
/// needs a `PyModuleDef`, whose layout differs on free-threaded builds. The import system keeps the library
/// loaded.
///
/// # Safety
/// Called by the import system with the main interpreter's GIL held.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn PyInit__zygote() -> *mut PyObject {
    // SAFETY: guaranteed by the caller; the method definition is static and the exception type immortal.
    unsafe {
        if let Some(entry) = SERVE.new_function(null_mut(), null_mut())
            && python::PySys_SetObject(c"_zygote".as_ptr(), entry.as_ptr()) == 0
        {
            python::PyErr_SetString(python::PyExc_ImportError, c"the probes are not a module".as_ptr());
        }
    }
    null_mut()
}

unsafe extern "C" fn py_serve(_module: *mut PyObject, _arguments: *mut PyObject) -> *mut PyObject {
    let settings = read_program().ok().and_then(|program| ZygoteSettings::from_program(&program));
    // SAFETY: CPython holds the GIL.
    unsafe {
        let status: c_long = match settings.map(start_zygote) {
            Some(Ok(mut zygote)) => {
                zygote.serve_commands();
                0
            }
            Some(Err(_)) | None => 1,
        };
        python::PyLong_FromLong(status)
    }
}

/// Reads the program that Python has read, from its beginning.
fn read_program() -> std::io::Result<String> {
    // SAFETY: standard input stays open: the descriptor is given back, not closed.
    let program = ManuallyDrop::new(unsafe { File::from_raw_fd(0) });
    let mut bytes = vec![0; usize::try_from(program.metadata()?.len()).unwrap_or(0)];
    program.read_exact_at(&mut bytes, 0)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

struct Zygote {
    commands: BufReader<UnixStream>,
    replies: UnixStream,
    /// Whether this zygote is itself a child that has imported something.
    is_entered: bool,
    /// Whether it has a private `/dev/shm`.
    shared_memory: bool,
}

/// # Errors
/// If the auditor cannot be reached, or this process cannot fork.
fn start_zygote(settings: ZygoteSettings) -> std::io::Result<Zygote> {
    let replies = UnixStream::connect(settings.socket)?;
    let commands = BufReader::new(replies.try_clone()?);
    child::redirect_streams(Path::new(&settings.log))?;
    // SAFETY: the caller holds the GIL.
    unsafe { file_access_log::install_hook(settings.watched, settings.bytecode) };
    // SAFETY: the caller holds the GIL; there is no other thread yet.
    unsafe { start_guardian(&replies) }?;
    let shared_memory = settings.sandbox && shared_memory::mount_private();
    child::die_with_parent();
    child::adopt_orphans();
    // Counted once here instead of in every trial.
    resource_limits::count_user_tasks();
    // SAFETY: the caller holds the GIL.
    unsafe { observe::precompile_source() };
    let zygote = Zygote { commands, replies, is_entered: false, shared_memory };
    zygote.send_reply(ZygoteReply::Ready { shared_memory, process: std::process::id() }, &[])?;
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
            let replied = ended.and_then(|(end, record)| {
                self.send_reply(ZygoteReply::Ended(id, end, record.lines().len()), record.lines())
            });
            if replied.is_err() {
                return;
            }
        }
    }

    fn run_in_child(&mut self, order: &TrialOrder) -> std::io::Result<(ProcessExit, TrialRecord)> {
        match fork_process()? {
            ForkSide::Parent(child) => {
                let serves = None::<fn(&TrialRecord, &UnixStream)>;
                let ended =
                    child.supervise(Duration::from_millis(order.deadline), Path::new(&order.folder), serves);
                if self.shared_memory && !self.is_entered {
                    shared_memory::remove_all_files();
                }
                Ok(ended)
            }
            ForkSide::Child(connection) => {
                self.close_connection();
                let role = if self.is_entered { ChildRole::Inside } else { ChildRole::Trial };
                self.begin_child(order, role, connection);
                run_driver(&[], || {
                    scenarios::run_trial(order);
                    record::flush();
                    child::exit_now(0)
                })
            }
        }
    }

    /// Forks a child that becomes the zygote and reads the commands, while this process waits for its end.
    fn enter_subject(&mut self, order: &TrialOrder) -> std::io::Result<(ProcessExit, TrialRecord)> {
        match fork_process()? {
            ForkSide::Parent(child) => {
                // Foreign code is in the child: this process tells what it did.
                let serves = |record: &TrialRecord, mut connection: &UnixStream| {
                    let lines = record.lines();
                    if self.send_reply(ZygoteReply::Entered(lines.len()), lines).is_ok() {
                        drop(connection.write_all(&[0]));
                    }
                };
                let deadline = Duration::from_millis(order.deadline);
                Ok(child.supervise(deadline, Path::new(&order.folder), Some(serves)))
            }
            ForkSide::Child(connection) => {
                let order = TrialOrder { place: Scenario::Main, ..order.clone() };
                let role = if self.is_entered { ChildRole::Inside } else { ChildRole::Zygote };
                self.begin_child(&order, role, connection);
                child::adopt_orphans();
                if self.import_before_serving(&order).is_ok() {
                    self.is_entered = true;
                    self.serve_commands();
                }
                child::exit_now(0)
            }
        }
    }

    /// Imports the subject. Meanwhile, foreign code does not have the connection to the auditor.
    ///
    /// # Errors
    /// If the import failed, or the connection is lost.
    fn import_before_serving(&mut self, order: &TrialOrder) -> std::io::Result<()> {
        let (back, way_back) = UnixStream::pair()?;
        let private = [self.replies.as_raw_fd(), self.commands.get_ref().as_raw_fd(), way_back.as_raw_fd()];
        let (replies, back_to_main) = (self.replies.as_raw_fd(), &way_back);
        run_driver(&private, || {
            if scenarios::run_trial(order) && record::wait_for_receipt() {
                send_descriptor(back_to_main, replies)
            } else {
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
        })?;
        let replies = UnixStream::from(receive_descriptor(&back)?);
        let commands = BufReader::new(replies.try_clone()?);
        // The old numbers belong to foreign code now.
        forget((replace(&mut self.replies, replies), replace(&mut self.commands, commands), way_back));
        Ok(())
    }

    fn begin_child(&self, order: &TrialOrder, role: ChildRole, connection: UnixStream) {
        record::open_record(connection);
        child::install_panic_hook();
        if let Err(error) = child::prepare_child(order, role, self.shared_memory) {
            record::write_event(&TrialEvent::Broken(format!("the trial's folder: {error}")));
            child::exit_now(PROBE_FAILED);
        }
    }

    fn send_reply(&self, reply: ZygoteReply, record: &[u8]) -> std::io::Result<()> {
        let mut message = serde_json::to_vec(&reply)?;
        message.push(b'\n');
        message.extend(record);
        (&mut &self.replies).write_all(&message)
    }

    /// Closes the connection in a child, so that foreign code cannot send replies.
    fn close_connection(&mut self) {
        // SAFETY: descriptors of this process that are not used again: the process ends with `_exit`.
        unsafe {
            libc::close(self.replies.as_raw_fd());
            libc::close(self.commands.get_ref().as_raw_fd());
        }
    }
}

enum ForkSide {
    Parent(SupervisedChild),
    /// With the connection to the parent.
    Child(UnixStream),
}

/// Forks a child, connected to this process, which supervises it.
fn fork_process() -> std::io::Result<ForkSide> {
    let (here, there) = UnixStream::pair()?;
    // SAFETY: the thread holds the GIL and is the only one of this process.
    match unsafe { fork_python() }? {
        0 => {
            drop(here);
            Ok(ForkSide::Child(there))
        }
        child => SupervisedChild::new(child, here).map(ForkSide::Parent),
    }
}
