//! How C code reaches beyond the interpreter that it serves.

/// A proof that interpreters are not isolated from each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsolationBreach {
    /// Its code entered the main interpreter, on a thread with this name.
    EntersMain {
        /// The thread's name.
        thread: String,
    },
    /// It replaced an allocator of CPython.
    ReplacesAllocator {
        /// The allocator's domain, e.g. `PYMEM_DOMAIN_OBJ`.
        domain: String,
    },
}

/// Something that all interpreters have in common. Whether it does harm is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IsolationDoubt {
    /// A library of the environment that interpreters with private copies share.
    SharedLibrary {
        /// Path of the library.
        file: String,
        /// The extension module that loaded it, if known.
        module: Option<String>,
        /// Whether they share the first one's private copy; otherwise none has a copy.
        is_copy: bool,
    },
    /// A private copy uses a variable of another interpreter's copy.
    SharedVariable {
        /// Name of the variable.
        symbol: String,
        /// File name of the shared object that uses it.
        user: String,
        /// File name of the shared object that defines it.
        owner: String,
    },
    /// A signal handler in C.
    SignalHandler {
        /// Number of the signal.
        signal: i32,
        /// File name of the shared object, if known.
        file: Option<String>,
    },
    /// A private copy calls functions of another interpreter's copy.
    SharedFunction {
        /// Name of the function.
        symbol: String,
        /// File name of the shared object that calls it.
        user: String,
        /// File name of the shared object that defines it.
        owner: String,
    },
    /// A change of the process's state: `the locale`.
    ProcessState(String),
}
