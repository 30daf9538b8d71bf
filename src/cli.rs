//! The command line: subcommands and options, with their help texts.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::Mode;

mod formats;
mod serve_operation;
mod serve_values;
mod telemetry_args;
mod tls_args;
mod tune_values;

pub use formats::{Color, DiffFormat, ListFormat, ReportFormat, TextFormat};
pub use serve_operation::{ErrorLogForm, ErrorLogLevel, OperationArgs, StaticPrefix};
pub use serve_values::{AccessLogForm, AdmitLevel, ServeMode, TrustedHeader, UnvettedPolicy};
use serve_values::{parse_octal, parse_seconds};
pub use telemetry_args::{TelemetryArgs, TopArgs};
pub use tls_args::TlsArgs;
pub use tune_values::{ResponseTarget, TuneArgs, TuneFormat};

/// Tells whether the C extensions of a virtualenv are fit for a per-interpreter GIL, by reading what each
/// declares and trying each under mod_wsgi's own configurations.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = crate::exit::HELP)]
pub struct Cli {
    /// The subcommand; without one, an environment is audited.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Audit an environment: the same as without a subcommand
    #[command(hide = true, after_help = crate::exit::HELP)]
    Audit(Box<AuditArgs>),
    /// Read what the extension modules in files, wheels or folders declare, without running anything. Exit
    /// status 3 if something could not be determined
    Inspect(InspectArgs),
    /// Audit extension modules or wheels in full detail, for their maintainers and for CI. Exit status 0 only
    /// if all of them are ready
    #[command(after_help = crate::exit::HELP)]
    Module(Box<ModuleArgs>),
    /// Print a stored report in another format
    #[command(after_help = crate::exit::HELP)]
    Render(RenderArgs),
    /// Print what changed between two reports. The exit status is that of the later report with the earlier
    /// one as its --baseline
    #[command(after_help = crate::exit::HELP)]
    Diff(DiffArgs),
    /// Print the directives of mod_wsgi that a stored report supports, with the reasons as comments. Without support
    /// for an own GIL, the lines use the main interpreter, and the exit status is 1
    Directive(DirectiveArgs),
    /// List the rules that reports refer to
    Rules(RulesArgs),
    /// Explain words of reports: what a rule means, how it is detected, and what to do; what a verdict, a mode or
    /// a slot is
    #[command(after_help = "E.g. wsgiaudit explain refused blocked slot-3; wsgiaudit rules lists the rules")]
    Explain(ExplainArgs),
    /// Make private copies of an environment's extension modules and libraries, a set for each interpreter, for
    /// servers to load instead of the originals. Running it again updates the copies
    Copies(CopiesArgs),
    /// Host a WSGI application, each application group in its own interpreter, with the environment's own
    /// Python
    #[command(after_help = "Signals:
  SIGTERM, SIGINT  answer accepted requests, then exit: status 0, or 1 if --drain was too short
  SIGHUP           restart with the same sockets; the old process exits when the new one is ready
  SIGUSR1          open the log files again, after they were renamed")]
    Serve(Box<ServeArgs>),
    /// Show what running servers report: throughput, response times, waits for the GIL, restarts, and what to do. Reads
    /// the telemetry of `wsgiaudit serve` or of mod_wsgi 6.1, or the metrics of `wsgiaudit serve`
    Top(TopArgs),
    /// Find out by measuring how to serve an application: compare the configurations that an audit allows, under
    /// load, and recommend one. The application runs without a sandbox, and does what the requests ask for
    #[command(after_help = crate::exit::TUNE_HELP)]
    Tune(Box<TuneArgs>),
    /// Print a shell completion script
    #[command(
        after_help = "E.g. wsgiaudit completions bash > ~/.local/share/bash-completion/completions/wsgiaudit"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page, in roff
    #[command(after_help = "E.g. wsgiaudit man | man -l -")]
    Man(ManArgs),
}

