//! The free-threaded build of a Python, where one is at hand, or uv can provide it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::installer::on_path;

/// Finds, or has uv provide, the free-threaded Python of this version.
pub(super) fn free_threaded((major, minor): (u8, u8)) -> Result<PathBuf, String> {
    let version = format!("{major}.{minor}t");
    if let Some(python) = on_path(&format!("python{version}")) {
        return Ok(python);
    }
    let from_uv = || uv(&["python", "find", "--quiet", "--no-project", "--no-python-downloads", &version]);
    let provided = || {
        uv(&["python", "install", "--quiet", &version])?;
        from_uv()
    };
    from_uv().or_else(provided).map(PathBuf::from).ok_or_else(|| {
        format!(
            "no Python {version} on PATH, and none that uv finds or provides\n\
             hint: name one: --free-threaded path/to/python{version}"
        )
    })
}

fn uv(arguments: &[&str]) -> Option<String> {
    let output = Command::new("uv").args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(text)
}
