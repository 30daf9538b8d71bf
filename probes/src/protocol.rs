//! What the auditor and the probes say to each other. The auditor includes this very file
//! (`src/trial/mod.rs`), so the two cannot disagree.
//!
//! Three channels, none of them stdout: [`Command`]s and [`Reply`]s as JSON lines over a Unix socket
//! between auditor and zygote, and, from the child on trial, [`Event`]s in a file mapped before the fork.

use serde::{Deserialize, Serialize};

/// Auditor to zygote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Fork a child, run the trial there, answer [`Reply::Ended`].
    Try(Order),
    /// Fork a zygote that imports the subject in the main interpreter and takes over the commands.
    /// Answer [`Reply::Entered`] from inside, or [`Reply::Ended`].
    Enter(Order),
    /// End the innermost zygote entered. Its parent answers [`Reply::Ended`].
    Leave,
}

/// One trial to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Names the child in the answer.
    pub(crate) id: u64,
    /// The child's folder: its `record`, its `output`, and `home`, where it works and may write.
    pub(crate) folder: String,
    /// Whether foreign code is confined.
    pub(crate) sandbox: bool,
    /// Folders inside its own, each with the path that the child finds it under, in place of what lies there.
    pub(crate) shown: Vec<(String, String)>,
    /// In which interpreter.
    pub(crate) place: Interpreters,
    /// Imported first, in the same interpreter.
    pub(crate) after: Vec<String>,
    /// What is added to `sys.path`.
    pub(crate) path: Folders,
    /// Dotted names to import, each on trial. Of several, what one fails at stops no other.
    pub(crate) subjects: Vec<String>,
    /// How long it may take, in milliseconds.
    pub(crate) deadline: u64,
    /// Threads of a storm.
    pub(crate) threads: usize,
    /// How often each of them does its part.
    pub(crate) rounds: usize,
}

/// Folders that each interpreter of a trial adds to its `sys.path`, as a server does, once `site` has run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Folders {
    /// Go first, in this order.
    pub(crate) first: Vec<String>,
    /// Come next, with what their `.pth` files add.
    pub(crate) with_pth: Vec<String>,
    /// Come next, still before what the environment has.
    pub(crate) plain: Vec<String>,
    /// Go last.
    pub(crate) last: Vec<String>,
}

/// The interpreters that a trial uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Interpreters {
    /// The main one.
    Main,
    /// The main one, and then Python is ended as the process of a server ends it.
    MainToTheEnd,
    /// Legacy sub-interpreters on the process's GIL.
    SharedGil,
    /// Sub-interpreters with a GIL each.
    OwnGil,
    /// The same, with CPython's check of declarations overridden.
    OwnGilUnchecked,
    /// Sub-interpreters with a GIL each, where the subject's packages are there in name only: their own code does not run.
    OwnGilAlone,
    /// Legacy sub-interpreters of a free-threaded build, with CPython's check of declarations.
    FreeThreadedGroup,
    /// Sub-interpreters with a GIL each, where functions of the modules loaded are called, and only the use of
    /// another interpreter's objects counts.
    OwnGilCalled,
    /// The main one, with several threads that import and use the subject at the same time.
    Storm,
    /// Sub-interpreters with a GIL each, on several threads that begin, import, use and end at the same time.
    OwnGilStorm,
    /// The main one, where the subject's shared object alone is loaded and its module created, not executed:
    /// the point where a free-threaded CPython switches the GIL on.
    Created,
}

/// What of a trial's reading is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// Folders whose entries are told, each as a whole, but for files of distributions' metadata.
    pub(crate) folders: Vec<String>,
    /// Folders of which nothing is told.
    pub(crate) apart: Vec<String>,
}

/// Zygote to auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The zygote is up.
    Ready {
        /// Whether trials have shared memory, their own; without, what they do may differ.
        shared_memory: bool,
    },
    /// A zygote entered is up and takes commands from now on.
    Entered,
    /// The child of the order with this id is gone, and so is everything that it started.
    Ended(u64, End),
}

/// How a child ended: the second witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// It exited with this status.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was killed at its deadline.
    Deadline,
    /// It was killed because it filled its folder.
    Overfull,
}