/// Options of the audit of an environment.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("asks-an-index").multiple(true))]
pub struct AuditArgs {
    /// A virtualenv, a Python prefix, or a python [default: $VIRTUAL_ENV, else ./.venv]
    pub environment: Option<PathBuf>,
    /// The output.
    #[command(flatten)]
    pub print: PrintArgs,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Audit free threading too, with a virtualenv of a free-threaded Python that holds the same
    /// distributions, or with a free-threaded Python, or `auto` to find one. For a Python, uv or pip makes an
    /// environment of the same versions in the user's cache, from wheels only
    #[arg(long, value_name = "auto|PYTHON_OR_VENV", group = "asks-an-index")]
    pub free_threaded: Option<PathBuf>,
    /// An application to audit: a dotted name in the current folder or the environment, or a path; may be
    /// repeated. The report then covers what it imports, and the applications decide the exit status
    #[arg(long, value_name = "MODULE:CALLABLE")]
    pub app: Vec<String>,
    /// Apache's main configuration file; included files are read too. Applications that it serves with
    /// mod_wsgi are audited as with --app, and judged by the interpreters they are mounted in
    #[arg(long, value_name = "HTTPD.CONF")]
    pub apache_config: Option<PathBuf>,
    /// A name that Apache is started with (-D), for `<IfDefine>`; may be repeated
    #[arg(long, value_name = "NAME", requires = "apache_config")]
    pub apache_define: Vec<String>,
    /// A script that uses the installed packages as a request would; may be repeated. It is run in each kind
    /// of interpreter, and in several at the same time, to find late imports and races
    #[arg(long, value_name = "FILE.py")]
    pub exercise: Vec<PathBuf>,
    /// A distribution whose wheel contains tests that pytest can run; may be repeated. Those that pass in the
    /// main interpreter are run in each kind of interpreter, and in several at the same time. --timeout
    /// limits how many
    #[arg(long, value_name = "DISTRIBUTION")]
    pub exercise_tests: Vec<String>,
    /// Send each application these requests (an .http file), in each kind of interpreter and in several at
    /// the same time. A response that differs from the main interpreter's is a failure
    #[arg(long, value_name = "FILE.http", requires = "app")]
    pub requests: Option<PathBuf>,
    /// Ask the index for newer versions of blocking distributions, and read what their wheels declare
    #[arg(long, group = "asks-an-index")]
    pub upgrades: bool,
    /// Answer --upgrades from the cache of earlier audits, without asking an index
    #[arg(long, requires = "upgrades")]
    pub offline: bool,
    /// Where wheels come from.
    #[command(flatten)]
    pub index: IndexArgs,
    /// What decides the exit status.
    #[command(flatten)]
    pub gate: GateArgs,
    /// Options of the trials.
    #[command(flatten)]
    pub trials: TrialArgs,
    /// Show no progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Options of the trials.
#[derive(Debug, Args)]
pub struct TrialArgs {
    /// Seconds that one trial may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = parse_seconds)]
    pub timeout: f64,
    /// An environment variable for the trials: NAME=VALUE, or NAME to pass on its current value; may be
    /// repeated. Nothing else of your environment reaches trials
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub given_variables: Vec<String>,
    /// A file or folder to copy into the home of each trial, which is also its current folder, under its own
    /// name or NAME; may be repeated. The original is only read
    #[arg(long = "file", value_name = "PATH[=NAME]")]
    pub given_files: Vec<String>,
    /// A folder that the application writes to, e.g. for a database or uploads. Each trial gets its own copy
    /// under the same path; the folder itself is only read. May be repeated
    #[arg(long = "writable", value_name = "DIR")]
    pub writable_folders: Vec<PathBuf>,
    /// Let trials use the network, write everywhere and signal other processes, without limits on memory,
    /// processors and processes. For machines and modules that do not work with the sandbox
    #[arg(long)]
    pub no_sandbox: bool,
    /// Also try the mode own-gil-copies: interpreters with their own GIL that each load private copies of the
    /// environment's extension modules and libraries. Writes three copies of them to the cache
    #[arg(long)]
    pub copies: bool,
    /// Run every trial, even if an earlier audit of the same files has the result
    #[arg(long)]
    pub no_cache: bool,
    /// Run stress tests with more threads and more repetitions: slower, but finds more races
    #[arg(long)]
    pub thorough: bool,
    /// Number of trials at the same time [default: one for each core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

/// Options of the audit of extension modules.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("asks-an-index").multiple(true))]
pub struct ModuleArgs {
    /// Extension modules, at the path they are imported from, and wheels. Wheels for another Python are
    /// listed and skipped
    #[arg(value_name = "FILE|WHEEL", required = true)]
    pub files: Vec<PathBuf>,
    /// A requirement of the modules, or a wheel; may be repeated. uv or pip installs it, from wheels only,
    /// into an environment of the audit's own. Without this option nothing is installed
    #[arg(long, value_name = "REQUIREMENT", group = "asks-an-index")]
    pub with: Vec<String>,
    /// Where wheels come from.
    #[command(flatten)]
    pub index: IndexArgs,
    /// The Python for the trials, or an environment, which may hold what the modules need [default:
    /// $VIRTUAL_ENV, else ./.venv, else python3]
    #[arg(long, value_name = "PYTHON_OR_VENV")]
    pub python: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Details)]
    pub format: ReportFormat,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What decides the exit status.
    #[command(flatten)]
    pub gate: GateArgs,
    /// Options of the trials.
    #[command(flatten)]
    pub trials: TrialArgs,
    /// Show no progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Where the output of a command goes.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Write the output to this file, which is replaced only when the output is complete; `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Options of the output.
#[derive(Debug, Args)]
pub struct PrintArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
    /// Print a row for each module, not only for each distribution
    #[arg(long)]
    pub modules: bool,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
    /// When to use colors
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// What decides the exit status.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Which verdicts pass.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Fail only on what is worse than in this older report
    #[arg(long, value_name = "REPORT")]
    pub baseline: Option<PathBuf>,
}

