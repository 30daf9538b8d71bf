//! What was typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::Mode;

/// Tells whether the C extensions of a virtualenv are fit for a per-interpreter GIL, by reading what each
/// declares and trying each under mod_wsgi's own configurations.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = crate::exit::HELP)]
pub struct Cli {
    /// What to do instead of an audit.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// Everything that is not the audit of an environment.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read what extension modules declare, without running anything: files, wheels, folders. Exit
    /// status 3 where something could not be determined
    Inspect(InspectArgs),
    /// Audit extension modules, or all in some wheels, with every detail: for their maintainer, and for CI. Exit
    /// status 0 only where each of them is ready
    #[command(after_help = crate::exit::HELP)]
    Module(ModuleArgs),
    /// Print a stored report in another form
    #[command(after_help = crate::exit::HELP)]
    Render(RenderArgs),
    /// Say what changed from an earlier report to a later one. The exit status is that of the later one with the
    /// earlier as its --baseline
    #[command(after_help = crate::exit::HELP)]
    Diff(DiffArgs),
    /// Print the directives of mod_wsgi that a stored report supports, with the reasons as comments. Where nothing is
    /// safe nothing is printed, and the exit status is 1
    Directive(DirectiveArgs),
    /// List the rules that reports refer to
    Rules(RulesArgs),
    /// Say what a rule means, how it is found and what to do
    #[command(after_help = "E.g. wsgiaudit explain refused; wsgiaudit rules lists them")]
    Explain(ExplainArgs),
    /// Host a WSGI application: each application group an interpreter of its own, in the environment's own
    /// python
    #[command(after_help = "Signals:
  SIGTERM, SIGINT  answer what was accepted, then end: exit status 0, or 1 where --drain did not suffice
  SIGHUP           start anew with the same sockets; the old process ends when the new one is ready")]
    Serve(ServeArgs),
    /// Print what a shell needs to complete this command line
    #[command(
        after_help = "E.g. wsgiaudit completions bash > ~/.local/share/bash-completion/completions/wsgiaudit"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page, in the form that man(1) reads
    #[command(after_help = "E.g. wsgiaudit man | man -l -")]
    Man(ManArgs),
}

