//! Finds the free-threaded build of a Python, or has uv install it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::platform::ProcessGroup;

/// Finds the free-threaded Python of this version on PATH or through uv; uv installs it if necessary.
pub(super) fn find_free_threaded_python((major, minor): (u8, u8)) -> Result<PathBuf, String> {
    let version = format!("{major}.{minor}t");
    if let Ok(python) = which::which_global(format!("python{version}")) {
        return Ok(python);
    }
    let from_uv =
        || run_uv(&["python", "find", "--quiet", "--no-project", "--no-python-downloads", &version]);
    let provided = || {
        run_uv(&["python", "install", "--quiet", &version])?;
        from_uv()
    };
    from_uv().or_else(provided).map(PathBuf::from).ok_or_else(|| {
        format!(
            "no Python {version} on PATH, and none that uv finds or provides\n\
             hint: name one: --free-threaded path/to/python{version}"
        )
    })
}

fn run_uv(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("uv");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let output = ProcessGroup::spawn(&mut command).and_then(|group| group.wait_with_output("")).ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(text)
}
