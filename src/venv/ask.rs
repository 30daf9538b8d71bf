//! Asks an interpreter about itself, and its import hooks about what they serve, by scripts that it runs isolated.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::model::{EDITABLE_VARIABLES, Interpreter};

const SCRIPT: &str = include_str!("ask.py");
const HOOKS: &str = include_str!("hooks.py");

/// A python that starts at all starts in less.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why an interpreter did not say what it is.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It could not be run.
    #[error("{} cannot be run: {error}", python.display())]
    NotRun {
        /// The python.
        python: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It ran and gave no answer; what it printed says why.
    #[error("{} did not say what it is ({status}){}", python.display(), said(printed))]
    NoAnswer {
        /// The python.
        python: PathBuf,
        /// How it ended.
        status: String,
        /// The end of both streams.
        printed: String,
    },
}

/// Asks an interpreter what it is; `scratch` is a folder of our own.
///
/// # Errors
/// When the python does not run or does not answer within 30 seconds.
pub fn ask(python: &Path, scratch: &Path) -> Result<Interpreter, AskError> {
    let home = std::env::var_os("HOME").unwrap_or_default();
    answer::<Answer>(python, SCRIPT, scratch, Some(&home)).map(|answer| answer.into_interpreter(python))
}

/// What import hooks serve that are not CPython's.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Hooked {
    /// Packages and source files: dotted name, folder or file.
    pub packages: Vec<(String, PathBuf)>,
    /// Extension modules: dotted name, file.
    pub files: Vec<(String, PathBuf)>,
    /// Hooks that do not tell what they serve, or fail: sentences.
    pub trouble: Vec<String>,
}

/// Asks an interpreter's import hooks what they serve. They run strangers' code: the caller confines the thread that
/// calls this, and so the python.
///
/// # Errors
/// As above.
pub fn ask_hooks(python: &Path, scratch: &Path) -> Result<Hooked, AskError> {
    answer(python, HOOKS, scratch, None)
}

fn answer<T: DeserializeOwned>(
    python: &Path,
    script: &str,
    scratch: &Path,
    argument: Option<&OsStr>,
) -> Result<T, AskError> {
    let answer = scratch.join("answer.json");
    let printed = scratch.join("printed");
    drop(fs::remove_file(&answer));
    let status = run(python, script, &answer, argument, &printed, scratch)
        .map_err(|error| AskError::NotRun { python: python.to_owned(), error })?;
    let text = fs::read_to_string(&answer).unwrap_or_default();
    match serde_json::from_str::<T>(&text) {
        Ok(answer) if status.is_some_and(|status| status.success()) => Ok(answer),
        Ok(_) | Err(_) => Err(AskError::NoAnswer {
            python: python.to_owned(),
            status: status.map_or_else(|| "no answer in 30 s".to_owned(), |status| status.to_string()),
            printed: fs::read_to_string(&printed).unwrap_or_default(),
        }),
    }
}

fn run(
    python: &Path,
    script: &str,
    answer: &Path,
    argument: Option<&OsStr>,
    printed: &Path,
    scratch: &Path,
) -> io::Result<Option<ExitStatus>> {
    let output = File::create(printed)?;
    let mut child = Command::new(python)
        .args(["-I", "-B", "-c", script])
        .arg(answer)
        .args(argument)
        .env_clear()
        .envs(
            ["PATH", "LD_LIBRARY_PATH"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .envs(EDITABLE_VARIABLES)
        .env("HOME", scratch)
        .current_dir(scratch)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // With all that it started, as long as that is in its group.
    let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn said(printed: &str) -> String {
    match printed.trim() {
        "" => String::new(),
        text => format!(": {}", text.lines().last().unwrap_or_default()),
    }
}

/// What `ask.py` writes.
#[derive(Deserialize)]
struct Answer {
    implementation: String,
    version: (u8, u8, u8),
    release: String,
    free_threaded: bool,
    abi: String,
    suffixes: Vec<String>,
    platform: String,
    base_prefix: PathBuf,
    site: Vec<PathBuf>,
    files: Vec<(String, PathBuf)>,
    archives: Vec<PathBuf>,
    user_site: Option<PathBuf>,
    has_hooks: bool,
    no_trials: Option<String>,
}

impl Answer {
    fn into_interpreter(self, python: &Path) -> Interpreter {
        let no_trials = match self.implementation.as_str() {
            "cpython" => self.no_trials,
            other => {
                Some(format!("it is {other}, and only CPython has sub-interpreters with extension modules"))
            }
        };
        Interpreter {
            executable: python.to_owned(),
            implementation: self.implementation,
            version: self.version,
            release: self.release,
            free_threaded: self.free_threaded,
            abi: self.abi,
            suffixes: self.suffixes,
            platform: self.platform,
            base_prefix: Some(self.base_prefix),
            site: self.site,
            editable: Vec::new(),
            files: self.files,
            archives: self.archives,
            user_site: self.user_site,
            has_hooks: self.has_hooks,
            no_trials,
        }
    }
}
