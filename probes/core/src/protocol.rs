//! The wire protocol between the auditor and the probes.
//!
//! There are two channels, neither of them stdout. [`ZygoteCommand`]s and [`ZygoteReply`]s travel as JSON
//! lines over a Unix socket between auditor and zygote. The child process of a trial sends [`TrialEvent`]s to
//! the zygote over another one. The zygote keeps them: they are the trial's record, which follows its reply.

use serde::{Deserialize, Serialize};

use crate::isolation::IsolationEvent;

/// A command from the auditor to the zygote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ZygoteCommand {
    /// Fork a child and run the trial there; reply with [`ZygoteReply::Ended`].
    Try(TrialOrder),
    /// Fork a zygote that imports the subject in the main interpreter and takes over the commands.
    ///
    /// It replies with [`ZygoteReply::Entered`]; if it ends before that, its parent replies with
    /// [`ZygoteReply::Ended`].
    Enter(TrialOrder),
    /// End the innermost zygote that was entered. Its parent replies with [`ZygoteReply::Ended`].
    Leave,
}

/// A trial to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrialOrder {
    /// Identifies the child in the reply.
    pub id: u64,
    /// The child's folder. It holds `output`, and `home`, the working folder that the child may write to.
    pub folder: String,
    /// Whether to sandbox the child.
    pub sandbox: bool,
    /// Bind mounts: a folder below `folder`, and the path at which the child sees it instead of the original.
    pub shown: Vec<(String, String)>,
    /// Which interpreters the trial creates.
    pub place: Scenario,
    /// Modules to import first, in the same interpreter.
    pub after: Vec<String>,
    /// Additions to `sys.path`.
    pub path: PathAdditions,
    /// Dotted names of the subjects to import. A subject that fails does not stop the others.
    pub subjects: Vec<String>,
    /// Deadline in milliseconds.
    pub deadline: u64,
    /// Folder with a tree of private copies for each interpreter, named by numbers from 0.
    pub copies: Option<CopyTrees>,
    /// Extension modules whose functions are not called, since another trial calls them.
    pub skipped: Vec<String>,
    /// Number of threads of a stress test.
    pub threads: usize,
    /// Rounds of a stress test, per thread.
    pub rounds: usize,
}

/// Trees of private copies. Tree `n` has the copy of `/a/b.so` at `FOLDER/n/a/b.so`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyTrees {
    /// The folder of the trees.
    pub folder: String,
    /// Number of trees.
    pub count: usize,
}

impl CopyTrees {
    /// Path of a tree.
    pub fn tree(&self, number: usize) -> String {
        format!("{}/{number}", self.folder)
    }

    /// The file that this path is a copy of; `None` if the path lies in no tree.
    pub fn original_path<'p>(&self, path: &'p str) -> Option<&'p str> {
        let below = path.strip_prefix(&self.folder)?.strip_prefix('/')?;
        let (number, _) = below.split_once('/')?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| &below[number.len()..])
    }

    /// Number of the tree that this path lies in.
    pub fn tree_of_path(&self, path: &str) -> Option<usize> {
        let (number, _) = path.strip_prefix(&self.folder)?.strip_prefix('/')?.split_once('/')?;
        number.parse().ok()
    }
}

/// Folders that each interpreter of a trial adds to its `sys.path` after `site` has run, as a server does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathAdditions {
    /// Placed first, in this order.
    pub first: Vec<String>,
    /// Placed next, together with what their `.pth` files add.
    pub with_pth: Vec<String>,
    /// Placed next, still before the entries of the environment.
    pub plain: Vec<String>,
    /// Placed last.
    pub last: Vec<String>,
}

/// Which interpreters a trial creates, and what it does in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scenario {
    /// The main interpreter only: the control.
    Main,
    /// The main interpreter, and then the finalization of Python, as when a server process exits.
    MainToTheEnd,
    /// Legacy sub-interpreters that share one GIL.
    SharedGil,
    /// Sub-interpreters with their own GIL.
    OwnGil,
    /// Sub-interpreters with their own GIL, with CPython's multi-interpreter check of extensions overridden.
    OwnGilUnchecked,
    /// Sub-interpreters with their own GIL, where the subject's parent packages are empty stubs whose code
    /// does not run.
    OwnGilAlone,
    /// Sub-interpreters with their own GIL, each with private copies of extension modules and libraries
    /// ([`TrialOrder::copies`]).
    OwnGilCopies,
    /// As [`Scenario::OwnGilCalled`], with private copies, and only functions that can be called in the main
    /// interpreter without ending the process. A crash counts, too.
    OwnGilCopiesCalled,
    /// As [`Scenario::OwnGilStorm`], with private copies: each thread runs one interpreter, since a copy
    /// serves one interpreter only.
    OwnGilCopiesStorm,
    /// Legacy sub-interpreters of a free-threaded build, with CPython's multi-interpreter check of
    /// extensions.
    FreeThreadedGroup,
    /// Sub-interpreters with their own GIL, where functions of the loaded modules are called with arbitrary
    /// arguments. Only the use of another interpreter's objects counts as a failure.
    OwnGilCalled,
    /// The main interpreter, with several threads that import and use the subject at the same time.
    Storm,
    /// Several threads at the same time, each creating sub-interpreters with their own GIL that import and
    /// use the subject and end.
    OwnGilStorm,
    /// The main interpreter, where the subject's module is created from its shared object but not executed.
    /// This is where a free-threaded CPython enables the GIL.
    Created,
}

