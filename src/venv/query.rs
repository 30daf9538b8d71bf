//! Queries an interpreter about itself and its import hooks, by scripts that it runs in isolated mode.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::model::{EDITABLE_VARIABLES, Interpreter};
use crate::platform::{ProcessGroup, inherited_variables};
use crate::regular_file;

const SCRIPT: &str = include_str!("query.py");
const HOOKS: &str = include_str!("hooks.py");

/// Time limit for a script. A working Python needs much less.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Size limit of an answer, and of what is printed beside it. `.pth` files of the environment run then.
const MAX_ANSWER_SIZE: u64 = 64 << 20;

/// Why an interpreter could not be queried.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterQueryError {
    /// The Python could not be run.
    #[error("{} cannot be run: {error}", python.display())]
    NotRun {
        /// Path of the Python.
        python: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// The Python ran and gave no answer.
    #[error("{} did not say what it is ({status}){}", python.display(), format_last_line(printed))]
    NoAnswer {
        /// Path of the Python.
        python: PathBuf,
        /// Exit status, or that it timed out.
        status: String,
        /// Its output on both streams.
        printed: String,
    },
}

/// Queries an interpreter's version, paths and features. `scratch` is a folder of the audit.
///
/// # Errors
/// When the Python does not run, or does not answer within 30 seconds.
pub fn query_interpreter(python: &Path, scratch: &Path) -> Result<Interpreter, InterpreterQueryError> {
    let home = std::env::var_os("HOME").unwrap_or_default();
    query_with_script::<InterpreterAnswer>(python, SCRIPT, scratch, Some(&home))
        .map(|answer| answer.into_interpreter(python))
}

/// Modules served by import hooks other than CPython's.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct HookedModules {
    /// Packages and source files: dotted name, and folder or file.
    pub packages: Vec<(String, PathBuf)>,
    /// Extension modules: dotted name and file.
    pub files: Vec<(String, PathBuf)>,
    /// Sentences about hooks that do not list their modules, or fail.
    pub trouble: Vec<String>,
}

/// Queries the modules that an interpreter's import hooks serve.
///
/// This runs third-party code. The caller must sandbox the calling thread, and so the Python.
///
/// # Errors
/// As for `query_interpreter`.
pub fn query_import_hooks(python: &Path, scratch: &Path) -> Result<HookedModules, InterpreterQueryError> {
    query_with_script(python, HOOKS, scratch, None)
}

/// Runs a script in an interpreter, and parses the JSON file that it writes.
fn query_with_script<T: DeserializeOwned>(
    python: &Path,
    script: &str,
    scratch: &Path,
    argument: Option<&OsStr>,
) -> Result<T, InterpreterQueryError> {
    let answer = scratch.join("answer.json");
    let printed = scratch.join("printed");
    drop(fs::remove_file(&answer));
    let status = run_script(python, script, &answer, argument, &printed, scratch)
        .map_err(|error| InterpreterQueryError::NotRun { python: python.to_owned(), error })?;
    let text = regular_file::read_text(&answer, MAX_ANSWER_SIZE).unwrap_or_default();
    match serde_json::from_str::<T>(&text) {
        Ok(answer) if status.is_some_and(|status| status.success()) => Ok(answer),
        Ok(_) | Err(_) => Err(InterpreterQueryError::NoAnswer {
            python: python.to_owned(),
            status: status.map_or_else(|| "no answer in 30 s".to_owned(), |status| status.to_string()),
            printed: read_printed(&printed),
        }),
    }
}

/// Reads what a script has printed; nothing if that cannot be read.
fn read_printed(file: &Path) -> String {
    let bytes = regular_file::read_limited(file, MAX_ANSWER_SIZE).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a script in isolated mode. Returns `None` if it timed out.
fn run_script(
    python: &Path,
    script: &str,
    answer: &Path,
    argument: Option<&OsStr>,
    printed: &Path,
    scratch: &Path,
) -> io::Result<Option<ExitStatus>> {
    let output = File::create(printed)?;
    let mut command = Command::new(python);
    command
        .args(["-I", "-B", "-c", script])
        .arg(answer)
        .args(argument)
        .env_clear()
        .envs(inherited_variables())
        .envs(EDITABLE_VARIABLES)
        .env("HOME", scratch)
        .current_dir(scratch)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let mut group = ProcessGroup::spawn(&mut command)?;
    let status = group.wait_for(SCRIPT_TIMEOUT)?;
    if status.is_none() {
        group.kill();
    }
    Ok(status)
}

/// `: ` and the last line of the output, or nothing.
fn format_last_line(printed: &str) -> String {
    match printed.trim() {
        "" => String::new(),
        text => format!(": {}", text.lines().last().unwrap_or_default()),
    }
}

/// Answer that `query.py` writes.
#[derive(Deserialize)]
struct InterpreterAnswer {
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

impl InterpreterAnswer {
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