/// Which verdicts pass.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Which modes decide the exit status; may be repeated [default: own-gil]
    #[arg(long, value_enum, value_name = "MODE")]
    pub require: Vec<RequiredMode>,
    /// Degraded distributions fail the audit too
    #[arg(long)]
    pub strict: bool,
    /// Settings file: a wsgiaudit.toml, or a pyproject.toml with [tool.wsgiaudit] [default: the first one in
    /// the current folder and its parents, up to the root of the repository]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ignore settings files
    #[arg(long, conflicts_with = "config")]
    pub no_config: bool,
}

/// Options of the rendering of a stored report.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// A report that --json or --format json wrote; `-` for standard input
    pub report: PathBuf,
    /// The output.
    #[command(flatten)]
    pub print: PrintArgs,
    /// What decides the exit status.
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Options of the comparison of two reports.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier report; `-` for standard input
    pub old: PathBuf,
    /// The later report
    pub new: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
    /// Which verdicts pass.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// Options of the directives that a report supports.
#[derive(Debug, Args)]
pub struct DirectiveArgs {
    /// A report that --json or --format json wrote; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub report: PathBuf,
    /// An application that the report is about, as it was named there, and the prefix of its URLs [default:
    /// all of them, at the prefixes of the configuration that was audited, else at /]; may be repeated
    #[arg(long, value_name = "MODULE:CALLABLE[=/PREFIX]")]
    pub app: Vec<String>,
    /// The server to configure
    #[arg(long = "for", value_enum, default_value_t = TargetServer::ModWsgi)]
    pub server: TargetServer,
    /// Apache's main configuration file: print the change that the report supports as a unified diff. The
    /// file itself is not changed
    #[arg(long, value_name = "HTTPD.CONF", conflicts_with = "app")]
    pub apache_config: Option<PathBuf>,
    /// A name that Apache is started with (-D), for `<IfDefine>`; may be repeated
    #[arg(long, value_name = "NAME", requires = "apache_config")]
    pub apache_define: Vec<String>,
    /// Give applications that need them private copies of the environment's shared objects, if the report (of an audit
    /// with --copies) supports it
    #[arg(long, conflicts_with = "apache_config")]
    pub copies: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
}

/// The server that a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetServer {
    /// Directives for Apache with mod_wsgi
    ModWsgi,
    /// A file for mod_wsgi-express to include, and its options
    #[value(name = "mod_wsgi-express", alias = "mod-wsgi-express")]
    Express,
    /// Groups of a serve.toml, for `wsgiaudit serve --config`
    Serve,
}

/// Options passed through to uv or pip.
#[derive(Debug, Args)]
pub struct IndexArgs {
    /// The index to ask (for uv or pip)
    #[arg(long, value_name = "URL", requires = "asks-an-index")]
    pub index_url: Option<String>,
    /// One more index (for uv or pip)
    #[arg(long, value_name = "URL", requires = "asks-an-index")]
    pub extra_index_url: Vec<String>,
    /// A folder or page of wheels (for uv or pip)
    #[arg(long, value_name = "PATH_OR_URL", requires = "asks-an-index")]
    pub find_links: Vec<String>,
    /// Ask no index (for uv or pip)
    #[arg(long, requires = "asks-an-index")]
    pub no_index: bool,
}

