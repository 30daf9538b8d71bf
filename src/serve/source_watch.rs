//! Watches the sources of the application, for `--reload`: polls them, since that works with every editor and every file
//! system.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How often the sources are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long nothing may change before changes are passed on: a checkout changes many files, one after the other.
const SETTLE: Duration = Duration::from_millis(300);

/// Number of changed files that a message names.
const MOST_NAMED: usize = 3;

/// What changes when a file is written, or replaced by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    modified: SystemTime,
    size: u64,
    inode: u64,
}

impl FileStamp {
    /// Reads it; `None` if there is no such file.
    fn read(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { modified: found.modified().ok()?, size: found.len(), inode: found.ino() })
    }
}

/// The files and folders that are watched, and what has changed.
#[derive(Debug)]
pub(super) struct SourceWatch {
    files: BTreeMap<PathBuf, Option<FileStamp>>,
    /// Folders with the modules in them: what could not be imported may appear there.
    folders: BTreeMap<PathBuf, BTreeSet<OsString>>,
    changed: BTreeSet<PathBuf>,
    /// When to look again.
    pub(super) next_poll: Instant,
}

impl SourceWatch {
    /// Begins to watch these files, and the modules in these folders.
    pub(super) fn new(files: &[PathBuf], folders: &[PathBuf]) -> Self {
        let mut watch = Self {
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            changed: BTreeSet::new(),
            next_poll: Instant::now() + INTERVAL,
        };
        folders.iter().for_each(|folder| watch.add_folder(folder));
        for file in files {
            watch.files.insert(file.clone(), FileStamp::read(file));
        }
        watch
    }

    /// Adds what a process that started then has loaded.
    pub(super) fn add_files(&mut self, paths: Vec<String>, started: SystemTime) {
        for path in paths.into_iter().map(PathBuf::from) {
            if self.files.contains_key(&path) {
                continue;
            }
            let stamp = FileStamp::read(&path);
            let now = SystemTime::now();
            // It was modified after the process had started, which may have loaded the version before. `poll` finds all
            // later changes. A time in the future says nothing.
            if stamp.is_some_and(|stamp| stamp.modified > started && stamp.modified <= now) {
                self.note_change(path.clone());
            }
            let is_installed = path.iter().any(|part| part == "site-packages" || part == "dist-packages");
            if let Some(folder) = path.parent().filter(|_| !is_installed) {
                self.add_folder(folder);
            }
            self.files.insert(path, stamp);
        }
    }

    fn add_folder(&mut self, folder: &Path) {
        if !self.folders.contains_key(folder) {
            self.folders.insert(folder.to_owned(), list_modules(folder));
        }
    }

    fn note_change(&mut self, path: PathBuf) {
        self.changed.insert(path);
        self.next_poll = Instant::now() + SETTLE;
    }

    /// Looks at everything if it is time. Returns whether something has changed, and nothing has since.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        if now < self.next_poll {
            return false;
        }
        let mut found = Vec::new();
        for (path, stamp) in &mut self.files {
            let present = FileStamp::read(path);
            if present != *stamp {
                *stamp = present;
                found.push(path.clone());
            }
        }
        for (folder, modules) in &mut self.folders {
            let present = list_modules(folder);
            found.extend(modules.symmetric_difference(&present).map(|name| folder.join(name)));
            *modules = present;
        }
        let has_settled = found.is_empty() && !self.changed.is_empty();
        self.next_poll = Instant::now() + if found.is_empty() { INTERVAL } else { SETTLE };
        self.changed.extend(found);
        has_settled
    }

    /// Takes what has changed, described for the log.
    pub(super) fn take_changes(&mut self) -> String {
        let changed = std::mem::take(&mut self.changed);
        let named: Vec<String> =
            changed.iter().take(MOST_NAMED).map(|path| path.display().to_string()).collect();
        match changed.len().saturating_sub(MOST_NAMED) {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }
}

/// Lists the modules in a folder: Python files, and folders that are packages.
fn list_modules(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_module = |entry: &fs::DirEntry| {
        let (name, path) = (entry.file_name(), entry.path());
        // Editors have files with such names beside the one that is written.
        let is_hidden = name.to_string_lossy().starts_with(['.', '#']);
        !is_hidden
            && (path.extension().is_some_and(|extension| extension == "py")
                || path.join("__init__.py").exists())
    };
    entries.filter(is_module).map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks as if it were time.
    fn poll(watch: &mut SourceWatch) -> bool {
        let now = watch.next_poll;
        watch.poll(now)
    }

    #[test]
    fn changes_are_passed_on_once_nothing_changes_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
        write("a.py", "1");
        write("settings", "1");
        let mut watch = SourceWatch::new(&[path("settings")], &[folder.path().to_owned()]);
        watch.add_files(vec![path("a.py").to_string_lossy().into_owned()], SystemTime::now());
        watch.take_changes();
        assert!(!watch.poll(Instant::now()), "it is not time");
        assert!(!poll(&mut watch));
        // In place, as some editors do.
        write("a.py", "22");
        assert!(!poll(&mut watch));
        // By another file, as others do.
        write(".a.py.new", "3");
        fs::rename(path(".a.py.new"), path("settings")).unwrap();
        assert!(!poll(&mut watch));
        assert!(poll(&mut watch));
        let said = watch.take_changes();
        assert_eq!(said, format!("{}, {}", path("a.py").display(), path("settings").display()));
        assert!(!poll(&mut watch));
    }

    #[test]
    fn modules_that_appear_and_go_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut watch = SourceWatch::new(&[], &[folder.path().to_owned()]);
        for name in ["notes.txt", ".hidden.py", "#a.py#"] {
            fs::write(path(name), "").unwrap();
        }
        fs::create_dir(path("uploads")).unwrap();
        assert!(!poll(&mut watch) && watch.changed.is_empty());
        fs::create_dir(path("package")).unwrap();
        for name in ["package/__init__.py", "b.py", "c.py", "d.py", "e.py"] {
            fs::write(path(name), "").unwrap();
        }
        assert!(!poll(&mut watch) && poll(&mut watch));
        let said = watch.take_changes();
        assert!(said.contains("/b.py, ") && said.ends_with("/d.py and 2 more"), "{said}");
        fs::remove_file(path("b.py")).unwrap();
        assert!(!poll(&mut watch) && poll(&mut watch));
        assert!(watch.take_changes().ends_with("/b.py"));
    }

    #[test]
    fn a_source_that_changed_while_a_process_started_is_a_change_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        let started = SystemTime::now() - Duration::from_secs(5);
        fs::write(&path, "").unwrap();
        let name = path.to_string_lossy().into_owned();
        let mut watch = SourceWatch::new(&[], &[]);
        watch.add_files(vec![name.clone()], started);
        assert!(poll(&mut watch));
        watch.take_changes();
        watch.add_files(vec![name], started);
        assert!(!poll(&mut watch) && !poll(&mut watch));
    }
}
