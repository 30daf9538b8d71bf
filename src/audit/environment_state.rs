//! The state of an environment's folders, to see that an audit leaves it as it was.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// Maximum number of files and folders that are compared.
const MAX_ENTRIES: usize = 200_000;

/// Number of changed paths that the message names.
const MAX_NAMED: usize = 3;

/// Permissions, owner, group and content of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EntryState {
    mode: u32,
    owner: (u32, u32),
    /// Size and time of modification; `None` for a folder, whose entries are compared.
    content: Option<(u64, i64, i64)>,
}

/// What some folders hold. Not the time of the last change of a file's metadata: installers share files between
/// environments by hard links, whose number is part of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EnvironmentState(BTreeMap<PathBuf, EntryState>);

impl EnvironmentState {
    /// Reads the state of everything below these folders.
    pub(super) fn read<'p>(folders: impl Iterator<Item = &'p Path>) -> Self {
        // Any Python that uses the environment writes there.
        let is_kept = |entry: &DirEntry| entry.file_name() != "__pycache__";
        let walk = |folder: &'p Path| WalkDir::new(folder).into_iter().filter_entry(is_kept).flatten();
        let states = folders.flat_map(walk).take(MAX_ENTRIES).filter_map(|entry| {
            let found = entry.metadata().ok()?;
            let state = EntryState {
                mode: found.mode(),
                owner: (found.uid(), found.gid()),
                content: (!found.is_dir()).then(|| (found.len(), found.mtime(), found.mtime_nsec())),
            };
            Some((entry.into_path(), state))
        });
        Self(states.collect())
    }

    /// Says what is different now; `None` if nothing is.
    pub(super) fn describe_changes(&self, now: &Self) -> Option<String> {
        let missing = self.0.keys().filter(|path| !now.0.contains_key(*path));
        let other =
            now.0.iter().filter(|(path, state)| self.0.get(*path) != Some(*state)).map(|(path, _)| path);
        let mut changed: Vec<&PathBuf> = missing.chain(other).collect();
        changed.sort();
        let named: Vec<String> =
            changed.iter().take(MAX_NAMED).map(|path| path.display().to_string()).collect();
        let more = if changed.len() > MAX_NAMED {
            format!(" and {} more", changed.len() - MAX_NAMED)
        } else {
            String::new()
        };
        (!changed.is_empty())
            .then(|| format!("the environment changed while it was audited: {}{more}", named.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::EnvironmentState;

    #[test]
    fn changes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let read = || EnvironmentState::read(std::iter::once(folder.path()));
        for name in ["a", "b", "c", "d"] {
            fs::write(path(name), name).unwrap();
        }
        let before = read();
        assert_eq!(before.describe_changes(&read()), None);
        fs::set_permissions(path("b"), Permissions::from_mode(0o000)).unwrap();
        let said = before.describe_changes(&read()).unwrap();
        assert!(said.ends_with(&format!(": {}", path("b").display())), "{said}");
        for name in ["a", "c", "d"] {
            fs::remove_file(path(name)).unwrap();
        }
        let said = before.describe_changes(&read()).unwrap();
        assert!(said.contains(" and 1 more"), "{said}");
    }
}