impl Scenario {
    /// Whether the interpreters have a GIL of their own.
    pub fn has_own_gil(self) -> bool {
        match self {
            Self::OwnGil
            | Self::OwnGilUnchecked
            | Self::OwnGilAlone
            | Self::OwnGilCalled
            | Self::OwnGilStorm
            | Self::OwnGilCopies
            | Self::OwnGilCopiesCalled
            | Self::OwnGilCopiesStorm => true,
            Self::Main
            | Self::MainToTheEnd
            | Self::SharedGil
            | Self::FreeThreadedGroup
            | Self::Storm
            | Self::Created => false,
        }
    }

    /// Whether each interpreter loads private copies.
    pub fn uses_copies(self) -> bool {
        match self {
            Self::OwnGilCopies | Self::OwnGilCopiesCalled | Self::OwnGilCopiesStorm => true,
            Self::Main
            | Self::MainToTheEnd
            | Self::SharedGil
            | Self::OwnGil
            | Self::OwnGilUnchecked
            | Self::OwnGilAlone
            | Self::FreeThreadedGroup
            | Self::OwnGilCalled
            | Self::Storm
            | Self::OwnGilStorm
            | Self::Created => false,
        }
    }
}

/// Which file accesses of a trial are recorded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FileAccessScope {
    /// Folders whose entries are recorded as a whole, except for files in `.dist-info` folders, which are
    /// recorded one by one.
    pub folders: Vec<String>,
    /// Folders whose accesses are not recorded.
    pub apart: Vec<String>,
}

/// What a zygote is told when it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZygoteSettings {
    /// The auditor's socket.
    pub socket: String,
    /// The file for what the zygote itself prints.
    pub log: String,
    /// Whether trials are sandboxed.
    pub sandbox: bool,
    /// Which file accesses of trials are recorded; `None` for none.
    pub watched: Option<FileAccessScope>,
    /// The folder of bytecode (`sys.pycache_prefix`), if trials have one. What they compile nevertheless is then recorded.
    pub bytecode: Option<String>,
}

impl ZygoteSettings {
    /// A line of Python source with the settings: a comment, which leaves nothing in the interpreter.
    ///
    /// # Errors
    /// If they cannot be written as JSON.
    pub fn to_comment(&self) -> serde_json::Result<String> {
        Ok(format!("{COMMENT}{}\n", serde_json::to_string(self)?))
    }

    /// Finds the settings in a program that has such a line.
    pub fn from_program(program: &str) -> Option<Self> {
        let line = program.lines().find_map(|line| line.strip_prefix(COMMENT))?;
        serde_json::from_str(line).ok()
    }
}

/// Begins the line with the settings of a zygote.
const COMMENT: &str = "# ";

/// A message from the zygote to the auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZygoteReply {
    /// The zygote is ready.
    Ready {
        /// Whether trials have a private `/dev/shm`. Without one, a subject may behave differently.
        shared_memory: bool,
        /// Its process id.
        process: u32,
    },
    /// A zygote that was entered is ready and takes commands from now on. The record of its import follows: as
    /// many bytes.
    Entered(usize),
    /// The child of the trial with this id has ended, and so have all processes it started. Its record follows:
    /// as many bytes.
    Ended(u64, ProcessExit, usize),
}

impl ZygoteReply {
    /// Number of bytes of the record that follows.
    pub fn record_size(&self) -> usize {
        match self {
            Self::Ready { .. } => 0,
            Self::Entered(size) | Self::Ended(_, _, size) => *size,
        }
    }
}

/// How a child process ended, as its parent saw it. Evidence besides the child's own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessExit {
    /// It exited with this status.
    Exit(i32),
    /// It was killed by this signal.
    Signal(i32),
    /// It was killed at its deadline.
    Deadline,
    /// It was killed because its folder exceeded the size limit.
    Overfull,
    /// It was killed because it and its processes used too much memory.
    TooMuchMemory,
}