/// The audit of an environment.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("asks-an-index").multiple(true))]
pub struct AuditArgs {
    /// A virtualenv, a Python prefix, or a python [default: $VIRTUAL_ENV, else ./.venv]
    pub environment: Option<PathBuf>,
    /// What is printed.
    #[command(flatten)]
    pub print: PrintArgs,
    /// Write the JSON document as well
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Ask about free threading too: a virtualenv of a free-threaded Python that holds the same distributions,
    /// or a free-threaded Python, or `auto` to find one: with a Python, an environment of the same versions is
    /// made in the user's cache, by uv or pip, from wheels only
    #[arg(long, value_name = "auto|PYTHON_OR_VENV", group = "asks-an-index")]
    pub free_threaded: Option<PathBuf>,
    /// An application that the environment is for: a dotted name, in the current folder or the environment, or a
    /// path; may be repeated. The report then says what it reaches, and the exit status follows that
    #[arg(long, value_name = "MODULE:CALLABLE")]
    pub app: Vec<String>,
    /// The Apache that the environment is for: its main configuration, with all that it includes. What it serves
    /// with mod_wsgi is audited as --app is, and judged by the interpreter in which it lands
    #[arg(long, value_name = "HTTPD.CONF")]
    pub apache_config: Option<PathBuf>,
    /// A name that Apache is started with (-D), for `<IfDefine>`; may be repeated
    #[arg(long, value_name = "NAME", requires = "apache_config")]
    pub apache_define: Vec<String>,
    /// A script that uses what is installed, as a request would; may be repeated. It is run in each kind of
    /// interpreter, and in several at the same time: what is only imported then, and races
    #[arg(long, value_name = "FILE.py")]
    pub exercise: Vec<PathBuf>,
    /// A distribution whose wheel brings tests that pytest can run; may be repeated. Those that pass in the main
    /// interpreter are run in each kind of interpreter, and in several at the same time. --timeout bounds how many
    #[arg(long, value_name = "DISTRIBUTION")]
    pub exercise_tests: Vec<String>,
    /// Ask each application these requests (an .http file), in each kind of interpreter and in several at the same
    /// time. What answers differently than in the main interpreter fails
    #[arg(long, value_name = "FILE.http", requires = "app")]
    pub requests: Option<PathBuf>,
    /// Ask the index for newer versions of the distributions that stand in the way, and read what their wheels
    /// declare
    #[arg(long, group = "asks-an-index")]
    pub upgrades: bool,
    /// Answer --upgrades from what an earlier audit has read, and ask nobody
    #[arg(long, requires = "upgrades")]
    pub offline: bool,
    /// Where wheels for it come from.
    #[command(flatten)]
    pub index: IndexArgs,
    /// What decides the exit status.
    #[command(flatten)]
    pub gate: GateArgs,
    /// How it is tried.
    #[command(flatten)]
    pub trials: TrialArgs,
    /// No progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// How things are tried.
#[derive(Debug, Args)]
pub struct TrialArgs {
    /// Seconds that one trial may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub timeout: f64,
    /// An environment variable for everything that is tried: NAME=VALUE, or NAME for the value that it has here; may
    /// be repeated. Nothing else of your environment reaches trials
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub given_variables: Vec<String>,
    /// A file or folder of which everything that is tried finds a copy in its home, which is its current folder too,
    /// under its own name or NAME; may be repeated. The original is only read
    #[arg(long = "file", value_name = "PATH[=NAME]")]
    pub given_files: Vec<String>,
    /// A folder that the application writes to, e.g. for a database or uploads. Each trial gets its own copy under the same
    /// path; the folder itself is only read. May be repeated
    #[arg(long = "writable", value_name = "DIR")]
    pub writable_folders: Vec<PathBuf>,
    /// Let trials use the network, write everywhere and signal others, with no limits of memory, processors
    /// and processes. For machines and modules that a sandbox does not suit
    #[arg(long)]
    pub no_sandbox: bool,
    /// Try everything, though an earlier audit of the same files has answered
    #[arg(long)]
    pub no_cache: bool,
    /// Use everything on more threads at the same time, and more often: slower, and finds more races
    #[arg(long)]
    pub thorough: bool,
    /// Trials at a time [default: one for each core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

/// The audit of extension modules.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("asks-an-index").multiple(true))]
pub struct ModuleArgs {
    /// Extension modules, where they would be imported from, and wheels. Wheels for another Python are named and
    /// passed over
    #[arg(value_name = "FILE|WHEEL", required = true)]
    pub files: Vec<PathBuf>,
    /// What the modules need: a requirement, or a wheel; may be repeated. uv or pip installs it, from wheels only, into
    /// an environment of the audit's own. Nothing is installed without it
    #[arg(long, value_name = "REQUIREMENT", group = "asks-an-index")]
    pub with: Vec<String>,
    /// Where that comes from.
    #[command(flatten)]
    pub index: IndexArgs,
    /// The Python to try it with, or its environment, which may hold what the module needs [default:
    /// $VIRTUAL_ENV, else ./.venv, else python3]
    #[arg(long, value_name = "PYTHON_OR_VENV")]
    pub python: Option<PathBuf>,
    /// What to print: everything, if not said otherwise
    #[arg(long, value_enum, default_value_t = Format::Details)]
    pub format: Format,
    /// Where to write what would be printed
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the JSON document as well
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What decides the exit status.
    #[command(flatten)]
    pub gate: GateArgs,
    /// How it is tried.
    #[command(flatten)]
    pub trials: TrialArgs,
    /// No progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// What is printed, and how.
#[derive(Debug, Args)]
pub struct PrintArgs {
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// A row for each module, not only for each distribution
    #[arg(long)]
    pub modules: bool,
    /// Where to write what would be printed
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// What decides the exit status.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// What is good enough.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Fail only on what is worse than in this older report
    #[arg(long, value_name = "REPORT")]
    pub baseline: Option<PathBuf>,
}

/// What is good enough.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Which modes decide the exit status; may be repeated [default: own-gil]
    #[arg(long, value_enum, value_name = "MODE")]
    pub require: Vec<Required>,
    /// Degraded distributions fail the audit too
    #[arg(long)]
    pub strict: bool,
    /// Settings: a wsgiaudit.toml, or a pyproject.toml with [tool.wsgiaudit] [default: the first in this folder and
    /// above, up to where the repository begins]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Heed no settings
    #[arg(long, conflicts_with = "config")]
    pub no_config: bool,
}

/// A stored report in another form.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// A report that --json or --format json wrote; `-` for standard input
    pub report: PathBuf,
    /// What is printed.
    #[command(flatten)]
    pub print: PrintArgs,
    /// What decides the exit status.
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Two reports.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier report; `-` for standard input
    pub old: PathBuf,
    /// The later one
    pub new: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// What is good enough.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// A rendering of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For a terminal
    Text,
    /// For a comment on a pull request
    Markdown,
    /// For machines
    Json,
}

/// What a report supports.
#[derive(Debug, Args)]
pub struct DirectiveArgs {
    /// A report that --json or --format json wrote; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub report: PathBuf,
    /// An application that the report is about, as it was named there, and the prefix of its URLs [default: all of
    /// them, at the prefixes of the configuration that was audited, else at /]; may be repeated
    #[arg(long, value_name = "MODULE:CALLABLE[=/PREFIX]")]
    pub app: Vec<String>,
    /// What is configured
    #[arg(long = "for", value_enum, default_value_t = Configured::ModWsgi)]
    pub server: Configured,
    /// Apache's configuration file: print what the report supports as a unified diff of it. The file itself is not changed
    #[arg(long, value_name = "HTTPD.CONF", conflicts_with = "app")]
    pub apache_config: Option<PathBuf>,
    /// A name that Apache is started with (-D), for `<IfDefine>`; may be repeated
    #[arg(long, value_name = "NAME", requires = "apache_config")]
    pub apache_define: Vec<String>,
}

/// What a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Configured {
    /// Directives for Apache with mod_wsgi
    ModWsgi,
    /// A file for mod_wsgi-express to include, and its options
    #[value(name = "mod_wsgi-express", alias = "mod-wsgi-express")]
    Express,
    /// Groups of a serve.toml, for `wsgiaudit serve --config`
    Serve,
}

