//! Removes folders that trials have filled.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, IFlags, Mode, OFlags, chmodat, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Limit of names tried for a folder that is moved up, of which a trial may have taken some.
const MAX_NAMES: u64 = 1_000_000;

/// Removes a folder with all its content, whatever its permissions and its depth are.
///
/// [`std::fs::remove_dir_all`] calls itself for each level, and some ten thousand levels overflow the stack.
/// Here, what a subfolder holds is moved up to the folder itself: no more than two levels are open at a time,
/// and no path gets long.
///
/// # Errors
/// When something cannot be removed. The rest is gone then.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    if !folder.symlink_metadata()?.is_dir() {
        return Err(io::Error::other("it is not a folder"));
    }
    let top = open_folder(CWD, folder)?;
    let mut removal = FolderRemoval { waiting: list_names(&top)?, top: top.as_fd(), number: 0 };
    let mut failed = None;
    while let Some(name) = removal.waiting.pop() {
        if let Err(error) = removal.remove_entry(&name) {
            failed = Some(error);
        }
    }
    match failed {
        None => std::fs::remove_dir(folder),
        Some(error) => Err(error.into()),
    }
}

struct FolderRemoval<'f> {
    top: BorrowedFd<'f>,
    /// Names in the folder that are still to be removed.
    waiting: Vec<CString>,
    /// Number of the next folder that is moved up.
    number: u64,
}

impl FolderRemoval<'_> {
    fn remove_entry(&mut self, name: &CString) -> Result<(), Errno> {
        if remove_simple(self.top, name) {
            return Ok(());
        }
        let folder = open_folder(self.top, name)?;
        for inner in list_names(&folder)? {
            if !remove_simple(folder.as_fd(), &inner) {
                self.move_up(folder.as_fd(), &inner)?;
            }
        }
        unlinkat(self.top, name, AtFlags::REMOVEDIR)
    }

    /// Moves a folder to the top, where its content is removed later.
    fn move_up(&mut self, from: BorrowedFd<'_>, name: &CString) -> Result<(), Errno> {
        // The system wants write permission for a folder that is moved.
        drop(open_folder(from, name)?);
        while self.number < MAX_NAMES {
            self.number += 1;
            let Ok(target) = CString::new(format!(".removed-{}", self.number)) else { break };
            match renameat(from, name, self.top, &target) {
                Ok(()) => {
                    self.waiting.push(target);
                    return Ok(());
                }
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::MLINK)
    }
}

/// Removes a file, a link or an empty folder. Returns whether it is gone.
fn remove_simple(folder: BorrowedFd<'_>, name: &CString) -> bool {
    let remove = || match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => unlinkat(folder, name, AtFlags::REMOVEDIR),
        result => result,
    };
    match remove() {
        Ok(()) | Err(Errno::NOENT) => true,
        Err(Errno::PERM) => {
            // It or its folder may be immutable.
            clear_flags(folder);
            let flags =
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            if let Ok(file) = openat(folder, name, flags, Mode::empty()) {
                clear_flags(file.as_fd());
            }
            remove().is_ok()
        }
        Err(_) => false,
    }
}

/// Clears the flags that `chattr +i` and `chattr +a` set, where the file system has them.
fn clear_flags(file: BorrowedFd<'_>) {
    if let Ok(flags) = rustix::fs::ioctl_getflags(file) {
        let kept = flags - IFlags::IMMUTABLE - IFlags::APPEND;
        if kept != flags {
            let _not_allowed = rustix::fs::ioctl_setflags(file, kept);
        }
    }
}

/// Opens a folder, with all permissions for its owner. Does not follow a link.
fn open_folder(at: impl AsFd, name: impl rustix::path::Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Permissions are changed by this descriptor: the name may be a link by then.
    let handle = openat(at.as_fd(), name, flags | OFlags::PATH, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let _other_owner = chmodat(CWD, path.as_str(), Mode::RWXU, AtFlags::empty());
    openat(at.as_fd(), name, flags | OFlags::RDONLY, Mode::empty())
}

fn list_names(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if ![&b"."[..], b".."].contains(&name.as_bytes()) {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn whatever_a_folder_holds_is_removed() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("folder");
        for name in ["a/b/c", "a/closed/d", ".removed-1/x", "empty"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in ["file", "a/file", "a/b/c/file", "a/closed/d/file", ".removed-2"] {
            fs::write(folder.join(name), "").unwrap();
        }
        fs::write(around.path().join("other"), "kept").unwrap();
        symlink("../other", folder.join("link")).unwrap();
        symlink("..", folder.join("a/up")).unwrap();
        fs::set_permissions(folder.join("a/closed"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
        remove_folder(&folder).unwrap();
        assert!(!folder.exists());
        assert_eq!(fs::read_to_string(around.path().join("other")).unwrap(), "kept");
        assert!(remove_folder(&folder).is_err());
        symlink(around.path(), &folder).unwrap();
        assert!(remove_folder(&folder).is_err());
        assert!(around.path().join("other").exists());
    }

    #[test]
    fn a_depth_that_overflows_a_stack_does_not_matter() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let mut inner = open_folder(CWD, &folder).unwrap();
        for _ in 0..30_000 {
            rustix::fs::mkdirat(&inner, "d", Mode::RWXU).unwrap();
            inner = open_folder(&inner, "d").unwrap();
        }
        drop(inner);
        remove_folder(&folder).unwrap();
        assert!(!folder.exists());
    }
}
