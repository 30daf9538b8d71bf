//! What happened in one trial: the evidence about one subject in one mode, before it is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IsolationBreach, IsolationDoubt, Mode, ReasonId, Reply, TrialPhase};

/// How one trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialOutcome {
    /// Every phase of the protocol passed.
    Imported,
    /// An extension module was refused, by CPython's check or by itself.
    Refused {
        /// Who refused.
        by: Refuser,
        /// The extension module that was refused: the subject, or one that it needs.
        module: String,
        /// The phase.
        place: TrialPhase,
        /// The exception.
        error: PythonError,
    },
    /// It raised an exception that is not a refusal.
    Raised {
        /// The phase.
        place: TrialPhase,
        /// The exception.
        error: PythonError,
        /// The module that raised it: the extension module that was being loaded, or the module whose Python
        /// code ran. `None` if that is not known.
        suspect: Option<String>,
    },
    /// The process died, or exited without a result.
    Crashed {
        /// How the process ended.
        how: AbnormalExit,
        /// The phase.
        place: TrialPhase,
        /// The extension module that was being loaded, if any.
        loading: Option<String>,
    },
    /// The deadline passed.
    TimedOut {
        /// The phase.
        place: TrialPhase,
        /// The extension module that was being loaded, if any.
        loading: Option<String>,
    },
    /// It closed or replaced file descriptors that it does not own.
    LosesDescriptors {
        /// The phase.
        place: TrialPhase,
        /// The extension module that was being loaded when this was first seen, if any.
        loading: Option<String>,
    },
    /// It started threads that would outlive its interpreter.
    LeftThreads {
        /// Their names.
        names: Vec<String>,
    },
    /// Two interpreters with their own GILs reach the same objects, other than those that CPython itself
    /// shares.
    Shares {
        /// The number of objects, without those that are reached through another of them.
        count: usize,
        /// The first of them; at least one.
        objects: Vec<SharedPythonObject>,
    },
    /// Its C code reached beyond the interpreter that it serves.
    BreaksIsolation {
        /// How.
        how: IsolationBreach,
        /// The phase.
        place: TrialPhase,
        /// The extension module whose code did so, if known.
        module: Option<String>,
    },
    /// No trial took place, or its result says nothing about the subject.
    NotRun(NotRunReason),
}

/// The kind of a [`TrialOutcome`], as reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// Every phase of the protocol passed.
    Imported,
    /// An extension module was refused.
    Refused,
    /// It raised an exception that is not a refusal.
    Raised,
    /// The process died, or exited without a result.
    Crashed,
    /// The deadline passed.
    TimedOut,
    /// It closed or replaced file descriptors that it does not own.
    LosesDescriptors,
    /// It started threads that would outlive its interpreter.
    LeftThreads,
    /// Two interpreters with their own GILs reach the same objects.
    Shares,
    /// Its C code reached beyond the interpreter that it serves.
    BreaksIsolation,
    /// No trial took place, or its result says nothing about the subject.
    NotRun,
}

/// A Python object that two interpreters reach, and the reference path to it in each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Shared")]
pub struct SharedPythonObject {
    /// The name of its type; for a type object, its own name.
    pub kind: String,
    /// Whether it is a type.
    pub is_type: bool,
    /// Whether it lies in the data of a shared library, as static types do. Otherwise it lies on an
    /// interpreter's heap.
    pub is_static: bool,
    /// The extension module in which it was found, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The reference path to it in the first and in the second interpreter: `_foo.cache -> dict`.
    pub ways: [String; 2],
}

/// Who refused to load a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Refuser {
    /// CPython's check of the declaration (`_PyImport_CheckSubinterpIncompatibleExtensionAllowed`).
    CPython,
    /// The module's own code raised while it was loaded, though it loads in the control.
    Module,
}

/// How a trial's process ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AbnormalExit {
    /// It was killed by this signal, e.g. 11.
    Signal(i32),
    /// It exited with this status before the protocol was complete.
    Exit(i32),
}

/// A Python exception, as the probe recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonError {
    /// The type's name, e.g. `ImportError`.
    pub kind: String,
    /// `str(exception)`, shortened by the probe.
    pub text: String,
    /// Modules that were being imported when it was raised, outermost first; the last one raised it.
    pub chain: Vec<String>,
}

