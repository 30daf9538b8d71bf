//! Functions whose call is a hazard whatever the arguments.

use crate::model::RuleId;

/// Functions whose call is one kind of hazard.
pub(super) struct HazardousCalls {
    pub(super) rule: RuleId,
    pub(super) names: &'static [&'static str],
    /// What the functions do; follows the function's name in the message.
    pub(super) does: &'static str,
}

/// All such functions.
pub(super) const CALLS: &[HazardousCalls] = &[
    HazardousCalls {
        rule: RuleId::TimerThread,
        names: &["threading.Timer"],
        does: "starts a thread that the interpreter's end waits for",
    },
    HazardousCalls {
        rule: RuleId::QueueListener,
        names: &["logging.handlers.QueueListener"],
        does: "starts a daemon thread",
    },
    HazardousCalls {
        rule: RuleId::Multiprocessing,
        names: &[
            "multiprocessing.Process",
            "multiprocessing.Pool",
            "multiprocessing.Queue",
            "multiprocessing.Manager",
            "multiprocessing.get_context",
            "multiprocessing.set_start_method",
            "multiprocessing.pool.Pool",
            "multiprocessing.pool.ThreadPool",
            "multiprocessing.dummy.Pool",
            "concurrent.futures.ProcessPoolExecutor",
            "concurrent.futures.process.ProcessPoolExecutor",
        ],
        does: "needs a fork or a daemon thread",
    },
    HazardousCalls {
        rule: RuleId::ThreadPool,
        names: &["concurrent.futures.ThreadPoolExecutor", "concurrent.futures.thread.ThreadPoolExecutor"],
        does: "keeps threads until the interpreter ends",
    },
    HazardousCalls {
        rule: RuleId::ForkOrExec,
        names: &[
            "os.fork",
            "os.forkpty",
            "pty.fork",
            "os.execl",
            "os.execle",
            "os.execlp",
            "os.execlpe",
            "os.execv",
            "os.execve",
            "os.execvp",
            "os.execvpe",
        ],
        does: "is refused",
    },
    HazardousCalls {
        rule: RuleId::SignalHandler,
        // The other functions of `signal` work everywhere, but change the process
        // (`variables/process_state.rs`).
        names: &["signal.signal", "signal.set_wakeup_fd"],
        does: "works in the main interpreter only",
    },
    HazardousCalls {
        rule: RuleId::CtypesLoad,
        names: &["ctypes.CDLL", "ctypes.PyDLL", "ctypes.cdll.LoadLibrary", "ctypes.pydll.LoadLibrary"],
        does: "loads a library that CPython's check does not see",
    },
];
