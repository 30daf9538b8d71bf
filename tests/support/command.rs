//! Runs `wsgiaudit` as a user would, in an environment without a user's settings.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The program, under a name that stays: tests/cli/packaging.rs has cargo build it once more in the same folder, which
/// takes its own name away for a moment.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program");
        fs::create_dir_all(&folder).unwrap();
        let (program, new) = (folder.join("wsgiaudit"), folder.join(std::process::id().to_string()));
        fs::hard_link(env!("CARGO_BIN_EXE_wsgiaudit"), &new).unwrap();
        fs::rename(&new, &program).unwrap();
        // Where both were the same file already, renaming leaves both names.
        drop(fs::remove_file(new));
        program
    })
}

/// A command to build up and run.
pub(crate) struct Wsgiaudit(Command);

/// What it said and how it ended.
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: Option<i32>,
}

impl Wsgiaudit {
    pub(crate) fn new() -> Self {
        Self::of(Command::new(program()))
    }

    /// As an ordinary user, if the test runs as root: one without rights, in a namespace in which root's files belong to that
    /// user.
    pub(crate) fn as_ordinary_user() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::new();
        }
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000"]).arg(program());
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("COLUMNS", "1000");
        Self(command)
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// With what an installer needs: the user's cache, and the ways to an index.
    pub(crate) fn with_an_index(mut self) -> Self {
        let is_wanted = |name: &str| {
            ["HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&name)
                || ["UV_", "PIP_"].iter().any(|tool| name.starts_with(tool))
                || name.to_lowercase().ends_with("_proxy")
        };
        self.0.envs(std::env::vars().filter(|(name, _)| is_wanted(name)));
        self
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    pub(crate) fn run(mut self) -> Said {
        Said::from(self.0.output().unwrap())
    }

    /// Starts it in the background, and waits until it has made a socket.
    #[track_caller]
    pub(crate) fn start_until(self, socket: &Path) -> Child {
        let mut command = self.into_command();
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        while !socket.exists() {
            assert!(started.elapsed() < Duration::from_secs(30), "it makes no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    }

    /// The command itself, for tests that need the running process.
    pub(crate) fn into_command(self) -> Command {
        self.0
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { out: text(&output.stdout), err: text(&output.stderr), status: output.status.code() }
    }
}

impl Said {
    /// The report that was printed as JSON, without its header: what must be the same in every run.
    #[track_caller]
    pub(crate) fn body(&self) -> serde_json::Value {
        let mut report: serde_json::Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}\n{}{}", self.out, self.err));
        report.as_object_mut().unwrap().remove("header").unwrap();
        report
    }

    /// Panics unless the command ended with this status.
    #[track_caller]
    pub(crate) fn ended_with(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}