/// An event in the record of a trial, sent by the child just before or right after it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrialEvent {
    /// The sandbox is active from here on.
    Confined,
    /// A phase of the protocol begins in this interpreter.
    Step(String, ProtocolPhase),
    /// The import of this subject begins. Events belong to it until the next subject or phase.
    Turn(String),
    /// The import of this module begins: the subject, a parent package of it, or a module imported first.
    Importing(String),
    /// This function or type is about to be called with arbitrary arguments: `_fast.scan`.
    Calling(String),
    /// The import system is about to load an extension module.
    Loading {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
        /// Path of the shared object.
        path: String,
        /// Modules being imported at that point, outermost first.
        chain: Vec<String>,
    },
    /// The extension module was loaded and executed.
    Loaded {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
    },
    /// The extension module was created from this definition.
    Declared {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
        /// The definition.
        definition: RuntimeModuleDef,
    },
    /// Creating the extension module enabled the GIL.
    GilEnabled {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
    },
    /// The extension module could not be loaded.
    Failed {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
        /// The exception raised.
        error: Exception,
    },
    /// Where objects of an extension module can be found that an init function loaded as a side effect.
    Held {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name of the extension module.
        module: String,
        /// Names in other modules that refer to such objects, e.g. `shop.fast`.
        by: Vec<String>,
    },
    /// An exception that CPython could not raise in the importing interpreter and so printed in the main one.
    Uncaught(Exception),
    /// The import of the last [`TrialEvent::Importing`] failed.
    Error {
        /// The underlying error that a sandbox or a resource limit may have caused, as `PermissionError:
        /// text`.
        denied: Option<String>,
        /// The exception raised.
        error: Exception,
    },
    /// Objects that both running interpreters can reach and that CPython does not share itself.
    Shared {
        /// Total number of objects.
        count: usize,
        /// The first of them.
        objects: Vec<SharedPyObject>,
    },
    /// Objects of one interpreter that C code retains, in static data or on its heap, while another
    /// interpreter runs.
    Kept {
        /// Whether the other interpreter used them, which ends the trial.
        used: bool,
        /// Total number of objects.
        count: usize,
        /// The first of them.
        objects: Vec<RetainedObject>,
    },
    /// Threads that no interpreter knows and that are still running after all interpreters have ended, by
    /// name.
    NativeThreads(Vec<String>),
    /// Standard library modules imported in the main interpreter, or in the first sub-interpreter, since it
    /// started.
    Standard(Vec<String>),
    /// Names that imports in other interpreters left in the main one, e.g. `sys.modules['x']` or
    /// `builtins.y`.
    LeftInMain(Vec<String>),
    /// A file access: an entry of a watched folder, another file or folder, or `*` if there are too many to
    /// list.
    Touched(String),
    /// The source of a module was compiled, because it had no valid bytecode: its absolute path.
    Compiled(String),
    /// The responses of an application to the requests that the subject made.
    Answered(Vec<String>),
    /// File descriptors opened before an import were closed or replaced. Names the extension module during
    /// whose load this was first noticed.
    DescriptorsLost(Option<String>),
    /// C code did something beyond its own interpreter. Where it happened follows from the phase.
    Isolation(IsolationEvent),
    /// Names of threads that would outlive the interpreter about to end.
    ThreadsLeft(Vec<String>),
    /// The probe itself failed. This says nothing about the subject.
    Broken(String),
    /// All phases of the trial were completed.
    Done,
}

impl TrialEvent {
    /// Interpreter and name of the extension module whose load the event is part of.
    pub fn load(&self) -> Option<(&str, &str)> {
        if let Self::Loading { interpreter, name, .. }
        | Self::Declared { interpreter, name, .. }
        | Self::GilEnabled { interpreter, name }
        | Self::Failed { interpreter, name, .. }
        | Self::Loaded { interpreter, name } = self
        {
            Some((interpreter, name))
        } else {
            None
        }
    }

    /// Whether the event tells how far the trial has come. Only the driver of a trial sends such events: no
    /// foreign code can.
    pub fn is_progress(&self) -> bool {
        matches!(self, Self::Confined | Self::Step(..) | Self::Turn(_) | Self::Done)
    }

    /// The phase that begins with the event, and its interpreter.
    pub fn phase(&self) -> Option<(&str, ProtocolPhase)> {
        if let Self::Step(interpreter, phase) = self { Some((interpreter, *phase)) } else { None }
    }
}

