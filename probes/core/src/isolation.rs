//! What C code does that reaches beyond its own interpreter, as the probes record it.

use serde::{Deserialize, Serialize};

/// Something that C code did beyond its own interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IsolationEvent {
    /// It entered the main interpreter to run code of another one.
    EntersMain {
        /// Name of the thread.
        thread: String,
        /// The file whose code did so, as far as known.
        file: Option<String>,
    },
    /// It replaced a memory allocator of CPython, which all interpreters use.
    ReplacesAllocator {
        /// The allocator's domain, e.g. `PYMEM_DOMAIN_OBJ`.
        domain: String,
        /// The file that contains the new functions.
        file: Option<String>,
    },
    /// Interpreters with private copies share a library of the environment.
    SharedLibrary {
        /// Path of the library.
        file: String,
        /// The extension module during whose load it appeared, if any.
        module: Option<String>,
        /// Whether they share the first one's private copy; otherwise none has a copy.
        is_copy: bool,
    },
    /// A private copy of one interpreter uses a symbol of another interpreter's copy.
    CrossingSymbol {
        /// Name of the symbol.
        symbol: String,
        /// The file that uses it.
        file: String,
        /// The file that defines it.
        target: String,
        /// Whether it is a variable.
        is_data: bool,
    },
    /// It installed a signal handler.
    SignalHandler {
        /// Number of the signal.
        signal: i32,
        /// The file that contains the handler, as far as known.
        file: Option<String>,
    },
    /// It changed these parts of the process's state: `locale`, `environment variable X`.
    ProcessState(Vec<String>),
}

impl IsolationEvent {
    /// Whether it alone shows that interpreters are not safe from each other.
    pub fn is_breach(&self) -> bool {
        match self {
            Self::EntersMain { .. } | Self::ReplacesAllocator { .. } => true,
            Self::SharedLibrary { .. }
            | Self::CrossingSymbol { .. }
            | Self::SignalHandler { .. }
            | Self::ProcessState(_) => false,
        }
    }

    /// Whether other subjects of the same process may have caused it, or would be affected by it.
    pub fn concerns_whole_process(&self) -> bool {
        match self {
            Self::ProcessState(_) => false,
            Self::EntersMain { .. }
            | Self::ReplacesAllocator { .. }
            | Self::SharedLibrary { .. }
            | Self::CrossingSymbol { .. }
            | Self::SignalHandler { .. } => true,
        }
    }
}
