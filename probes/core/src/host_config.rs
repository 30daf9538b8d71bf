//! Configuration that the supervisor passes to the host process, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access_log_line::AccessLogFormat;
use crate::log_line::LogSettings;
use crate::peer::ProxyHeader;
use crate::protocol::CopyTrees;

/// Configuration of one host process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostConfig {
    /// Listening sockets, inherited from the supervisor.
    pub listeners: Vec<ListenerConfig>,
    /// Listening sockets of the metrics endpoint.
    pub metrics: Vec<ListenerConfig>,
    /// Addresses and networks of trusted proxies; `unix` stands for any Unix socket.
    pub proxies: Vec<String>,
    /// Whether connections of trusted proxies begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Headers that trusted proxies set.
    pub proxy_headers: Vec<ProxyHeader>,
    /// The access log: a file, or `-` for standard output.
    pub access_log: Option<String>,
    /// The form of the access log.
    pub access_log_format: AccessLogFormat,
    /// What is logged to standard error, and in which form.
    pub log: LogSettings,
    /// The file of the error log, which is standard error then; `None` without `--error-log`.
    pub error_log: Option<String>,
    /// Whether the supervisor watches the sources that the application loads.
    pub reload: bool,
    /// File descriptor of a pipe with the [`TlsIdentity`](crate::tls::TlsIdentity) as JSON, if connections of clients are
    /// encrypted. The host reads it to its end, before the application runs, and closes it.
    pub tls: Option<i32>,
    /// File descriptors inherited from the supervisor, except `ready` and `tls`: also those that other hosts use. Programs that the
    /// application runs must not inherit them.
    pub inherited: Vec<i32>,
    /// File descriptor to which the host writes each [`HostMessage`] as a JSON line.
    pub ready: i32,
    /// Folders prepended to `sys.path`, in this order.
    pub path: Vec<String>,
    /// Folders whose files are served without Python.
    pub static_folders: Vec<StaticFolder>,
    /// The application groups.
    pub groups: Vec<GroupConfig>,
    /// Limits of a request and of shutdown.
    pub limits: RequestLimits,
    /// Which extension modules may be loaded; `None` allows all.
    pub guard: Option<GuardConfig>,
    /// A tree of private copies for each interpreter with the mode `own-gil-copies`, if there are any.
    pub copies: Option<CopyTrees>,
    /// Number of threads that handle HTTP.
    pub http_threads: usize,
    /// What to measure for telemetry and the live page.
    pub telemetry: Option<TelemetryConfig>,
    /// The live page of the metrics endpoint.
    pub live: Option<LivePageConfig>,
}

/// What to measure, how often, and where to send it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TelemetryConfig {
    /// The path of the receiver's Unix datagram socket; `None` if the live page alone shows it.
    pub path: Option<String>,
    /// Seconds between two datagrams.
    pub interval: f64,
    /// Seconds above which a request is reported as slow.
    pub slow_requests: Option<f64>,
    /// What stands for the process group.
    pub group: String,
}

/// What the live page says besides figures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LivePageConfig {
    /// Which of the server's processes this is, from 0.
    pub slot: usize,
    /// The TCP port of the metrics of each process, if it has one.
    pub ports: Vec<Option<u16>>,
    /// The rules of findings.
    pub rules: Vec<RuleText>,
    /// The folder in which the processes leave their latest figures, and note their starts and ends.
    pub folder: String,
}

/// A rule of findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// Its name.
    pub id: String,
    /// What it says.
    pub title: String,
    /// How a finding is found.
    pub found: String,
}

/// Which extension modules may load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuardConfig {
    /// The modules that the report covers.
    pub vetted: Vec<VettedModule>,
    /// CPython's own extension modules, as they were at the audit.
    pub standard: Vec<StandardModule>,
    /// Whether modules with the verdict `degraded` may be loaded.
    pub admit_degraded: bool,
    /// Whether to log a violation instead of refusing the import.
    pub warn_only: bool,
    /// Private folder for verified copies.
    pub folder: String,
}

/// What the report says about one extension module file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VettedModule {
    /// Path of the file, symbolic links resolved.
    pub path: String,
    /// Entry of `sys.path` that contains the file, symbolic links resolved.
    pub folder: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Verdict and reason, by mode.
    pub verdicts: BTreeMap<String, (String, String)>,
}