/// Passed through to uv or pip.
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
pub enum Required {
    /// mod_wsgi's default application groups
    SharedGil,
    /// `WSGIPerInterpreterGIL On`
    OwnGil,
    /// `WSGIFreeThreading On`, in the main interpreter
    FreeThreaded,
    /// `WSGIFreeThreading On`, in application groups
    FreeThreadedGroup,
}

impl Required {
    /// The mode.
    pub fn mode(self) -> Mode {
        match self {
            Self::SharedGil => Mode::SharedGil,
            Self::OwnGil => Mode::OwnGil,
            Self::FreeThreaded => Mode::FreeThreaded,
            Self::FreeThreadedGroup => Mode::FreeThreadedGroup,
        }
    }
}

/// Reading declarations only.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Shared objects, wheels, or folders that hold them
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = PlainFormat::Table)]
    pub format: PlainFormat,
}

/// A rendering of what is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlainFormat {
    /// For a terminal
    Table,
    /// For machines
    Json,
}

/// The rules.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// What to print
    #[arg(long, value_enum, default_value_t = PlainFormat::Table)]
    pub format: PlainFormat,
}

/// One rule.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The rule's id
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(
        crate::rules::RULES.iter().map(|rule| clap::builder::PossibleValue::new(rule.id).help(rule.title()))
    ), hide_possible_values = true)]
    pub rule: String,
}

