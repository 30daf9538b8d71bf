//! What happened in one trial: facts about one subject in one mode, before anybody judges them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Mode, ReasonId, Reply};

/// How one trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole protocol passed.
    Imported,
    /// An extension module was refused, by CPython's check or by itself.
    Refused {
        /// Who refused.
        by: Refuser,
        /// The extension module that was refused: the subject, or one that it needs.
        module: String,
        /// When.
        place: Place,
        /// The exception.
        error: PythonError,
    },
    /// An exception that is no refusal.
    Raised {
        /// When.
        place: Place,
        /// The exception.
        error: PythonError,
        /// The module that raised it: an extension module whose load it ended, or the one whose Python code ran. `None`
        /// where that is not known.
        suspect: Option<String>,
    },
    /// The process died, or left without an answer.
    Crashed {
        /// How the process ended.
        how: Death,
        /// When.
        place: Place,
        /// The extension module whose load was under way, if one was.
        loading: Option<String>,
    },
    /// The deadline passed.
    TimedOut {
        /// When.
        place: Place,
        /// The extension module whose load was under way, if one was.
        loading: Option<String>,
    },
    /// It closes or replaces descriptors that are not its own.
    LosesDescriptors {
        /// When.
        place: Place,
        /// The extension module in whose load that was first seen, if one's was under way.
        loading: Option<String>,
    },
    /// It starts threads that would outlive its interpreter.
    LeftThreads {
        /// Their names.
        names: Vec<String>,
    },
    /// Two interpreters with a GIL each reach the same objects, and CPython does not share those by itself.
    Shares {
        /// How many objects, without what hangs on another of them.
        count: usize,
        /// The first of them; at least one.
        objects: Vec<SharedObject>,
    },
    /// No trial took place, or its answer says nothing about the subject.
    NotRun(NotRun),
}

/// An object that two interpreters reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedObject {
    /// Its type's name; of a type its own.
    pub kind: String,
    /// Whether it is a type.
    pub is_type: bool,
    /// Whether it is part of a shared object's data, as static types are; else it lies on the heap of one.
    pub is_static: bool,
    /// The extension module that it is found in, where that is known.
    pub module: Option<String>,
    /// The way to it in the first interpreter and in the second: `_foo.cache -> dict`.
    pub ways: [String; 2],
}

/// Who refused to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuser {
    /// CPython's check of the declaration (`_PyImport_CheckSubinterpIncompatibleExtensionAllowed`).
    CPython,
    /// The module's own code raised while it was loaded, though it loads in the control.
    Module,
}

/// Where in the protocol a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the first import: creating the interpreter.
    Startup,
    /// The first import.
    Import,
    /// The import into a second interpreter while the first lives.
    SecondInterpreter,
    /// Use, or a new import, after an interpreter that had loaded the module ended.
    UseAfterEnd,
    /// Use after another interpreter ended, where the same went well before: it used what was that one's.
    AfterAnotherEnded,
    /// Ending an interpreter that had loaded the module.
    Teardown,
    /// Ending Python in the process, after every interpreter that had loaded the module.
    Exit,
    /// Import and use by several threads at the same time, where one alone can do it.
    Storm,
}

/// How a process left without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Death {
    /// By a signal, e.g. 11.
    Signal(i32),
    /// By exiting with this status, before the protocol was through.
    Exit(i32),
}

/// An exception as Python printed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonError {
    /// The type's name, e.g. `ImportError`.
    pub kind: String,
    /// `str(exception)`, shortened by the probe.
    pub text: String,
    /// Modules being imported when it was raised, outermost first; its last is where it happened.
    pub chain: Vec<String>,
}

impl Outcome {
    /// Whether a trial took place, however it ended.
    pub fn was_tried(&self) -> bool {
        !matches!(self, Self::NotRun(_))
    }
}

impl PythonError {
    /// The module that an import did not find, where that is what was raised.
    pub fn missing_module(&self) -> Option<&str> {
        let named = self.text.strip_prefix("No module named '")?.split('\'').next();
        named.filter(|_| self.kind == "ModuleNotFoundError")
    }

