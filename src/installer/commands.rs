//! The commands of uv and pip.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::asked::{self, Seen};

/// Which one, and the options that are passed through to it.
#[derive(Clone, Copy, Debug)]
pub struct Installer<'a> {
    /// Whether it is uv.
    pub has_uv: bool,
    /// The base interpreter, whose pip it is.
    pub python: &'a Path,
    /// `--index-url` and the like, which uv and pip name alike.
    pub options: &'a [String],
}

/// What an index has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This version.
    Version(String),
    /// Nothing that could be installed, of the files that the index lists.
    Nothing,
    /// No such project: every index answered, and none lists a file of it.
    NoProject,
    /// No answer; why.
    NoAnswer(String),
}

impl Installer<'_> {
    /// Makes an empty virtualenv.
    pub fn virtualenv(self, folder: &Path) -> Result<(), String> {
        let mut command = match self.has_uv {
            true => with(Command::new("uv"), &["venv", "--quiet", "--python"], self.python),
            false => with(Command::new(self.python), &["-I", "-m", "venv", "--without-pip"], folder),
        };
        if self.has_uv {
            command.arg(folder);
        }
        run(&mut command).map(drop)
    }

    /// Installs exactly these (`name==version`), from wheels, without what they need.
    pub fn install(self, environment: &Path, pins: &[String]) -> Result<(), String> {
        let mut command = self.installs(environment);
        command.args(WHEELS_ONLY).args(self.options).args(pins);
        run(&mut command).map(drop)
    }

    /// Installs what these requirements come to, from wheels, with what they need.
    pub fn install_with_dependencies(
        self,
        environment: &Path,
        requirements: &[String],
    ) -> Result<(), String> {
        let mut command = self.installs(environment);
        command.args(["--only-binary", ":all:"]).args(self.options).arg("--").args(requirements);
        run(&mut command).map(drop).map_err(|said| one_line(&said))
    }

    /// The version that a requirement (`name` or `name==version`) comes to on this Python, from wheels.
    pub fn resolve(self, environment: &Path, requirement: &str) -> Found {
        let python = environment.join("bin/python");
        let found = match self.has_uv {
            true => self.resolve_with_uv(&python, requirement),
            false => self.resolve_with_pip(&python, requirement),
        };
        found.unwrap_or_else(Found::NoAnswer)
    }

    fn resolve_with_uv(self, python: &Path, requirement: &str) -> Result<Found, String> {
        let compile = || {
            let arguments = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python"];
            let mut command = with(Command::new("uv"), &arguments, python);
            command.args(WHEELS_ONLY).args(self.options).arg("-");
            command
        };
        let ended = end(&mut compile(), Some(requirement))?;
        if ended.is_success {
            return pinned(&ended.output).map(Found::Version).ok_or_else(not_understood);
        }
        // The status of an answer; with any other it could not ask.
        if ended.code != Some(1) {
            return Err(one_line(&ended.said));
        }
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut again = compile();
        again.arg("--cache-dir").arg(scratch.path()).env("RUST_LOG", "uv_client=trace");
        let ended = end(&mut again, Some(requirement))?;
        match ended.code {
            Some(1) => found_nothing(asked::by_uv(scratch.path(), &ended.said, self.options)),
            Some(_) | None => Err("uv was answered differently a second time".to_owned()),
        }
    }

    fn resolve_with_pip(self, python: &Path, requirement: &str) -> Result<Found, String> {
        let broken = |error: std::io::Error| error.to_string();
        let scratch = tempfile::tempdir().map_err(broken)?;
        let (script, record) = (scratch.path().join("pip.py"), scratch.path().join("record.json"));
        fs::write(&script, include_str!("pip.py")).map_err(broken)?;
        let mut command = Command::new(self.python);
        command.arg("-I").args([&script, python, &record]);
        command.args(["--disable-pip-version-check", "--no-input"]);
        command.args(["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]);
        command.args(WHEELS_ONLY).args(self.options).arg(requirement);
        let ended = end(&mut command, None)?;
        if ended.is_success {
            return reported(&ended.output).map(Found::Version).ok_or_else(not_understood);
        }
        match fs::read_to_string(&record) {
            Ok(record) => found_nothing(asked::by_pip(&record, self.options)),
            Err(_) => Err(one_line(&ended.said)),
        }
    }

    /// Fetches the wheel that a requirement comes to: into the folder, unpacked (uv) or as it is (pip).
    pub fn fetch(self, environment: &Path, requirement: &str, folder: &Path) -> Result<(), String> {
        let python = environment.join("bin/python");
        let mut command = match self.has_uv {
            true => {
                let mut command =
                    with(Command::new("uv"), &["pip", "install", "--quiet", "--python"], &python);
                command.arg("--target");
                command
            }
            false => {
                let mut command = self.pip(&python);
                command.args(["download", "--quiet", "--dest"]);
                command
            }
        };
        command.arg(folder).args(WHEELS_ONLY).args(self.options).arg(requirement);
        run(&mut command).map(drop).map_err(|said| one_line(&said))
    }

    /// Every version that pip finds, the newest first; `None` where there is no pip to ask, or no answer.
    pub fn versions(self, environment: &Path, name: &str) -> Option<Vec<String>> {
        let mut command = self.pip(&environment.join("bin/python"));
        command.args(["index", "versions", "--only-binary", ":all:"]).args(self.options).arg(name);
        let text = run(&mut command).ok()?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Available versions:"))?;
        Some(line.split(',').map(|version| version.trim().to_owned()).collect())
    }

    /// The command that installs into an environment, without what to install.
    fn installs(self, environment: &Path) -> Command {
        let python = environment.join("bin/python");
        match self.has_uv {
            true => with(Command::new("uv"), &["pip", "install", "--quiet", "--python"], &python),
            false => {
                let mut command = self.pip(&python);
                command.args(["install", "--quiet", "--no-warn-script-location"]);
                command
            }
        }
    }

    fn pip(self, python: &Path) -> Command {
        let mut command = Command::new(self.python);
        command
            .args(["-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--python"])
            .arg(python);
        command
    }
}

const WHEELS_ONLY: &[&str] = &["--no-deps", "--only-binary", ":all:"];

fn with(mut command: Command, arguments: &[&str], last: &Path) -> Command {
    command.args(arguments).arg(last);
    command
}

/// How a command ended.
struct Ended {
    is_success: bool,
    code: Option<i32>,
    output: String,
    said: String,
}

fn end(command: &mut Command, input: Option<&str>) -> Result<Ended, String> {
    let mut begin = || -> std::io::Result<std::process::Output> {
        let mut child = command
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = begin().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ended {
        is_success: output.status.success(),
        code: output.status.code(),
        output: text(&output.stdout),
        said: text(&output.stderr),
    })
}

/// Its standard output, or what it said instead.
fn run(command: &mut Command) -> Result<String, String> {
    let ended = end(command, None)?;
    if ended.is_success { Ok(ended.output) } else { Err(ended.said) }
}

fn found_nothing(seen: Seen) -> Result<Found, String> {
    match seen {
        Seen::NoneFits => Ok(Found::Nothing),
        Seen::NoProject => Ok(Found::NoProject),
        Seen::NoAnswer(why) => Err(why),
    }
}

fn not_understood() -> String {
    "the installer's answer was not understood".to_owned()
}

/// The version in `name==version`, as `uv pip compile` writes it.
fn pinned(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.starts_with(['#', '-', ' ']))?;
    let version = line.split_once("==")?.1;
    Some(version.split([' ', ';', '\\']).next()?.to_owned())
}

/// The version in pip's installation report.
fn reported(text: &str) -> Option<String> {
    let report: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(report.pointer("/install/0/metadata/version")?.as_str()?.to_owned())
}

fn one_line(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let error = lines.iter().find(|line| line.to_lowercase().contains("error")).or(lines.last());
    error.map_or_else(|| "the installer said nothing".to_owned(), |line| line.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_uv_and_pip_write_them() {
        assert_eq!(pinned("uvloop==0.22.1\n").as_deref(), Some("0.22.1"));
        assert_eq!(
            pinned("--index-url x\nuvloop==0.22.1 ; python_version >= '3'\n").as_deref(),
            Some("0.22.1")
        );
        let report = r#"{"version": "1", "install": [{"metadata": {"name": "a", "version": "2.0"}}]}"#;
        assert_eq!(reported(report).as_deref(), Some("2.0"));
        assert_eq!(reported("{}"), None);
    }
}
