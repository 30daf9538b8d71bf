//! Bytecode for environments that have none, such as uv's: without it, each interpreter of each trial would compile every
//! source that it imports.
//!
//! Trials report which sources they compiled. A separate Python process, which runs no foreign code, compiles them once more
//! into a folder that later trials read (`sys.pycache_prefix`) and cannot write to. Trials of an environment that has bytecode
//! read its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use crate::platform::{ProcessGroup, inherited_variables};

const PROGRAM: &str = include_str!("compile_sources.py");

/// Time limit for the process to check the environment for bytecode, and to link the bytecode of the standard library.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of its answer that are read.
const MAX_ANSWER_BYTES: u64 = 64;

/// Most sources that are compiled in one audit.
const MAX_SOURCES: usize = 50_000;

/// The bytecode folders of an audit, by the Python that reads them.
#[derive(Debug, Default)]
pub struct BytecodeFolders(Mutex<BTreeMap<PathBuf, BytecodeState>>);

#[derive(Debug)]
enum BytecodeState {
    /// No trial has asked for it.
    Unused {
        folder: PathBuf,
        site: Vec<PathBuf>,
    },
    /// The environment has bytecode of its own, or none can be made.
    NotNeeded,
    Used(Arc<BytecodeFolder>),
}

impl BytecodeFolders {
    /// Sets the folder for the bytecode of an environment. `site` are the folders with its modules.
    pub fn add_environment(&self, python: &Path, site: &[PathBuf], folder: PathBuf) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(python.to_owned()).or_insert_with(|| BytecodeState::Unused { folder, site: site.to_vec() });
    }

    /// The bytecode for this Python, if it needs any. Starts the process that compiles when it is first asked.
    pub(super) fn find(&self, python: &Path) -> Option<Arc<BytecodeFolder>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = all.get_mut(python)?;
        if let BytecodeState::Unused { folder, site } = state {
            let started = BytecodeFolder::start(python, site, folder).ok().flatten();
            *state = started.map_or(BytecodeState::NotNeeded, |folder| BytecodeState::Used(Arc::new(folder)));
        }
        match state {
            BytecodeState::Used(folder) => Some(Arc::clone(folder)),
            BytecodeState::Unused { .. } | BytecodeState::NotNeeded => None,
        }
    }
}

/// A folder of bytecode, and the process that compiles into it. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct BytecodeFolder {
    path: PathBuf,
    requested: Mutex<BTreeSet<String>>,
    requests: Sender<String>,
    process: ProcessGroup,
}

impl BytecodeFolder {
    /// Returns `None` if the environment has bytecode of its own.
    fn start(python: &Path, site: &[PathBuf], folder: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let mut command = Command::new(python);
        command
            // `-S`: no .pth file of the environment is run. The order of constant sets depends on the hash seed, so it is
            // that of trials.
            .args(["-s", "-P", "-B", "-S", "-W", "ignore", "-c", PROGRAM])
            .arg(folder)
            .args(site)
            .env_clear()
            .envs(inherited_variables())
            .env("PYTHONHASHSEED", super::environment::HASH_SEED)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = ProcessGroup::spawn(&mut command)?;
        let Some((input, output)) = process.take_pipes() else {
            process.kill();
            return Ok(None);
        };
        if !read_lacks_bytecode(output) {
            process.kill();
            return Ok(None);
        }
        let requests = write_requests(input);
        Ok(Some(Self { path: folder.to_owned(), requested: Mutex::default(), requests, process }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The options of a Python that reads it.
    pub(super) fn python_options(&self) -> [OsString; 2] {
        let mut option = OsString::from("pycache_prefix=");
        option.push(&self.path);
        ["-X".into(), option]
    }

    /// Requests that these sources are compiled, each once.
    pub(super) fn compile_sources(&self, sources: Vec<String>) {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        for source in sources {
            let is_one_line = !source.contains('\n');
            if is_one_line && requested.len() < MAX_SOURCES && requested.insert(source.clone()) {
                // If the process has ended, trials go on compiling for themselves.
                let _ = self.requests.send(source);
            }
        }
    }
}

impl Drop for BytecodeFolder {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// Reads the answer of the process: whether most modules of the environment lack bytecode. Returns false if there is no
/// answer in time.
fn read_lacks_bytecode(output: ChildStdout) -> bool {
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(output.take(MAX_ANSWER_BYTES)).read_line(&mut line);
        let _ = sender.send(line);
    });
    answer.recv_timeout(START_TIMEOUT).is_ok_and(|line| line == "lacking\n")
}

/// Writes requests to the process in a thread of its own: the pipe may be full.
fn write_requests(mut input: ChildStdin) -> Sender<String> {
    let (requests, received) = mpsc::channel::<String>();
    std::thread::spawn(move || {
        for source in received {
            if input.write_all(format!("{source}\n").as_bytes()).is_err() {
                return;
            }
        }
    });
    requests
}