/// Hosting an application.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// MODULE:CALLABLE, or FILE:CALLABLE; a name with brackets, as in module:create_app(), is called first.
    /// CALLABLE is `application` where it is left out
    pub application: String,
    /// A virtualenv, a Python prefix, or a python [default: $VIRTUAL_ENV, else ./.venv]
    #[arg(short, long, value_name = "PATH")]
    pub environment: Option<PathBuf>,
    /// Only let extension modules load that this report of an audit found ready, for the mode and the very file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Also let load what is only degraded
    #[arg(long, value_enum, requires = "report")]
    pub admit: Option<Admit>,
    /// What to do about an extension module that the report does not let load
    #[arg(long, value_enum, default_value_t = Unvetted::Refuse, requires = "report")]
    pub unvetted: Unvetted,
    /// Application groups with their modes, threads and routes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mode", "interpreters", "threads"])]
    pub config: Option<PathBuf>,
    /// Where to listen: HOST:PORT, or unix:PATH; may be repeated
    #[arg(short, long, value_name = "ADDRESS", default_values_t = ["127.0.0.1:8000".to_owned()])]
    pub bind: Vec<String>,
    /// The kind of interpreter [default: main; with --interpreters, own-gil]
    #[arg(long, value_enum)]
    pub mode: Option<Hosted>,
    /// Equal interpreters, each with its own GIL, that share the requests
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub interpreters: NonZeroUsize,
    /// Threads of each interpreter
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub threads: NonZeroUsize,
    /// Requests that may wait for a thread; one more is answered with 503
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub queue: usize,
    /// Folders to import from, in front of the environment's own [default: the working folder]
    #[arg(long, value_name = "FOLDER")]
    pub path: Vec<PathBuf>,
    /// Seconds that running requests may take after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    pub drain: f64,
    /// Seconds until an answer must begin; else it is 504, and another process takes over
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub request_timeout: Option<f64>,
    /// Requests after which another process takes over
    #[arg(long, value_name = "N")]
    pub max_requests: Option<u64>,
    /// Seconds for the head of a request to arrive, from the last answer on; then the connection closes
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    pub head_timeout: f64,
    /// Seconds without a byte of a request's body, or in which a client takes nothing of its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub stall_timeout: f64,
    /// Where the metrics are told, as /metrics (Prometheus) and /metrics.json: HOST:PORT, or unix:PATH
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Vec<String>,
    /// A line for each request, in Apache's combined format with the time it took; - for standard output
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// A proxy whose X-Forwarded-For and X-Forwarded-Proto are believed: its IP address, or `unix` for whoever
    /// comes by a Unix socket; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub proxy: Vec<String>,
    /// Bytes of a request's body
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    pub max_body: u64,
    /// Threads that do HTTP, outside of Python
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub http_threads: NonZeroUsize,
}

/// What is good enough beside what is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Admit {
    /// What imports, and does without some of its extension modules
    Degraded,
}

/// What to do about what is not vetted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unvetted {
    /// `ImportError`, which says why
    Refuse,
    /// Load it, and say so
    Warn,
}

/// A kind of interpreter to host in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hosted {
    /// The main interpreter
    Main,
    /// A sub-interpreter on the main interpreter's GIL
    SharedGil,
    /// A sub-interpreter with a GIL of its own
    OwnGil,
    /// The main interpreter of a free-threaded Python, the GIL forced off
    FreeThreaded,
}

/// Which shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Which pages.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for this and for each command into a folder, as packagers want them
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
}

/// A rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal
    Table,
    /// The versioned document (schema 1)
    Json,
    /// Everything about each extension module, as text
    Details,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for CI dashboards
    Junit,
    /// Markdown, for a comment on a pull request
    Markdown,
    /// Annotations of GitHub Actions; printed beside the table where that runs
    Github,
    /// A compatibility table as one HTML page that asks for nothing from outside
    Html,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        Ok(_) | Err(_) => Err("give a number of seconds, more than 0, at most 86400".to_owned()),
    }
}