impl TrialOutcome {
    /// Its kind.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Imported => OutcomeKind::Imported,
            Self::Refused { .. } => OutcomeKind::Refused,
            Self::Raised { .. } => OutcomeKind::Raised,
            Self::Crashed { .. } => OutcomeKind::Crashed,
            Self::TimedOut { .. } => OutcomeKind::TimedOut,
            Self::LosesDescriptors { .. } => OutcomeKind::LosesDescriptors,
            Self::LeftThreads { .. } => OutcomeKind::LeftThreads,
            Self::Shares { .. } => OutcomeKind::Shares,
            Self::BreaksIsolation { .. } => OutcomeKind::BreaksIsolation,
            Self::NotRun(_) => OutcomeKind::NotRun,
        }
    }

    /// The phase in which it ended; `None` if every phase passed or no trial took place.
    pub fn phase(&self) -> Option<TrialPhase> {
        match self {
            Self::Refused { place, .. }
            | Self::Raised { place, .. }
            | Self::Crashed { place, .. }
            | Self::TimedOut { place, .. }
            | Self::BreaksIsolation { place, .. }
            | Self::LosesDescriptors { place, .. } => Some(*place),
            Self::Shares { .. } => Some(TrialPhase::SecondInterpreter),
            Self::LeftThreads { .. } => Some(TrialPhase::Teardown),
            Self::Imported | Self::NotRun(_) => None,
        }
    }

    /// The exception that ended it.
    pub fn error(&self) -> Option<&PythonError> {
        match self {
            Self::Refused { error, .. } | Self::Raised { error, .. } => Some(error),
            Self::Imported
            | Self::Crashed { .. }
            | Self::TimedOut { .. }
            | Self::LosesDescriptors { .. }
            | Self::LeftThreads { .. }
            | Self::Shares { .. }
            | Self::BreaksIsolation { .. }
            | Self::NotRun(_) => None,
        }
    }

    /// The module in which it happened, or which is suspected.
    pub fn suspect(&self) -> Option<&str> {
        match self {
            Self::Refused { module, .. } => Some(module),
            Self::Raised { suspect: module, .. }
            | Self::Crashed { loading: module, .. }
            | Self::TimedOut { loading: module, .. }
            | Self::BreaksIsolation { module, .. }
            | Self::LosesDescriptors { loading: module, .. } => module.as_deref(),
            Self::Shares { objects, .. } => objects.iter().find_map(|object| object.module.as_deref()),
            Self::Imported | Self::LeftThreads { .. } | Self::NotRun(_) => None,
        }
    }

    /// Moves the outcome to another phase, if it has one.
    pub fn set_phase(&mut self, phase: TrialPhase) {
        match self {
            Self::Refused { place, .. }
            | Self::Raised { place, .. }
            | Self::Crashed { place, .. }
            | Self::TimedOut { place, .. }
            | Self::BreaksIsolation { place, .. }
            | Self::LosesDescriptors { place, .. } => *place = phase,
            Self::Imported | Self::LeftThreads { .. } | Self::Shares { .. } | Self::NotRun(_) => {}
        }
    }

    /// Whether every phase passed.
    pub fn has_passed(&self) -> bool {
        *self == Self::Imported
    }

    /// Whether a trial took place and did not pass.
    pub fn is_failure(&self) -> bool {
        self.was_tried() && !self.has_passed()
    }

    /// Whether a trial took place, however it ended.
    pub fn was_tried(&self) -> bool {
        !matches!(self, Self::NotRun(_))
    }
}

impl OutcomeKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Imported,
        Self::Refused,
        Self::Raised,
        Self::Crashed,
        Self::TimedOut,
        Self::LosesDescriptors,
        Self::LeftThreads,
        Self::Shares,
        Self::BreaksIsolation,
        Self::NotRun,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Refused => "refused",
            Self::Raised => "raised",
            Self::Crashed => "crashed",
            Self::TimedOut => "timed-out",
            Self::LosesDescriptors => "loses-descriptors",
            Self::LeftThreads => "left-threads",
            Self::Shares => "shares",
            Self::BreaksIsolation => "breaks-isolation",
            Self::NotRun => "not-run",
        }
    }
}

impl PythonError {
    /// Returns the module that an import did not find, if the error is a `ModuleNotFoundError`.
    pub fn missing_module(&self) -> Option<&str> {
        let named = self.text.strip_prefix("No module named '")?.split('\'').next();
        named.filter(|_| self.kind == "ModuleNotFoundError")
    }