/// A mode that can be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RequiredMode {
    /// mod_wsgi's default application groups
    SharedGil,
    /// `WSGIPerInterpreterGIL On`
    OwnGil,
    /// `WSGIPerInterpreterGIL On`, with private copies of extension modules (beyond CPython's promise)
    OwnGilCopies,
    /// `WSGIFreeThreading On`, in the main interpreter
    FreeThreaded,
    /// `WSGIFreeThreading On`, in application groups
    FreeThreadedGroup,
}

impl RequiredMode {
    /// Returns the mode.
    pub fn mode(self) -> Mode {
        match self {
            Self::SharedGil => Mode::SharedGil,
            Self::OwnGil => Mode::OwnGil,
            Self::OwnGilCopies => Mode::OwnGilCopies,
            Self::FreeThreaded => Mode::FreeThreaded,
            Self::FreeThreadedGroup => Mode::FreeThreadedGroup,
        }
    }
}

/// Options of the reading of declarations.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Shared objects, wheels, or folders that hold them
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
}

/// Options of the list of rules.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
}

/// Options of the explanation of words.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Rules, verdicts, modes and other words of reports; also several, or with `|` between them
    #[arg(value_name = "WORD", required = true, value_delimiter = '|',
        value_parser = clap::builder::PossibleValuesParser::new(explained_words()), hide_possible_values = true)]
    pub words: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
}

