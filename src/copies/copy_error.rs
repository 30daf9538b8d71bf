//! Why copies cannot be made.

use std::io;
use std::path::PathBuf;

/// Why copies cannot be planned or made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The operating system returned an error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What failed: "read".
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A file differs from what is expected: from the report, or from what was read a moment before.
    #[error("{} has changed: its SHA-256 is {found}, not {expected}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The expected digest.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The file system has less room than the copies need.
    #[error(
        "the copies need {needed} bytes, and {} has {available} bytes left\n\
         hint: copy for fewer interpreters, or to another file system",
        folder.display()
    )]
    NoRoom {
        /// The folder for the copies.
        folder: PathBuf,
        /// The bytes that would be written.
        needed: u64,
        /// The free bytes of the file system.
        available: u64,
    },
    /// The file system is mounted such that nothing can be loaded from it.
    #[error("{} is on a file system that is mounted noexec\nhint: copies there cannot be loaded", .0.display())]
    NoExec(PathBuf),
    /// The folder for the store could be changed by other users.
    #[error("{} must be a folder that only this user can access (mode 0700)", .0.display())]
    NotPrivate(PathBuf),
    /// The output folder holds something other than copies.
    #[error(
        "{} exists and holds no copies\nhint: name an empty folder, or one that an earlier run made",
        .0.display()
    )]
    HoldsOtherFiles(PathBuf),
}

impl CopyError {
    /// Wraps an error of the operating system; for `map_err`.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