    /// Names the limit of the process that was reached, if the error tells of one: more copies of a file need more of
    /// it, so the error says nothing about the code.
    pub fn process_limit(&self) -> Option<&'static str> {
        PROCESS_LIMITS.iter().find(|(words, _)| self.text.contains(words)).map(|(_, limit)| *limit)
    }

    /// Whether CPython's check raised it: the text of `_PyImport_CheckSubinterpIncompatibleExtensionAllowed`
    /// (CPython, `Python/import.c`).
    pub fn is_cpython_refusal(&self) -> bool {
        self.kind == "ImportError"
            && self.text.starts_with("module ")
            && self.text.ends_with(" does not support loading in subinterpreters")
    }
}

/// Words of error messages and the limits that they tell of: glibc's dynamic linker (`elf/dl-reloc.c`,
/// `elf/dl-load.c`) and the texts of `EMFILE`.
const PROCESS_LIMITS: &[(&str, &str)] = &[
    ("cannot allocate memory in static TLS block", "static thread-local storage"),
    ("cannot create TLS data structures", "thread-local storage"),
    ("cannot map segment", "memory mappings"),
    ("failed to map segment from shared object", "memory mappings"),
    ("Too many open files", "open files"),
];

/// Why a trial has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRunReason {
    /// A module that must be imported first, mostly a parent package, does not pass in this mode. Its outcome
    /// is the cause.
    Behind(String),
    /// The import passed, but loaded another file, or none, under that name.
    Shadowed(Option<String>),
    /// No trial was possible or allowed: the reason and its description.
    Because(ReasonId, String),
}

/// One attempt of the import system to load an extension module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleLoad {
    /// Which of the trial's interpreters: `main`, `A`, `B`, `C`, `D`, or `storm` in a stress test.
    pub interpreter: String,
    /// The dotted name it was loaded as.
    pub name: String,
    /// The file.
    pub path: String,
    /// Modules that were being imported at that point, outermost first, without this one.
    pub chain: Vec<String>,
    /// Whether loading it enabled the GIL on a free-threaded build. Only the first such load in a process is
    /// seen, because the GIL stays enabled.
    pub enables_gil: bool,
    /// The module definition that its init function used, if the module was created and has one.
    pub declared: Option<LoadedModuleDef>,
    /// The failed load that made this one fail: it raised the same exception, or it would have provided what
    /// the dynamic linker misses.
    pub behind: Option<String>,
    /// The other module whose Python code, run by this load, raised its exception.
    pub raised_in: Option<String>,
    /// The result; `None` if the process ended before it was known.
    pub result: Option<Result<(), PythonError>>,
}

/// The definition of a loaded module, read from the memory of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedModuleDef {
    /// `PyModuleDef.m_size`, bytes of module state.
    pub m_size: i64,
    /// The number of each slot, in order, and the value of those that hold a number. Empty for single-phase
    /// initialization.
    pub slots: Vec<(u16, Option<u64>)>,
}

/// What a process recorded about the fatal signal that ended it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashReport {
    /// The faulting address, if the signal has one.
    pub address: Option<u64>,
    /// The location of the faulting instruction; `None` if it lies in no file, as after a jump through a wild
    /// pointer.
    pub site: Option<CrashLocation>,
    /// The Python stack of the interpreter that crashed, and from 3.14 on the C stack, as `faulthandler`
    /// writes them.
    pub stack: String,
}

/// A location in a shared object file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashLocation {
    /// The file's name, without its folder.
    pub object: String,
    /// The enclosing function, if the file's symbol tables name one.
    pub symbol: Option<String>,
    /// Bytes from the start of the file.
    pub offset: u64,
}

