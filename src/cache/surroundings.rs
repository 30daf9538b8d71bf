//! What every trial depends on, whatever it imports: the system, the python, and what its environment does at start.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{content, memory, metadata};
use crate::digest;

/// The lists of what the system's package managers have installed, and what the dynamic linker finds.
const SYSTEM: [&str; 6] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed",
];

/// Variables that trials are given.
const VARIABLES: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// The system: its kernel, its processor, its packages.
pub fn of_system() -> String {
    let system = rustix::system::uname();
    let mut text = format!("{system:?}\n");
    for file in SYSTEM {
        text += &format!("{file} {}\n", state(Path::new(file)));
    }
    for name in VARIABLES {
        text += &format!("{name} {:?}\n", std::env::var_os(name));
    }
    // What libraries choose their code by (proc(5)).
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = processor.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"));
    digest::of_text(&(text + flags.unwrap_or_default()))
}

/// A python and its standard library, which lie below this prefix.
pub(super) fn of_python(executable: &Path, prefix: Option<&Path>) -> String {
    let mut text = state(executable);
    for folder in prefix.into_iter().flat_map(|prefix| [prefix.join("lib"), prefix.join("lib64")]) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let names = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("python"));
        for path in names.map(|entry| entry.path()).collect::<BTreeSet<_>>() {
            let is_own = |name: &str| name != "__pycache__" && !name.ends_with("-packages") && name != "test";
            let walk = WalkDir::new(path).max_depth(8).sort_by_file_name().into_iter();
            let walk =
                walk.filter_entry(|found| found.depth() == 0 || is_own(&found.file_name().to_string_lossy()));
            for found in walk.flatten().filter(|found| !found.file_type().is_dir()) {
                text += &format!("{} {}\n", found.path().display(), state(found.path()));
            }
        }
    }
    digest::of_text(&text)
}

/// What a folder has an interpreter do as it starts: its `.pth` files, which `site` runs.
pub(super) fn at_start(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    let files = entries.flatten().map(|entry| entry.path());
    let files: BTreeSet<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "pth")).collect();
    let digests = files.iter().map(|path| format!("{} {:?}\n", path.display(), digest::of_file(path).ok()));
    digests.collect()
}

/// The names in a folder, without versions: an upgrade leaves them, an installation does not.
pub(super) fn names_in(folder: &Path) -> String {
    let plain = |name: OsString| metadata::without_version(&name).map_or(name, OsString::from);
    content::names(folder, plain).unwrap_or_else(|| "absent".to_owned())
}

/// What tells that a file has changed.
fn state(path: &Path) -> String {
    fs::metadata(path).map_or_else(|_| "absent".to_owned(), |metadata| memory::state(&metadata))
}
