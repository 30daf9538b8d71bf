//! Commands of uv and pip.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::index_evidence::{self, IndexEvidence};
use crate::platform::{ProcessGroup, TemporaryFolder};
use crate::regular_file;

/// Size limit of the file in which `pip.py` records what the index answered.
const MAX_RECORD_SIZE: u64 = 64 << 20;

/// uv or pip, with the options passed to it.
#[derive(Clone, Copy, Debug)]
pub struct Installer<'a> {
    /// Whether to use uv.
    pub has_uv: bool,
    /// The base interpreter, which runs pip.
    pub python: &'a Path,
    /// Options such as `--index-url`, which uv and pip share.
    pub options: &'a [String],
}

/// What the index has for a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The requirement resolves to this version.
    Version(String),
    /// The index lists files, but none of them fits.
    Nothing,
    /// The project does not exist: every index answered, and none lists a file of it.
    NoProject,
    /// The index gave no answer; the reason.
    NoAnswer(String),
}

impl Installer<'_> {
    /// Creates an empty virtualenv.
    pub fn create_virtualenv(self, folder: &Path) -> Result<(), String> {
        let mut command = match self.has_uv {
            true => with_arguments(Command::new("uv"), &["venv", "--quiet", "--python"], self.python),
            false => {
                with_arguments(Command::new(self.python), &["-I", "-m", "venv", "--without-pip"], folder)
            }
        };
        if self.has_uv {
            command.arg(folder);
        }
        run_checked(&mut command).map(drop)
    }

    /// Installs exactly these pins (`name==version`) from wheels, without dependencies.
    pub fn install(self, environment: &Path, pins: &[String]) -> Result<(), String> {
        let mut command = self.install_command(environment);
        command.args(WHEELS_ONLY).args(self.options).args(pins);
        run_checked(&mut command).map(drop)
    }

    /// Installs these requirements and their dependencies from wheels.
    pub fn install_with_dependencies(
        self,
        environment: &Path,
        requirements: &[String],
    ) -> Result<(), String> {
        let mut command = self.install_command(environment);
        command.args(["--only-binary", ":all:"]).args(self.options).arg("--").args(requirements);
        run_checked(&mut command).map(drop).map_err(|said| summarize_error(&said))
    }

    /// Resolves a requirement (`name` or `name==version`) to the version that this Python would install from
    /// a wheel.
    pub fn resolve_version(self, environment: &Path, requirement: &str) -> Resolution {
        let python = environment.join("bin/python");
        let found = match self.has_uv {
            true => self.resolve_with_uv(&python, requirement),
            false => self.resolve_with_pip(&python, requirement),
        };
        found.unwrap_or_else(Resolution::NoAnswer)
    }

    /// Resolves with `uv pip compile`. If that finds nothing, repeats it with an empty cache and a log as
    /// evidence.
    fn resolve_with_uv(self, python: &Path, requirement: &str) -> Result<Resolution, String> {
        let compile = || {
            let arguments = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python"];
            let mut command = with_arguments(Command::new("uv"), &arguments, python);
            command.args(WHEELS_ONLY).args(self.options).arg("-");
            command
        };
        let ended = run_command(&mut compile(), Some(requirement))?;
        if ended.is_success {
            return parse_pinned_version(&ended.output)
                .map(Resolution::Version)
                .ok_or_else(unparsed_answer_message);
        }
        // uv exits with 1 if nothing fits, and with another status on other errors.
        if ended.code != Some(1) {
            return Err(summarize_error(&ended.said));
        }
        let scratch = TemporaryFolder::new().map_err(|error| error.to_string())?;
        let mut again = compile();
        again.arg("--cache-dir").arg(scratch.path()).env("RUST_LOG", "uv_client=trace");
        let ended = run_command(&mut again, Some(requirement))?;
        match ended.code {
            Some(1) => {
                to_resolution(index_evidence::evidence_from_uv(scratch.path(), &ended.said, self.options))
            }
            Some(_) | None => Err("uv got a different answer when it asked again".to_owned()),
        }
    }

    /// Resolves with `pip install --dry-run`, which `pip.py` runs and records.
    fn resolve_with_pip(self, python: &Path, requirement: &str) -> Result<Resolution, String> {
        let broken = |error: std::io::Error| error.to_string();
        let scratch = TemporaryFolder::new().map_err(broken)?;
        let (script, record) = (scratch.path().join("pip.py"), scratch.path().join("record.json"));
        fs::write(&script, include_str!("pip.py")).map_err(broken)?;
        let mut command = Command::new(self.python);
        command.arg("-I").args([&script, python, &record]);
        command.args(["--disable-pip-version-check", "--no-input"]);
        command.args(["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]);
        command.args(WHEELS_ONLY).args(self.options).arg(requirement);
        let ended = run_command(&mut command, None)?;
        if ended.is_success {
            return parse_reported_version(&ended.output)
                .map(Resolution::Version)
                .ok_or_else(unparsed_answer_message);
        }
        match regular_file::read_text(&record, MAX_RECORD_SIZE) {
            Ok(record) => to_resolution(index_evidence::evidence_from_pip(&record, self.options)),
            Err(_) => Err(summarize_error(&ended.said)),
        }
    }

    /// Fetches the wheel of a requirement into a folder. uv unpacks it, pip does not.
    pub fn fetch_wheel(self, environment: &Path, requirement: &str, folder: &Path) -> Result<(), String> {
        let python = environment.join("bin/python");
        let mut command = match self.has_uv {
            true => {
                let mut command =
                    with_arguments(Command::new("uv"), &["pip", "install", "--quiet", "--python"], &python);
                command.arg("--target");
                command
            }
            false => {
                let mut command = self.pip_command(&python);
                command.args(["download", "--quiet", "--dest"]);
                command
            }
        };
        command.arg(folder).args(WHEELS_ONLY).args(self.options).arg(requirement);
        run_checked(&mut command).map(drop).map_err(|said| summarize_error(&said))
    }

    /// All versions that pip finds, newest first; `None` if pip is missing or the query failed.
    pub fn list_versions(self, environment: &Path, name: &str) -> Option<Vec<String>> {
        let mut command = self.pip_command(&environment.join("bin/python"));
        command.args(["index", "versions", "--only-binary", ":all:"]).args(self.options).arg(name);
        let text = run_checked(&mut command).ok()?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Available versions:"))?;
        Some(line.split(',').map(|version| version.trim().to_owned()).collect())
    }

    /// The command to install into an environment, without requirements.
    fn install_command(self, environment: &Path) -> Command {
        let python = environment.join("bin/python");
        match self.has_uv {
            true => with_arguments(Command::new("uv"), &["pip", "install", "--quiet", "--python"], &python),
            false => {
                let mut command = self.pip_command(&python);
                command.args(["install", "--quiet", "--no-warn-script-location"]);
                command
            }
        }
    }

    fn pip_command(self, python: &Path) -> Command {
        let mut command = Command::new(self.python);
        command
            .args(["-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--python"])
            .arg(python);
        command
    }
}

const WHEELS_ONLY: &[&str] = &["--no-deps", "--only-binary", ":all:"];

fn with_arguments(mut command: Command, arguments: &[&str], last: &Path) -> Command {
    command.args(arguments).arg(last);
    command
}

/// Result of a command.
struct CommandOutput {
    is_success: bool,
    code: Option<i32>,
    output: String,
    said: String,
}

/// Runs a command with this standard input.
fn run_command(command: &mut Command, input: Option<&str>) -> Result<CommandOutput, String> {
    command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output =
        ProcessGroup::spawn(command).and_then(|group| group.wait_with_output(input.unwrap_or_default()));
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(CommandOutput {
        is_success: output.status.success(),
        code: output.status.code(),
        output: text(&output.stdout),
        said: text(&output.stderr),
    })
}

/// Returns the standard output of a successful command, or the standard error of a failed one.
fn run_checked(command: &mut Command) -> Result<String, String> {
    let ended = run_command(command, None)?;
    if ended.is_success { Ok(ended.output) } else { Err(ended.said) }
}

fn to_resolution(seen: IndexEvidence) -> Result<Resolution, String> {
    match seen {
        IndexEvidence::NoneFits => Ok(Resolution::Nothing),
        IndexEvidence::NoProject => Ok(Resolution::NoProject),
        IndexEvidence::NoAnswer(why) => Err(why),
    }
}

fn unparsed_answer_message() -> String {
    "the installer's output could not be parsed".to_owned()
}

/// Parses the version in `name==version`, as `uv pip compile` prints it.
fn parse_pinned_version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.starts_with(['#', '-', ' ']))?;
    let version = line.split_once("==")?.1;
    Some(version.split([' ', ';', '\\']).next()?.to_owned())
}

/// Parses the version in pip's installation report.
fn parse_reported_version(text: &str) -> Option<String> {
    let report: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(report.pointer("/install/0/metadata/version")?.as_str()?.to_owned())
}

/// The first line that contains "error", else the last line.
fn summarize_error(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let error = lines.iter().find(|line| line.to_lowercase().contains("error")).or(lines.last());
    error.map_or_else(
        || "the installer printed no error message".to_owned(),
        |line| line.chars().take(200).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_uv_and_pip_write_them() {
        assert_eq!(parse_pinned_version("uvloop==0.22.1\n").as_deref(), Some("0.22.1"));
        assert_eq!(
            parse_pinned_version("--index-url x\nuvloop==0.22.1 ; python_version >= '3'\n").as_deref(),
            Some("0.22.1")
        );
        let report = r#"{"version": "1", "install": [{"metadata": {"name": "a", "version": "2.0"}}]}"#;
        assert_eq!(parse_reported_version(report).as_deref(), Some("2.0"));
        assert_eq!(parse_reported_version("{}"), None);
    }
}