    /// Whether CPython's check raised it: the text of `_PyImport_CheckSubinterpIncompatibleExtensionAllowed`
    /// (CPython, `Python/import.c`).
    pub fn is_cpythons_refusal(&self) -> bool {
        self.kind == "ImportError"
            && self.text.starts_with("module ")
            && self.text.ends_with(" does not support loading in subinterpreters")
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// Something that must be imported first, mostly a parent package, does not pass in this mode: the
    /// cause is that one's outcome.
    Behind(String),
    /// The import was fine, and loaded another file, or none, under that name.
    Shadowed(Option<String>),
    /// No trial was possible or allowed: the reason, and the same in words.
    Because(ReasonId, String),
}

/// One attempt of the import system to load a shared object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which of the trial's interpreters, `main`, `A`, `B`, `C`, `D`.
    pub interpreter: String,
    /// The dotted name it was loaded as.
    pub name: String,
    /// The file.
    pub path: String,
    /// Modules being imported at that point, outermost first, without this one.
    pub chain: Vec<String>,
    /// Whether creating it switched the GIL on, on a free-threaded build. Only the first to do it in a process is
    /// seen: from then on the GIL is on.
    pub enables_gil: bool,
    /// The definition that the running init function made it of, where it was created and has one.
    pub declared: Option<Running>,
    /// The failed load that its own failure comes from: its exception's, or the one that has what the loader misses.
    pub behind: Option<String>,
    /// The other module whose Python code, run by this load, raised its exception.
    pub raised_in: Option<String>,
    /// What came of it; `None` when the process ended before it was known.
    pub result: Option<Result<(), PythonError>>,
}

/// A module definition in the memory of a running module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// `PyModuleDef.m_size`, bytes of module state.
    pub m_size: i64,
    /// The number of each slot, in order, and the value of those that hold a number. Empty for single-phase
    /// initialisation.
    pub slots: Vec<(u16, Option<u64>)>,
}

/// What a process said of itself when a fatal signal hit it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// The address whose use faulted, where the signal has one.
    pub address: Option<u64>,
    /// The instruction that was running; `None` where it lies in no file, as after a jump through a wild
    /// pointer.
    pub site: Option<Site>,
    /// The Python stack of the interpreter that crashed, and from 3.14 on the C stack, as `faulthandler`
    /// writes them.
    pub stack: String,
}

/// A place in a shared object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The file's name, without its folder.
    pub object: String,
    /// The function that holds it, where the file's symbol tables name one.
    pub symbol: Option<String>,
    /// Bytes from the start of the file.
    pub offset: u64,
}

/// A trial's outcome with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The dotted name that was imported.
    pub subject: String,
    /// In which mode.
    pub mode: Mode,
    /// How it ended.
    pub outcome: Outcome,
    /// Every load of an extension module that was seen, in order. Shared by all that one trial answers for.
    pub loads: Arc<[Load]>,
    /// The end of what it printed, both streams together.
    pub printed: String,
    /// Where it crashed, if a fatal signal ended it.
    pub crash: Option<Crash>,
    /// Objects of one interpreter that the data of a shared object kept while another ran: no use of them was seen.
    pub kept: Vec<SharedObject>,
    /// The system's names of threads that Python does not know, and that outlived its interpreters.
    pub native_threads: Vec<String>,
    /// What it left in the main interpreter, though it was imported elsewhere: `sys.modules['x']`, `builtins.y`.
    pub left_in_main: Vec<String>,
    /// What the first interpreter imported of the standard library.
    pub standard: Arc<[String]>,
    /// The trial of a module of the standard library that dies so by itself: then the fault is the Python's.
    pub python: Option<Arc<Trial>>,
    /// What the subject has told beside its import: what an application answered to it, or which tests passed. Of requests,
    /// what every interpreter of the trial was answered, also where one failed ([`Reply`](super::Reply)).
    pub answers: Vec<String>,
    /// Where something of a module can be found that another one's init function has loaded: by that module's name, other
    /// modules, each with a name in it. In sub-interpreters the last of them, after it has imported the module itself.
    pub held: BTreeMap<String, BTreeSet<String>>,
    /// What had to be imported first for the subject to import at all.
    pub after: Option<String>,
    /// The subject whose trial loaded this one too, and so answers for it. It was not imported by itself.
    pub through: Option<String>,
}

