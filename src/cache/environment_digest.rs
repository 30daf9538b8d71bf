//! Digests of what every trial depends on: the system, the Python, and what its environment runs at startup.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::file_cache::ABSENT;
use super::{content, dist_info_paths, file_cache};
use crate::digest;
use crate::platform::{describe_processor, inherited_variables};

/// Databases of the system's package managers, and configuration of the dynamic linker.
const SYSTEM_FILES: [&str; 6] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed",
];

/// Digest of the system: kernel, processor and installed packages.
pub fn digest_of_system() -> String {
    let system = rustix::system::uname();
    let mut text = format!("{system:?}\n");
    for file in SYSTEM_FILES {
        text += &format!("{file} {}\n", state_of_path(Path::new(file)));
    }
    for (name, value) in inherited_variables() {
        text += &format!("{name} {value:?}\n");
    }
    // Libraries choose code by the processor's features.
    digest::of_text(&(text + &describe_processor()))
}

/// Digest of a Python and its standard library, which is below this prefix.
pub(super) fn digest_of_python(executable: &Path, prefix: Option<&Path>) -> String {
    let mut text = state_of_path(executable);
    for folder in prefix.into_iter().flat_map(|prefix| [prefix.join("lib"), prefix.join("lib64")]) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let names = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("python"));
        for path in names.map(|entry| entry.path()).collect::<BTreeSet<_>>() {
            let is_own = |name: &str| name != "__pycache__" && !name.ends_with("-packages") && name != "test";
            let walk = WalkDir::new(path).max_depth(8).sort_by_file_name().into_iter();
            let walk =
                walk.filter_entry(|found| found.depth() == 0 || is_own(&found.file_name().to_string_lossy()));
            for found in walk.flatten().filter(|found| !found.file_type().is_dir()) {
                text += &format!("{} {}\n", found.path().display(), state_of_path(found.path()));
            }
        }
    }
    digest::of_text(&text)
}

/// Lists a folder's `.pth` files with their digests. `site` runs them at startup.
pub(super) fn describe_pth_files(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    let files = entries.flatten().map(|entry| entry.path());
    let files: BTreeSet<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "pth")).collect();
    let digests = files.iter().map(|path| format!("{} {:?}\n", path.display(), digest::of_file(path).ok()));
    digests.collect()
}

/// Digest of the names in a folder, without versions. It changes with an installation, but not with an
/// upgrade.
pub(super) fn digest_of_folder_names(folder: &Path) -> String {
    let plain = |name: OsString| dist_info_paths::strip_version(&name).map_or(name, OsString::from);
    content::digest_of_entry_names(folder, plain).unwrap_or_else(|| ABSENT.to_owned())
}

/// A string that differs if the file was changed.
fn state_of_path(path: &Path) -> String {
    fs::metadata(path).map_or_else(|_| ABSENT.to_owned(), |metadata| file_cache::state_of_metadata(&metadata))
}
