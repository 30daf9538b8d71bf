//! Where the dynamic linker looks for a library. See `ld.so(8)`.

use std::path::{Component, Path, PathBuf};

use super::elf::ElfNames;

/// The index of the libraries in the folders of `/etc/ld.so.conf`, which `ldconfig` writes.
const SYSTEM_CACHE: &str = "/etc/ld.so.cache";

/// The libraries of the system.
pub(super) struct SystemLibraries {
    folders: Vec<PathBuf>,
    cache: Vec<u8>,
}

impl SystemLibraries {
    /// Those of the linker's default folders, with the subfolders of Debian's architectures, and of its cache.
    pub(super) fn find() -> Self {
        let plain = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"].map(PathBuf::from);
        let of_architectures = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let of_architectures = of_architectures
            .filter(|entry| entry.file_name().to_string_lossy().contains("-linux-"))
            .map(|entry| entry.path());
        let folders = plain.into_iter().chain(of_architectures).collect();
        Self { folders, cache: std::fs::read(SYSTEM_CACHE).unwrap_or_default() }
    }

    /// Whether the linker finds a library of this name without any search path.
    pub(super) fn has_library(&self, name: &str) -> bool {
        let is_in_folder = self.folders.iter().any(|folder| folder.join(name).exists());
        // The cache holds names and paths as strings that end with NUL.
        is_in_folder || memchr::memmem::find(&self.cache, format!("\0{name}\0").as_bytes()).is_some()
    }

    /// Whether a folder is one of the system.
    pub(super) fn has_folder(&self, folder: &Path) -> bool {
        self.folders.iter().any(|other| other == folder)
    }
}

/// The entries of the search path that the linker uses for a shared object: those of `DT_RUNPATH`, else those of
/// `DT_RPATH`.
pub(super) fn search_entries(names: &ElfNames) -> &[String] {
    if names.run_path.is_empty() { &names.rpath } else { &names.run_path }
}

/// Returns the folder that an entry of a search path means for an object in `folder`, with links resolved.
///
/// `None` for entries with other variables (`$LIB`, `$PLATFORM`), which no wheel uses, and for empty ones, which
/// mean the current folder.
pub(super) fn resolve_entry(entry: &str, folder: &Path) -> Option<PathBuf> {
    let path = expand_entry(entry, folder)?;
    Some(path.canonicalize().unwrap_or_else(|_| normalize(&path)))
}

/// As [`resolve_entry`], with links unresolved.
pub(super) fn expand_entry(entry: &str, folder: &Path) -> Option<PathBuf> {
    let origin = folder.to_str()?;
    let expanded = PathBuf::from(entry.replace("${ORIGIN}", origin).replace("$ORIGIN", origin));
    let has_variable = expanded.to_str().is_none_or(|path| path.contains('$'));
    (expanded.is_absolute() && !has_variable).then_some(expanded)
}

/// Removes `.` and `..` from a path without looking at the file system.
pub(super) fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    normal
}

/// The path in a tree for an absolute one.
pub(super) fn path_in_tree(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

/// Returns the path from a folder to a file, both absolute and normalized.
pub(super) fn relative_path(folder: &Path, file: &Path) -> PathBuf {
    let common = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Path::new(".."));
    let down = file.components().skip(common).map(|part| Path::new(part.as_os_str()));
    up.chain(down).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_between_folders() {
        for (folder, file, expected) in
            [("/a", "/a/x", "x"), ("/a/b", "/a/c/x", "../c/x"), ("/", "/a/x", "a/x"), ("/a", "/x", "../x")]
        {
            assert_eq!(relative_path(Path::new(folder), Path::new(file)), Path::new(expected));
        }
    }

    #[test]
    fn entries_of_search_paths() {
        let resolve = |entry| resolve_entry(entry, Path::new("/no/such/pkg"));
        assert_eq!(resolve("$ORIGIN/../pkg.libs"), Some("/no/such/pkg.libs".into()));
        assert_eq!(resolve("${ORIGIN}/."), Some("/no/such/pkg".into()));
        assert_eq!(resolve("/no/where/../else"), Some("/no/else".into()));
        assert_eq!((resolve("$LIB/x"), resolve(""), resolve("relative")), (None, None, None));
    }

    #[test]
    fn the_c_library_is_one_of_the_system() {
        let system = SystemLibraries::find();
        assert!(system.has_library("libc.so.6") || system.has_library("libc.so"));
        assert!(!system.has_library("libno-such-library.so.1"));
    }
}