/// One of CPython's own extension modules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandardModule {
    /// Path of the file, symbolic links resolved.
    pub path: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// A listening socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListenerConfig {
    /// Its file descriptor.
    pub descriptor: i32,
    /// `SERVER_NAME`.
    pub name: String,
    /// `SERVER_PORT`.
    pub port: String,
    /// Whether it is a Unix socket rather than a TCP socket.
    pub is_unix: bool,
    /// Whether its connections are encrypted with TLS.
    pub is_encrypted: bool,
    /// Whether the service manager keeps it open, also after the server has ended.
    pub is_kept: bool,
}

/// A folder whose files are served below a path prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticFolder {
    /// URL path prefix.
    pub prefix: String,
    /// Absolute path of the folder.
    pub folder: String,
}

/// An application group: one application in one or more identical interpreters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupConfig {
    /// Name used in messages.
    pub name: String,
    /// Kind of its interpreters.
    pub mode: InterpreterMode,
    /// Number of interpreters: more than one only with a per-interpreter GIL.
    pub interpreters: usize,
    /// Threads per interpreter.
    pub threads: usize,
    /// Number of requests that may wait in the queue.
    pub queue: usize,
    /// The application to serve.
    pub application: WsgiApplication,
    /// URL path prefixes: the longest match wins. An empty prefix matches every path.
    pub routes: Vec<String>,
    /// Number of processes that serve this group.
    pub processes: usize,
    /// Whether a prefix is a mount, `SCRIPT_NAME`. Otherwise the application sees the whole path.
    pub is_mounted: bool,
    /// Argument of `sys.setswitchinterval`, in seconds.
    pub switch_interval: Option<f64>,
    /// Whether the stacks of slow requests are read.
    pub reads_stacks: bool,
}

/// Kind of a group's interpreters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterpreterMode {
    /// The main interpreter.
    Main,
    /// A legacy sub-interpreter that shares the main interpreter's GIL.
    SharedGil,
    /// A sub-interpreter with its own GIL.
    OwnGil,
    /// A sub-interpreter with its own GIL and private copies of extension modules and libraries.
    OwnGilCopies,
    /// The main interpreter of a free-threaded build.
    FreeThreaded,
}

impl InterpreterMode {
    /// The name used in the report and in `serve.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::SharedGil => "shared-gil",
            Self::OwnGil => "own-gil",
            Self::OwnGilCopies => "own-gil-copies",
            Self::FreeThreaded => "free-threaded",
        }
    }
}

/// How to find the application object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WsgiApplication {
    /// A module's dotted name, or a file's absolute path.
    pub source: String,
    /// Whether `source` is a file.
    pub is_file: bool,
    /// Attribute of the module, dots allowed; called without arguments if `is_factory`.
    pub attribute: String,
    /// Whether the attribute is a factory such as `create_app`.
    pub is_factory: bool,
}

/// Limits of a request and of shutdown, in seconds and bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RequestLimits {
    /// Time for running requests to finish after SIGTERM.
    pub drain: f64,
    /// Time for the head of a request to arrive, counted from the previous response.
    pub head: f64,
    /// Time between two chunks of a request body, and for a client to accept a chunk of a response.
    pub stall: f64,
    /// Time for a whole request body to arrive.
    pub body: f64,
    /// Minimum rate at which a body must arrive once `stall` has passed, in bytes per second; 0 for none.
    pub body_rate: u64,
    /// Time for an application to start its response, from when a thread takes the request.
    pub request: Option<f64>,
    /// Number of requests after which the process asks to be replaced.
    pub requests: Option<u64>,
    /// Maximum of a random number that is added to `requests`.
    pub requests_jitter: u64,
    /// Resident memory above which the process asks to be replaced.
    pub memory: Option<u64>,
    /// Time after which the process asks to be replaced.
    pub lifetime: Option<f64>,
    /// Maximum size of a request head.
    pub head_size: usize,
    /// Maximum size of a request target.
    pub target_size: usize,
    /// Maximum number of header lines.
    pub headers: usize,
    /// Maximum size of a request body.
    pub body_size: u64,
    /// Size up to which a request body is kept in memory.
    pub body_memory: usize,
}

/// What a host tells the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostMessage {
    /// It has started.
    Ready(HostReady),
    /// It asks for a process to replace it.
    Replace,
    /// An interpreter has loaded these files, or tried to.
    Sources(Vec<String>),
}

/// Sent by the host once every group has started or failed to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostReady {
    /// Group name and reason, for each group that failed to start.
    pub failed: Vec<(String, String)>,
    /// Whether at least one group started.
    pub serves: bool,
}