/// A trial's outcome with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The dotted name that was imported.
    pub subject: String,
    /// The mode.
    pub mode: Mode,
    /// How it ended.
    pub outcome: TrialOutcome,
    /// Every load of an extension module that was seen, in order. Shared by all subjects that one trial
    /// covers.
    pub loads: Arc<[ModuleLoad]>,
    /// The end of its output, stdout and stderr together.
    pub printed: String,
    /// Where it crashed, if a fatal signal ended it.
    pub crash: Option<CrashReport>,
    /// Retained objects: objects of one interpreter that the data of a shared library still referenced while
    /// another interpreter ran. No use of them was seen.
    pub kept: Vec<SharedPythonObject>,
    /// What makes it doubtful that the interpreters are isolated from each other.
    pub doubts: Vec<IsolationDoubt>,
    /// The names of native threads, unknown to Python, that outlived its interpreters.
    pub native_threads: Vec<String>,
    /// The function that was called last with arbitrary arguments: `_fast.scan`.
    pub called: Option<String>,
    /// What it added to the main interpreter although it was imported in another one: `sys.modules['x']`,
    /// `builtins.y`.
    pub left_in_main: Vec<String>,
    /// The modules of the standard library that the first interpreter imported.
    pub standard: Arc<[String]>,
    /// The trial of a module of the standard library that fails in the same way on its own. Then the defect
    /// is Python's.
    pub python: Option<Arc<Trial>>,
    /// Lines that the subject wrote: the names of tests that passed, or the replies to requests
    /// ([`Reply`](super::Reply)) in every interpreter of the trial, also if one of them failed.
    pub answers: Vec<String>,
    /// For each module that another module's init function loaded: the names in other modules that refer to
    /// something of it. In sub-interpreters, as found in the last of them, after it imported the module
    /// itself.
    pub held: BTreeMap<String, BTreeSet<String>>,
    /// The module that had to be imported first for the subject to import.
    pub after: Option<String>,
    /// The subject whose trial loaded this one, too, and covers it. This one has no trial of its own.
    pub through: Option<String>,
}

impl Trial {
    /// A trial that did not take place.
    pub fn not_run(subject: &str, mode: Mode, why: NotRunReason) -> Self {
        Self {
            subject: subject.to_owned(),
            mode,
            outcome: TrialOutcome::NotRun(why),
            loads: Arc::default(),
            printed: String::new(),
            crash: None,
            kept: Vec::new(),
            doubts: Vec::new(),
            native_threads: Vec::new(),
            called: None,
            left_in_main: Vec::new(),
            standard: Arc::default(),
            python: None,
            answers: Vec::new(),
            held: BTreeMap::new(),
            after: None,
            through: None,
        }
    }

    /// Returns the same evidence for another subject that this trial loaded.
    pub fn clone_for_subject(&self, subject: &str) -> Self {
        Self { subject: subject.to_owned(), through: Some(self.subject.clone()), ..self.clone() }
    }

    /// Parses the replies to requests: all of them in the control that records them, otherwise those that
    /// failed in any interpreter.
    pub fn parse_replies(&self) -> impl Iterator<Item = Reply> {
        self.answers.iter().filter_map(|line| Reply::parse_line(line))
    }

    /// Parses how long the requests took in the first interpreter, in milliseconds. Empty if one failed.
    pub fn parse_request_times(&self) -> Vec<f64> {
        let line = self.answers.iter().find_map(|line| line.strip_prefix(Reply::TIMES));
        let times = line.into_iter().flat_map(|line| line.split(',')).map(str::parse);
        times.collect::<Result<_, _>>().unwrap_or_default()
    }

    /// The loads that succeeded.
    pub fn successful_loads(&self) -> impl Iterator<Item = &ModuleLoad> {
        self.loads.iter().filter(|load| matches!(load.result, Some(Ok(()))))
    }

    /// Whether every interpreter of the trial loaded this file under this name.
    pub fn is_loaded_in_all_interpreters(&self, name: &str) -> bool {
        self.mode.interpreters().iter().all(|interpreter| {
            self.successful_loads().any(|load| load.interpreter == *interpreter && load.name == name)
        })
    }
}

impl fmt::Display for CrashLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.symbol {
            Some(symbol) => write!(f, "in {symbol} of {}", self.object),
            None => write!(f, "in {}", self.object),
        }
    }
}

impl fmt::Display for AbnormalExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(4) => f.write_str("SIGILL"),
            Self::Signal(6) => f.write_str("SIGABRT"),
            Self::Signal(7) => f.write_str("SIGBUS"),
            Self::Signal(8) => f.write_str("SIGFPE"),
            Self::Signal(9) => f.write_str("SIGKILL"),
            Self::Signal(11) => f.write_str("SIGSEGV"),
            // The sandbox's seccomp filter sends this signal.
            Self::Signal(31) => f.write_str("SIGSYS: it signals its parent or its process group"),
            Self::Signal(15) => f.write_str("SIGTERM"),
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::Exit(status) => write!(f, "exit status {status} without an answer"),
        }
    }
}
