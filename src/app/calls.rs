//! Calls that are a hazard by their name alone.

/// Functions with one hazard.
pub(super) struct Calls {
    pub(super) rule: &'static str,
    pub(super) names: &'static [&'static str],
    /// What they do, after the name.
    pub(super) does: &'static str,
}

/// All of them.
pub(super) const CALLS: &[Calls] = &[
    Calls {
        rule: "timer-thread",
        names: &["threading.Timer"],
        does: "starts a thread that the interpreter's end waits for",
    },
    Calls {
        rule: "queue-listener",
        names: &["logging.handlers.QueueListener"],
        does: "starts a daemon thread",
    },
    Calls {
        rule: "multiprocessing",
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
    Calls {
        rule: "thread-pool",
        names: &["concurrent.futures.ThreadPoolExecutor", "concurrent.futures.thread.ThreadPoolExecutor"],
        does: "keeps threads until the interpreter ends",
    },
    Calls {
        rule: "fork-or-exec",
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
    Calls {
        rule: "signal-handler",
        // The others of the module work, and change the process (`variables/process.rs`).
        names: &["signal.signal", "signal.set_wakeup_fd"],
        does: "works in the main interpreter only",
    },
    Calls {
        rule: "ctypes-load",
        names: &["ctypes.CDLL", "ctypes.PyDLL", "ctypes.cdll.LoadLibrary", "ctypes.pydll.LoadLibrary"],
        does: "loads a library that CPython's check does not see",
    },
];