/// A phase of a trial's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtocolPhase {
    /// Create the interpreter.
    Start,
    /// Import the subject.
    Import,
    /// Compare the heaps of the first two interpreters for shared and retained objects.
    Compare,
    /// Use what was imported.
    Touch,
    /// Call the functions of the loaded modules with arbitrary arguments.
    Call,
    /// Use what was imported from several threads at the same time.
    Storm,
    /// End the interpreter.
    End,
    /// End the main interpreter and finalize Python, as when a server process exits.
    Exit,
}

/// The content of a module's `PyModuleDef`, read from memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeModuleDef {
    /// `m_size`.
    pub m_size: i64,
    /// Id of each slot in order, and its value if it is a number rather than an address. Empty for a module
    /// with single-phase initialization.
    pub slots: Vec<(u16, Option<u64>)>,
}

/// An object that two interpreters can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedPyObject {
    /// Name of its type; for a type, its own name.
    pub kind: String,
    /// Whether it is a type.
    pub is_type: bool,
    /// The shared object file whose static data contains it; `None` if it lies on the heap.
    pub file: Option<String>,
    /// How interpreter A reaches it, e.g. `_foo.cache -> dict`.
    pub first: String,
    /// How interpreter B reaches it.
    pub second: String,
}

/// An object that C code retains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainedObject {
    /// Name of its type; for a type, its own name.
    pub kind: String,
    /// Whether it is a type.
    pub is_type: bool,
    /// Path of the shared object file.
    pub file: String,
    /// File-relative address of the pointer to the object. If the pointer is on the heap: of the code that
    /// used the object.
    pub offset: u64,
    /// Whether the pointer is on the heap, so that only the use of the object by the file's code was
    /// observed.
    pub is_on_heap: bool,
}

/// An exception, as recorded by the probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Name of its type.
    pub kind: String,
    /// `str(exception)`.
    pub text: String,
    /// Modules being imported at that point, outermost first.
    pub chain: Vec<String>,
    /// The failed loads that caused it, nearest first.
    pub behind: Vec<LoadFailure>,
    /// The module whose Python code raised it, or called the C code that raised it; `None` if no Python code
    /// was involved.
    pub raised_in: Option<String>,
}

/// A failed load of an extension module that caused an exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadFailure {
    /// Dotted name of the module.
    pub name: String,
    /// Whether the exception was merely raised while that failure was handled (`__context__`). Otherwise it
    /// is that failure, or was raised from it (`__cause__`).
    pub is_handled: bool,
}

/// Exit status of a process in which the probes failed: `EX_SOFTWARE` of sysexits.h(3head).
pub const PROBE_FAILED: i32 = 70;

/// Maximum size of a record in bytes.
pub const RECORD_SIZE: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::{CopyTrees, Exception, ProtocolPhase, RuntimeModuleDef, TrialEvent};

    #[test]
    fn a_path_in_a_tree_is_that_of_a_copy() {
        let trees = CopyTrees { folder: "/sets/a".to_owned(), count: 2 };
        assert_eq!(trees.tree(1), "/sets/a/1");
        for (path, original) in [
            ("/sets/a/1/srv/x.so", Some("/srv/x.so")),
            ("/sets/a/12/x.so", Some("/x.so")),
            ("/sets/a/lock/x.so", None),
            ("/sets/a/1", None),
            ("/sets/ab/1/x.so", None),
            ("/srv/x.so", None),
        ] {
            assert_eq!(trees.original_path(path), original, "{path}");
        }
    }

    #[test]
    fn the_events_of_a_load_name_interpreter_and_module() {
        let (interpreter, name) = (|| "A".to_owned(), || "shop._fast".to_owned());
        let error = Exception {
            kind: String::new(),
            text: String::new(),
            chain: Vec::new(),
            behind: Vec::new(),
            raised_in: None,
        };
        let definition = RuntimeModuleDef { m_size: 0, slots: Vec::new() };
        let (path, chain) = (String::new(), Vec::new());
        for event in [
            TrialEvent::Loading { interpreter: interpreter(), name: name(), path, chain },
            TrialEvent::Declared { interpreter: interpreter(), name: name(), definition },
            TrialEvent::GilEnabled { interpreter: interpreter(), name: name() },
            TrialEvent::Failed { interpreter: interpreter(), name: name(), error },
            TrialEvent::Loaded { interpreter: interpreter(), name: name() },
        ] {
            assert_eq!(event.load(), Some(("A", "shop._fast")), "{event:?}");
            assert_eq!(event.phase(), None);
        }
    }

    #[test]
    fn a_step_begins_a_phase() {
        let event = TrialEvent::Step("B".to_owned(), ProtocolPhase::Touch);
        assert_eq!(event.phase(), Some(("B", ProtocolPhase::Touch)));
        assert_eq!(event.load(), None);
    }
}
