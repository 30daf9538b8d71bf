//! An audit while it runs, and what it must not leave.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::command::Wsgiaudit;
use super::venv::Venv;

/// An audit whose temporary folder is known, so that what it leaves can be seen.
pub(crate) struct Running {
    pub(crate) child: Child,
    temporary: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(venv: &Venv, extra: &[&str]) -> Self {
        Self::start_with(venv, extra, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_with(venv: &Venv, extra: &[&str], variables: &[(&str, &str)]) -> Self {
        let command =
            variables.iter().fold(Wsgiaudit::new(), |command, (name, value)| command.env(name, value));
        Self::spawn(command, venv, extra)
    }

    /// The same as an ordinary user.
    pub(crate) fn start_as_ordinary_user(venv: &Venv, extra: &[&str]) -> Self {
        Self::spawn(Wsgiaudit::as_ordinary_user(), venv, extra)
    }

    fn spawn(command: Wsgiaudit, venv: &Venv, extra: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let command = command.arg(venv.path()).args(["--format", "json"]).args(extra);
        let mut command = command.env("TMPDIR", temporary.path()).into_command();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, temporary }
    }

    /// Process numbers of all that was started with its temporary folder in the environment, or works in that folder.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let marker = self.temporary.path().to_string_lossy().into_owned();
        let names_it = |process: u32| {
            let folder = fs::read_link(format!("/proc/{process}/cwd")).unwrap_or_default();
            let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            folder.to_string_lossy().contains(&marker)
                || String::from_utf8_lossy(&environment).contains(&marker)
        };
        let all = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        all.filter(|process| *process != self.child.id() && names_it(*process)).collect()
    }

    /// Bytes that its files take on disk now.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        let entries = walkdir::WalkDir::new(self.temporary.path()).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512)).sum()
    }

    /// Whether a trial has made a file of this name.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        let mut entries = walkdir::WalkDir::new(self.temporary.path()).into_iter().flatten();
        entries.any(|entry| entry.file_name() == name)
    }

    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(started.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its status and report; panics where it left a process or a file.
    pub(crate) fn end(mut self) -> (i32, serde_json::Value) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(self.processes(), Vec::<u32>::new(), "processes are left");
        assert_eq!(entries(self.temporary.path()), Vec::<String>::new(), "files are left");
        let report = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        (status.code().unwrap_or_else(|| -status.signal().unwrap()), report)
    }
}

fn entries(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
