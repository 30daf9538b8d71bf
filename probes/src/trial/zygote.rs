//! The zygote: a python that has loaded this library, has one thread and no sub-interpreter, and forks a
//! child for each trial. A zygote may itself be such a child: one that has imported a heavy parent package
//! in the control, so that the trials below it need not pay for that again.

use std::ffi::c_long;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::null_mut;
use std::time::Duration;

use super::child::Who;
use super::observe::Method;
use super::supervise::supervise;
use super::{child, limits, observe, record, shared_memory, steps, touched};
use crate::protocol::{Command, End, Event, Interpreters, Order, Reply};
use crate::python::{self, METH_VARARGS, Object, PyMethodDef, PyMethodDefPointer, PyObject};

/// `sys.wsgiaudit_zygote(socket, log, sandbox, watched)`, all `str`: serves the auditor at this socket until it hangs up.
/// What the zygote prints goes to the log. The third says with `1` that trials run in a sandbox, the fourth what of their
/// reading is told: [`Watched`](crate::protocol::Watched) as JSON, or nothing. Returns the process's exit status.
static SERVE: Method = Method(PyMethodDef {
    ml_name: c"wsgiaudit_zygote".as_ptr(),
    ml_meth: PyMethodDefPointer { PyCFunction: serve },
    ml_flags: METH_VARARGS,
    ml_doc: std::ptr::null(),
});

/// The library's init function. It leaves the entry in `sys` and raises: a module would need a definition, whose layout is
/// another one on a free-threaded build. The import system keeps the library loaded.
///
/// # Safety
/// The import system calls it, with the main interpreter's GIL held.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn PyInit_wsgiaudit_probes() -> *mut PyObject {
    // SAFETY: the caller's promise; the definition is static, and the exception one of the interpreter's.
    unsafe {
        let entry =
            Object::new(python::PyCFunction_NewEx((&raw const SERVE.0).cast_mut(), null_mut(), null_mut()));
        if let Some(entry) = entry
            && python::PySys_SetObject(c"wsgiaudit_zygote".as_ptr(), entry.as_ptr()) == 0
        {
            python::PyErr_SetString(python::PyExc_ImportError, c"the probes are no module".as_ptr());
        }
    }
    null_mut()
}

unsafe extern "C" fn serve(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let [socket, log, sandbox, watched] = [0, 1, 2, 3]
            .map(|index| python::text(python::PyTuple_GetItem(arguments, index)).unwrap_or_default());
        if let Ok(watched) = serde_json::from_str(&watched) {
            touched::watch(watched);
        }
        let status: c_long = match begin(&socket, Path::new(&log), sandbox == "1") {
            Ok(mut zygote) => {
                zygote.serve();
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
    /// Whether it is a child itself, that has imported something.
    is_entered: bool,
    /// Whether it has shared memory of its own.
    shared_memory: bool,
}

fn begin(socket: &str, log: &Path, sandbox: bool) -> std::io::Result<Zygote> {
    let replies = UnixStream::connect(socket)?;
    let commands = BufReader::new(replies.try_clone()?);
    child::quiet(log)?;
    let shared_memory = sandbox && shared_memory::make_own();
    child::die_with_parent();
    child::adopt_orphans();
    // What every trial would do anew.
    limits::tasks();
    // SAFETY: the caller holds the GIL.
    unsafe { observe::prepare() };
    let mut zygote = Zygote { commands, replies, is_entered: false, shared_memory };
    zygote.reply(Reply::Ready { shared_memory })?;
    Ok(zygote)
}

impl Zygote {
    /// Until the auditor hangs up, or says [`Command::Leave`].
    fn serve(&mut self) {
        let mut line = String::new();
        loop {
            line.clear();
            match self.commands.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let (id, ended) = match serde_json::from_str::<Command>(&line) {
                Ok(Command::Try(order)) => (order.id, self.try_in_child(&order)),
                Ok(Command::Enter(order)) => (order.id, self.enter(&order)),
                Ok(Command::Leave) | Err(_) => return,
            };
            if ended.and_then(|end| self.reply(Reply::Ended(id, end))).is_err() {
                return;
            }
        }
    }

    fn try_in_child(&mut self, order: &Order) -> std::io::Result<End> {
        match fork()? {
            Side::Parent(child) => {
                let deadline = Duration::from_millis(order.deadline);
                let end = supervise(child, Some(deadline), Path::new(&order.folder));
                if self.shared_memory && !self.is_entered {
                    shared_memory::clear();
                }
                Ok(end)
            }
            Side::Child => {
                self.hang_up();
                self.begin_child(order, if self.is_entered { Who::Inside } else { Who::Trial });
                steps::run(order);
                child::leave(0)
            }
        }
    }

    /// The child becomes the zygote that reads the commands; this one waits for its end. Its deadline is
    /// the auditor's to keep: only it knows whether the child is importing or serving.
    fn enter(&mut self, order: &Order) -> std::io::Result<End> {
        match fork()? {
            Side::Parent(child) => Ok(supervise(child, None, Path::new(&order.folder))),
            Side::Child => {
                let (identity, order) =
                    (identity(&self.replies), Order { place: Interpreters::Main, ..order.clone() });
                self.begin_child(&order, if self.is_entered { Who::Inside } else { Who::Zygote });
                self.is_entered = true;
                child::adopt_orphans();
                // Foreign code runs with our descriptors open: it may close or replace them.
                let imported = steps::run(&order);
                let is_ours = identity == self::identity(&self.replies);
                if imported && is_ours && self.reply(Reply::Entered).is_ok() {
                    self.serve();
                }
                child::leave(0)
            }
        }
    }

    fn begin_child(&self, order: &Order, who: Who) {
        child::panic_is_ours();
        if let Err(error) = child::settle(order, who, self.shared_memory) {
            record::write(&Event::Broken(format!("the trial's folder: {error}")));
            child::leave(70);
        }
    }

    fn reply(&mut self, reply: Reply) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        self.replies.write_all(&line)
    }

    /// Closes the connection in a child, so that foreign code cannot speak for us.
    fn hang_up(&mut self) {
        use std::os::fd::AsRawFd;
        // SAFETY: our own descriptors, never used again in this process, which ends by `_exit`.
        unsafe {
            libc::close(self.replies.as_raw_fd());
            libc::close(self.commands.get_ref().as_raw_fd());
        }
    }
}

enum Side {
    Parent(libc::pid_t),
    Child,
}

/// `os.fork()` as CPython does it (`Modules/posixmodule.c`): import lock, hooks, locks made anew.
fn fork() -> std::io::Result<Side> {
    // SAFETY: the thread holds the GIL and is the only one of this process.
    unsafe {
        python::PyOS_BeforeFork();
        match libc::fork() {
            0 => {
                python::PyOS_AfterFork_Child();
                Ok(Side::Child)
            }
            child => {
                python::PyOS_AfterFork_Parent();
                if child < 0 { Err(std::io::Error::last_os_error()) } else { Ok(Side::Parent(child)) }
            }
        }
    }
}

/// Device and inode behind a descriptor: changes when somebody closes it or puts another in its place.
fn identity(stream: &UnixStream) -> Option<(u64, u64)> {
    use std::os::fd::AsRawFd;
    // SAFETY: fstat fills the structure or fails.
    unsafe {
        let mut status = std::mem::zeroed::<libc::stat>();
        (libc::fstat(stream.as_raw_fd(), &raw mut status) == 0)
            .then_some((status.st_dev as u64, status.st_ino as u64))
    }
}
