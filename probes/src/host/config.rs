//! What the supervisor hands to the host, as JSON. `src/serve/mod.rs` includes this very file, so the two
//! cannot disagree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything a host needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Sockets that listen already, inherited.
    pub(crate) listeners: Vec<Listener>,
    /// Sockets on which the metrics are told.
    pub(crate) metrics: Vec<Listener>,
    /// Addresses of proxies that are believed; `unix` is any Unix socket.
    pub(crate) proxies: Vec<String>,
    /// The access log: a file, or `-` for standard output.
    pub(crate) access_log: Option<String>,
    /// A descriptor to which the host writes one [`Ready`] as a JSON line.
    pub(crate) ready: i32,
    /// Folders that go in front of `sys.path`, first one first.
    pub(crate) path: Vec<String>,
    /// The groups.
    pub(crate) groups: Vec<Group>,
    /// What a request may take.
    pub(crate) limits: Limits,
    /// Which extension modules may load; any, where there is none.
    pub(crate) guard: Option<Guard>,
    /// Threads that do HTTP.
    pub(crate) http_threads: usize,
}

/// Which extension modules may load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Guard {
    /// What the report says.
    pub(crate) vetted: Vec<Vetted>,
    /// `degraded` is good enough.
    pub(crate) admit_degraded: bool,
    /// Only say what would be refused.
    pub(crate) warn_only: bool,
    /// A private folder for copies.
    pub(crate) folder: String,
}

/// What the report says of one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vetted {
    /// The file, links followed.
    pub(crate) path: String,
    /// The folder on `sys.path` that it lies below, links followed.
    pub(crate) folder: String,
    /// In hexadecimal.
    pub(crate) sha256: String,
    /// Verdict and reason by mode.
    pub(crate) verdicts: BTreeMap<String, (String, String)>,
}

/// A socket that listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listener {
    /// Its descriptor.
    pub(crate) descriptor: i32,
    /// `SERVER_NAME`.
    pub(crate) name: String,
    /// `SERVER_PORT`.
    pub(crate) port: String,
    /// A Unix socket, not a TCP one.
    pub(crate) is_unix: bool,
}

/// An application group: one application in one or more equal interpreters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Its name in messages.
    pub(crate) name: String,
    /// What kind of interpreter.
    pub(crate) mode: Mode,
    /// How many of them: more than one only with own GILs.
    pub(crate) interpreters: usize,
    /// Threads of each.
    pub(crate) threads: usize,
    /// Requests that may wait.
    pub(crate) queue: usize,
    /// What to serve.
    pub(crate) application: Application,
    /// Prefixes of paths: the longest that fits decides. An empty one fits every path.
    pub(crate) routes: Vec<String>,
    /// Seconds, for `sys.setswitchinterval`.
    pub(crate) switch_interval: Option<f64>,
}

/// The kind of a group's interpreters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// The main interpreter.
    Main,
    /// A legacy sub-interpreter on the main interpreter's GIL.
    SharedGil,
    /// A sub-interpreter with a GIL of its own.
    OwnGil,
    /// The main interpreter of a free-threaded build.
    FreeThreaded,
}

impl Mode {
    /// As the report and `serve.toml` write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::SharedGil => "shared-gil",
            Self::OwnGil => "own-gil",
            Self::FreeThreaded => "free-threaded",
        }
    }
}

/// Where an application comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Application {
    /// A module's dotted name, or a file's absolute path.
    pub(crate) source: String,
    /// Whether `source` is a file.
    pub(crate) is_file: bool,
    /// An attribute, dots allowed; called without arguments where `is_factory`.
    pub(crate) attribute: String,
    /// `create_app()`.
    pub(crate) is_factory: bool,
}

/// What a request may take. Seconds and bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// For running requests to end after SIGTERM.
    pub(crate) drain: f64,
    /// For the head of a request to arrive, from the last answer on.
    pub(crate) head: f64,
    /// Between two pieces of a request's body, and for a client to take a piece of an answer.
    pub(crate) stall: f64,
    /// For an application to begin its answer.
    pub(crate) request: Option<f64>,
    /// Requests after which the process asks to be replaced.
    pub(crate) requests: Option<u64>,
    /// Bytes of a request's head.
    pub(crate) head_size: usize,
    /// Bytes of a request's body.
    pub(crate) body_size: u64,
}

/// What the host says when every group has started, or failed to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Group and reason, for each that did not start.
    pub(crate) failed: Vec<(String, String)>,
    /// Whether anything serves.
    pub(crate) serves: bool,
}