impl Trial {
    /// A trial that did not take place.
    pub fn not_run(subject: &str, mode: Mode, why: NotRun) -> Self {
        Self {
            subject: subject.to_owned(),
            mode,
            outcome: Outcome::NotRun(why),
            loads: Arc::default(),
            printed: String::new(),
            crash: None,
            kept: Vec::new(),
            native_threads: Vec::new(),
            left_in_main: Vec::new(),
            standard: Arc::default(),
            python: None,
            answers: Vec::new(),
            held: BTreeMap::new(),
            after: None,
            through: None,
        }
    }

    /// The same evidence for another subject that this trial loaded.
    pub fn answering_for(&self, subject: &str) -> Self {
        Self { subject: subject.to_owned(), through: Some(self.subject.clone()), ..self.clone() }
    }

    /// What an application answered to requests, in a control that was to tell; else what failed in any interpreter.
    pub fn replies(&self) -> impl Iterator<Item = Reply> {
        self.answers.iter().filter_map(|line| Reply::of(line))
    }

    /// How long the requests took in the first interpreter, in milliseconds; none where one failed.
    pub fn request_times(&self) -> Vec<f64> {
        let line = self.answers.iter().find_map(|line| line.strip_prefix(Reply::TIMES));
        let times = line.into_iter().flat_map(|line| line.split(',')).map(str::parse);
        times.collect::<Result<_, _>>().unwrap_or_default()
    }

    /// The loads that succeeded.
    pub fn loaded(&self) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter(|load| matches!(load.result, Some(Ok(()))))
    }

    /// Whether every interpreter of the trial loaded this file under this name.
    pub fn loaded_in_all(&self, name: &str) -> bool {
        self.mode.interpreters().iter().all(|interpreter| {
            self.loaded().any(|load| load.interpreter == *interpreter && load.name == name)
        })
    }
}

impl Place {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Import => "import",
            Self::SecondInterpreter => "second-interpreter",
            Self::UseAfterEnd => "use-after-end",
            Self::AfterAnotherEnded => "after-another-ended",
            Self::Teardown => "teardown",
            Self::Exit => "exit",
            Self::Storm => "storm",
        }
    }

    /// As the end of a sentence: "crashed ...".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Startup => "while the interpreter started",
            Self::Import => "at import",
            Self::SecondInterpreter => "in the second interpreter",
            Self::UseAfterEnd => "after the first interpreter ended",
            Self::AfterAnotherEnded => "after another interpreter ended, though not before",
            Self::Teardown => "when the interpreter ended",
            Self::Exit => "when the process ended, after its interpreters",
            Self::Storm => "when threads import and use it at the same time",
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.symbol {
            Some(symbol) => write!(f, "in {symbol} of {}", self.object),
            None => write!(f, "in {}", self.object),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(4) => f.write_str("SIGILL"),
            Self::Signal(6) => f.write_str("SIGABRT"),
            Self::Signal(7) => f.write_str("SIGBUS"),
            Self::Signal(8) => f.write_str("SIGFPE"),
            Self::Signal(9) => f.write_str("SIGKILL"),
            Self::Signal(11) => f.write_str("SIGSEGV"),
            // What the sandbox does to it: no kernel sends this signal otherwise.
            Self::Signal(31) => f.write_str("SIGSYS: it signals its parent or its process group"),
            Self::Signal(15) => f.write_str("SIGTERM"),
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::Exit(status) => write!(f, "exit status {status} without an answer"),
        }
    }
}
