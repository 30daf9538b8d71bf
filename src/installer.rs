//! uv, or where that is not there pip: what asks an index and installs wheels. Its own settings and environment
//! variables are the user's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    /// Nothing that could be installed.
    Nothing,
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
        run(&mut command, None).map(drop)
    }

    /// Installs exactly these (`name==version`), from wheels, without what they need.
    pub fn install(self, environment: &Path, pins: &[String]) -> Result<(), String> {
        let python = environment.join("bin/python");
        let mut command = match self.has_uv {
            true => with(Command::new("uv"), &["pip", "install", "--quiet", "--python"], &python),
            false => {
                let mut command = self.pip(&python);
                command.args(["install", "--quiet", "--no-warn-script-location"]);
                command
            }
        };
        command.args(WHEELS_ONLY).args(self.options).args(pins);
        run(&mut command, None).map(drop)
    }

    /// The version that a requirement (`name` or `name==version`) comes to on this Python, from wheels.
    pub fn resolve(self, environment: &Path, requirement: &str) -> Found {
        let python = environment.join("bin/python");
        let answer = if self.has_uv {
            let mut command = with(
                Command::new("uv"),
                &["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python"],
                &python,
            );
            command.args(WHEELS_ONLY).args(self.options).arg("-");
            run(&mut command, Some(requirement)).map(|text| pinned(&text))
        } else {
            let mut command = self.pip(&python);
            command.args(["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]);
            command.args(WHEELS_ONLY).args(self.options).arg(requirement);
            run(&mut command, None).map(|text| reported(&text))
        };
        match answer {
            Ok(Some(version)) => Found::Version(version),
            Ok(None) => Found::NoAnswer("the installer's answer was not understood".to_owned()),
            Err(said) if is_no_such_wheel(&said) => Found::Nothing,
            Err(said) => Found::NoAnswer(one_line(&said)),
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
        run(&mut command, None).map(drop).map_err(|said| one_line(&said))
    }

    /// Every version that pip finds, the newest first; `None` where there is no pip to ask, or no answer.
    pub fn versions(self, environment: &Path, name: &str) -> Option<Vec<String>> {
        let mut command = self.pip(&environment.join("bin/python"));
        command.args(["index", "versions", "--only-binary", ":all:"]).args(self.options).arg(name);
        let text = run(&mut command, None).ok()?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Available versions:"))?;
        Some(line.split(',').map(|version| version.trim().to_owned()).collect())
    }

    fn pip(self, python: &Path) -> Command {
        let mut command = Command::new(self.python);
        command
            .args(["-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--python"])
            .arg(python);
        command
    }
}

/// A command on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// This program's folder in the user's cache.
///
/// # Errors
/// In words, where there is no such cache.
pub fn cache() -> Result<PathBuf, String> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Ok(cache.ok_or("there is no cache to use\nhint: set HOME or XDG_CACHE_HOME")?.join("wsgiaudit"))
}

const WHEELS_ONLY: &[&str] = &["--no-deps", "--only-binary", ":all:"];

fn with(mut command: Command, arguments: &[&str], last: &Path) -> Command {
    command.args(arguments).arg(last);
    command
}

/// Its standard output, or what it said instead.
fn run(command: &mut Command, input: Option<&str>) -> Result<String, String> {
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
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
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

/// Whether the installer says that there is none, and not that it could not find out. pip says the former after
/// the latter too.
fn is_no_such_wheel(said: &str) -> bool {
    const NO_ANSWER: &[&str] = &[
        "Retrying (",
        "Could not fetch URL",
        "NewConnectionError",
        "Failed to fetch",
        "Failed to query",
        "error sending request",
        "client error",
        "connectivity is disabled",
        "name resolution",
    ];
    const NONE: &[&str] = &["No matching distribution found", "No solution found"];
    NONE.iter().any(|words| said.contains(words)) && !NO_ANSWER.iter().any(|words| said.contains(words))
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
    fn what_cannot_be_asked_is_not_taken_for_what_is_not_there() {
        let none = "ERROR: No matching distribution found for uvloop==0.1";
        assert!(is_no_such_wheel(none));
        assert!(!is_no_such_wheel(&format!("WARNING: Retrying (Retry(total=4, ...)) ...\n{none}")));
        assert!(!is_no_such_wheel("error: Failed to fetch: `.../simple/uvloop/`"));
    }

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
