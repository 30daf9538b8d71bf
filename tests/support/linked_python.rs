//! An installation of CPython that a test may change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies an installation of CPython, as links, with a folder for extension modules of its own.
pub(crate) fn linked_python(python: &Path) -> (tempfile::TempDir, PathBuf) {
    let copy = tempfile::Builder::new().prefix("python-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ask = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_path('stdlib'), sep='\\n')";
    let said = Command::new(python).args(["-I", "-c", ask]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let (prefix, library) = said.trim().split_once('\n').unwrap();
    let inside = Path::new(library).strip_prefix(prefix).unwrap();
    let target = copy.path().join(inside);
    for folder in
        [target.clone(), target.join("lib-dynload"), target.join("site-packages"), copy.path().join("bin")]
    {
        fs::create_dir_all(folder).unwrap();
    }
    for (from, to) in [
        (Path::new(library).to_owned(), target.clone()),
        (Path::new(library).join("lib-dynload"), target.join("lib-dynload")),
    ] {
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
            let to = to.join(entry.file_name());
            if !to.exists() {
                std::os::unix::fs::symlink(entry.path(), to).unwrap();
            }
        }
    }
    let name = inside.file_name().unwrap();
    let python = copy.path().join("bin").join(name);
    fs::copy(Path::new(prefix).join("bin").join(name), &python).unwrap();
    (copy, python)
}
