//! Whether somebody else could have written what lies in a folder.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::{getegid, geteuid};

const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_OTHERS: u32 = 0o002;
/// In a folder with this bit, only the owner of an entry can rename or remove it.
const STICKY: u32 = 0o1000;

/// Returns why other users than this one and root could change what lies in a folder: it belongs to somebody
/// else, others may write to it, or they may replace a folder above it. A folder that does not exist yet is
/// judged by those above it.
pub fn find_foreign_access(folder: &Path) -> Option<String> {
    let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok())?;
    let real = match there.canonicalize() {
        Ok(real) => real,
        Err(error) => return Some(format!("{}: {error}", there.display())),
    };
    real.ancestors().enumerate().find_map(|(level, path)| {
        let is_folder_itself = level == 0 && there == folder;
        let why = match path.metadata() {
            Ok(found) => find_access(&found, is_folder_itself)?,
            Err(error) => error.to_string(),
        };
        Some(format!("{}: {why}", path.display()))
    })
}

fn find_access(found: &Metadata, is_folder_itself: bool) -> Option<String> {
    let (mode, owner) = (found.permissions().mode(), found.uid());
    let own = geteuid().as_raw();
    let is_shielded = !is_folder_itself && mode & STICKY != 0;
    // Many systems give each user a group of their own, and let it write.
    let is_own_group = !is_folder_itself && [0, getegid().as_raw()].contains(&found.gid());
    if owner != own && (owner != 0 || is_folder_itself) {
        Some(format!("it belongs to user {owner}, not to {own}"))
    } else if mode & WRITABLE_BY_OTHERS != 0 && !is_shielded {
        Some("everybody can write to it".to_owned())
    } else if mode & WRITABLE_BY_GROUP != 0 && !is_shielded && !is_own_group {
        Some(format!("the group {} can write to it", found.gid()))
    } else {
        None
    }
}

/// Whether a file belongs to this user.
pub fn is_own(found: &Metadata) -> bool {
    found.uid() == geteuid().as_raw()
}

/// Creates a folder, and those above it, for this user alone.
///
/// # Errors
/// When it cannot be created.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn who_else_can_write_is_found() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("cache/wsgiaudit");
        create_private_folder(&folder).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(find_foreign_access(&folder), None);
        assert_eq!(find_foreign_access(&folder.join("deep/new")), None);
        for (path, mode, expected) in [
            (&folder, 0o755, None),
            (&folder, 0o777, Some("everybody can write to it")),
            (&folder, 0o1777, Some("everybody can write to it")),
            (&folder, 0o770, Some("can write to it")),
            (&folder, 0o700, None),
            (&around.path().join("cache"), 0o777, Some("everybody can write to it")),
            (&around.path().join("cache"), 0o1777, None),
            (&around.path().join("cache"), 0o700, None),
        ] {
            set(path, mode);
            let found = find_foreign_access(&folder);
            assert_eq!(found.is_some(), expected.is_some(), "{} {mode:o}: {found:?}", path.display());
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }
}