/// What the child on trial records, each before the step or right after it: the first witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// What follows happens in the sandbox.
    Confined,
    /// A step of the protocol begins in this interpreter.
    Step(String, Step),
    /// It is this subject's turn to be imported, until the next one's or the next step.
    Turn(String),
    /// The import of this name begins: the subject, a parent of it, or what goes before it.
    Importing(String),
    /// The import system is about to load a shared object.
    Loading {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
        /// File.
        path: String,
        /// Modules being imported at that point, outermost first.
        chain: Vec<String>,
    },
    /// It was loaded and executed.
    Loaded {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
    },
    /// It was created, from this definition.
    Declared {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
        /// The definition.
        definition: Definition,
    },
    /// Creating it switched the GIL on.
    GilEnabled {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
    },
    /// It was not.
    Failed {
        /// Which interpreter.
        interpreter: String,
        /// Dotted name.
        name: String,
        /// The exception.
        error: Exception,
    },
    /// Where something of a module can be found that an init function has loaded.
    Held {
        /// Which interpreter.
        interpreter: String,
        /// Its dotted name.
        module: String,
        /// Other modules, each with a name in it: `shop.fast`.
        by: Vec<String>,
    },
    /// CPython could not raise this exception in the interpreter that imports, and printed it in the main one.
    Uncaught(Exception),
    /// The import of the last [`Event::Importing`] failed.
    Error {
        /// What the system refused behind it, as a sandbox would: `PermissionError: text`, if it did.
        denied: Option<String>,
        /// The exception.
        error: Exception,
    },
    /// Both living interpreters reach these objects, which CPython does not share by itself.
    Shared {
        /// How many there are.
        count: usize,
        /// The first of them.
        objects: Vec<Shared>,
    },
    /// The data of shared objects, or what their code has on the heap, keeps objects of one interpreter while another one
    /// lives.
    Kept {
        /// Whether the other one has used them: then the trial is over.
        used: bool,
        /// How many there are.
        count: usize,
        /// The first of them.
        objects: Vec<Kept>,
    },
    /// Threads that no interpreter knows have outlived all that were begun, by the system's names for them.
    NativeThreads(Vec<String>),
    /// What the main interpreter, or the first one, has imported of the standard library since its beginning.
    Standard(Vec<String>),
    /// What imports in other interpreters have left in the main one, by name: `sys.modules['x']`, `builtins.y`.
    LeftInMain(Vec<String>),
    /// Something was read from disk: an entry of a folder watched, or another file or folder; `*` for more than is
    /// told.
    Touched(String),
    /// The subject has asked an application, which answered this.
    Answered(Vec<String>),
    /// Descriptors that were open before an import are closed, or lead elsewhere; the extension module in whose load that
    /// was first seen.
    DescriptorsLost(Option<String>),
    /// Threads of these names would outlive the interpreter that is to end.
    ThreadsLeft(Vec<String>),
    /// The probe itself failed. Says nothing about the subject.
    Broken(String),
    /// The whole protocol passed.
    Done,
}

/// A step of a trial's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Create the interpreter.
    Start,
    /// Import the subject.
    Import,
    /// Look for objects that the first two interpreters share.
    Compare,
    /// Use what was imported.
    Touch,
    /// The same by several threads at the same time.
    Storm,
    /// End the interpreter.
    End,
    /// End the main interpreter and Python with it, as a server's process does.
    Exit,
}

/// What `PyModuleDef` says, read from the memory of the running module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// `m_size`.
    pub(crate) m_size: i64,
    /// The number of each slot in order, and the value of those that hold one. Empty for a module with
    /// single-phase initialisation.
    pub(crate) slots: Vec<(u16, Option<u64>)>,
}

/// An object that two interpreters reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// Its type's name; of a type its own.
    pub(crate) kind: String,
    /// Whether it is a type.
    pub(crate) is_type: bool,
    /// The shared object whose data it is part of, if it is no object of the heap.
    pub(crate) file: Option<String>,
    /// The way to it in A: `_foo.cache -> dict`.
    pub(crate) first: String,
    /// The way to it in B.
    pub(crate) second: String,
}

/// An object that C code keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its type's name; of a type its own.
    pub(crate) kind: String,
    /// Whether it is a type.
    pub(crate) is_type: bool,
    /// The shared object.
    pub(crate) file: String,
    /// The address there of what points at it, by the file's own count; where that is on the heap, of the code that used
    /// the object.
    pub(crate) offset: u64,
    /// Whether what points at it lies on the heap, and the file's code was seen to use the object.
    pub(crate) is_on_heap: bool,
}

/// An exception as the probe saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exception {
    /// Name of its type.
    pub(crate) kind: String,
    /// `str(exception)`.
    pub(crate) text: String,
    /// Modules being imported at that point, outermost first.
    pub(crate) chain: Vec<String>,
    /// The failed loads that it comes from, nearest first.
    pub(crate) behind: Vec<Behind>,
    /// The module whose Python code raised it, or called the C code that did; `None` where C alone ran.
    pub(crate) raised_in: Option<String>,
}

/// A failed load that an exception comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behind {
    /// Dotted name of what was not loaded.
    pub(crate) name: String,
    /// Whether the exception was only raised in the handling of that failure (`__context__`); else it is that failure,
    /// or was raised from it (`__cause__`).
    pub(crate) is_handled: bool,
}

/// Bytes of a record: a length of eight bytes (little endian), then JSON lines. A sparse file.
pub(crate) const RECORD_SIZE: usize = 4 << 20;

/// Where the JSON lines of a record begin.
pub(crate) const RECORD_HEAD: usize = 8;