/// Options of the private copies.
#[derive(Debug, Args)]
pub struct CopiesArgs {
    /// A virtualenv, a Python prefix, or a python [default: $VIRTUAL_ENV, else ./.venv]
    pub environment: Option<PathBuf>,
    /// Number of interpreters, each with a set of copies of its own
    #[arg(long, value_name = "N")]
    pub interpreters: NonZeroUsize,
    /// Copy only the extension modules that are ready in own-gil-copies in this report (`wsgiaudit ENV --copies
    /// --json FILE`), and what they need. A file that has changed since is an error
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The folder for the copies: a new or empty one, or one that this command made before
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// Options of hosting an application.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// MODULE:CALLABLE, or FILE:CALLABLE; with parentheses, as in module:create_app(), it is called to make
    /// the application. CALLABLE is `application` by default [default: that of --config]
    #[arg(default_value = "", hide_default_value = true)]
    pub application: String,
    /// A virtualenv, a Python prefix, or a python [default: $VIRTUAL_ENV, else ./.venv]
    #[arg(short, long, value_name = "PATH")]
    pub environment: Option<PathBuf>,
    /// Only load extension modules that this report found ready for the mode, and whose files have not
    /// changed since
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Also load degraded extension modules
    #[arg(long, value_enum)]
    pub admit: Option<AdmitLevel>,
    /// What to do about an extension module that the report does not admit
    #[arg(long, value_enum, default_value_t = UnvettedPolicy::Refuse)]
    pub unvetted: UnvettedPolicy,
    /// Settings file: a key for each option, and application groups with their modes, threads and routes. The
    /// command line takes precedence over variables such as WSGIAUDIT_SERVE_BIND, and these over the file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen, besides the sockets that systemd has passed on: HOST:PORT, :PORT for every IPv4 address, or
    /// unix:PATH; may be repeated [default: 127.0.0.1:8000, if there are no other sockets]
    #[arg(short, long, value_name = "ADDRESS")]
    pub bind: Vec<String>,
    /// How connections are encrypted.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// The kind of interpreter [default: main; with --interpreters, own-gil]
    #[arg(long, value_enum)]
    pub mode: Option<ServeMode>,
    /// The mode own-gil-copies: each interpreter has its own GIL, and private copies of all extension modules and
    /// libraries of the environment
    #[arg(long, conflicts_with = "mode")]
    pub copies: bool,
    /// Equal interpreters, each with its own GIL, that share the requests
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub interpreters: NonZeroUsize,
    /// Threads of each interpreter
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub threads: NonZeroUsize,
    /// Number of processes, each with all interpreters and threads; a process that ends is replaced
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub processes: NonZeroUsize,
    /// Number of requests that may wait for a thread; further ones are answered with 503
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub queue: usize,
    /// Folders to import from, in front of the environment's own [default: the working folder]
    #[arg(long, value_name = "FOLDER")]
    pub path: Vec<PathBuf>,
    /// Seconds that running requests may take after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = parse_seconds)]
    pub drain: f64,
    /// Seconds from when a thread takes a request until its response must begin; after that it is 504, and another
    /// process takes over
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub request_timeout: Option<f64>,
    /// Requests after which another process takes over
    #[arg(long, value_name = "N")]
    pub max_requests: Option<u64>,
    /// Maximum of a random number that is added to --max-requests, so that the processes are not all replaced at
    /// once
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_requests_jitter: u64,
    /// Resident memory in bytes above which another process takes over
    #[arg(long, value_name = "BYTES")]
    pub max_memory: Option<u64>,
    /// Seconds after which another process takes over
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub max_lifetime: Option<f64>,
    /// Seconds for the head of a request to arrive, counted from the last response; then the connection is
    /// closed
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = parse_seconds)]
    pub head_timeout: f64,
    /// Seconds in which a client may send nothing of a request's body, or receive nothing of its response
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = parse_seconds)]
    pub stall_timeout: f64,
    /// Where to serve a live page, metrics as /metrics (Prometheus) and /metrics.json, and /healthz and /readyz: HOST:PORT,
    /// or unix:PATH. With several processes, each further one has the next port, or PATH.1 and so on
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Vec<String>,
    /// How it is operated.
    #[command(flatten)]
    pub operation: OperationArgs,
    /// Log a line for each request; - for standard output
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// The form of the access log
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = AccessLogForm::Combined)]
    pub access_log_format: AccessLogForm,
    /// A proxy that is trusted: its IP address, a network such as 10.0.0.0/8, or `unix` for clients of a Unix socket;
    /// may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub proxy: Vec<String>,
    /// A header that trusted proxies set, and that clients cannot pass through them; may be repeated
    #[arg(long, value_enum, value_name = "HEADER",
          default_values_t = [TrustedHeader::XForwardedFor, TrustedHeader::XForwardedProto])]
    pub proxy_header: Vec<TrustedHeader>,
    /// Mode of Unix sockets, in octal
    #[arg(long, value_name = "MODE", default_value = "666", value_parser = parse_octal)]
    pub socket_mode: u32,
    /// Owner of Unix sockets: USER, USER:GROUP or :GROUP, by name or number
    #[arg(long, value_name = "OWNER")]
    pub socket_owner: Option<String>,
    /// Mask of the modes of new files, in octal
    #[arg(long, value_name = "MODE", value_parser = parse_octal)]
    pub umask: Option<u32>,
    /// The folder to work in; other paths are relative to it
    #[arg(long, value_name = "FOLDER")]
    pub chdir: Option<PathBuf>,
    /// Write the process number of the supervisor, which signals go to, into this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Maximum size of a request's body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    pub max_body: u64,
    /// Size in bytes up to which a request's body is kept in memory; a larger one goes to a temporary file
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 10)]
    pub body_memory: usize,
    /// Seconds for the whole body of a request to arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0, value_parser = parse_seconds)]
    pub body_timeout: f64,
    /// Minimum average rate of a request's body in bytes per second, once --stall-timeout has passed; 0 for none
    #[arg(long, value_name = "BYTES", default_value_t = 500)]
    pub body_rate: u64,
    /// Maximum size of a request's head in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 10)]
    pub max_head: usize,
    /// Maximum number of a request's header lines
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub max_headers: usize,
    /// Maximum size of a request's target (path and query) in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 10)]
    pub max_target: usize,
    /// Threads for HTTP, outside of Python
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub http_threads: NonZeroUsize,
    /// The telemetry that it sends.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// Options of the completion script.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
}

/// Options of the manual page.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for the program and each command into this folder, for packaging
    #[arg(long = "to", value_name = "FOLDER", conflicts_with = "output")]
    pub folder: Option<PathBuf>,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
}

/// The words that `wsgiaudit explain` knows.
fn explained_words() -> Vec<clap::builder::PossibleValue> {
    use clap::builder::PossibleValue;
    let rules = crate::model::RULES.iter().map(|rule| PossibleValue::new(rule.id).help(rule.title()));
    let terms = crate::model::Term::all().into_iter();
    let terms =
        terms.map(|term| PossibleValue::new(term.name).aliases(term.aliases.iter().copied()).help(term.kind));
    rules.chain(terms).collect()
}
