//! Writes private copies of one shared object.

use std::fs::{File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::copy_error::CopyError;
use super::copy_plan::PlannedCopy;
use super::elf::{ElfError, rewrite_names};
use crate::digest;
use crate::regular_file::open_checked;

/// Everyone may load a copy, nobody may change it.
const MODE: u32 = 0o555;

/// The content of a source file, verified.
pub(super) struct SourceContent {
    bytes: Vec<u8>,
    /// A file that shares its blocks with the source, where the file system supports that.
    clone: Option<File>,
}

/// A copy that was written, but not yet added to a storage.
pub(super) struct WrittenCopy {
    pub(super) file: NamedTempFile,
    /// SHA-256 of the copy.
    pub(super) digest: String,
}

impl SourceContent {
    /// Reads the source of a copy, and clones it into `folder` if possible.
    ///
    /// What is verified is what is used: with a clone, the bytes are those of the clone, which nobody else can
    /// write to.
    ///
    /// # Errors
    /// When the source cannot be read or does not have the digest of the plan.
    pub(super) fn read(copy: &PlannedCopy, folder: &Path) -> Result<Self, CopyError> {
        let source = || CopyError::io("read", &copy.source);
        let mut file = open_checked(&copy.source).map_err(source())?;
        let mut clone = clone_file(&file, folder);
        let mut bytes = Vec::new();
        clone.as_mut().unwrap_or(&mut file).read_to_end(&mut bytes).map_err(source())?;
        let found = digest::of_bytes(&bytes);
        if found != copy.digest {
            let (path, expected) = (copy.source.clone(), copy.digest.clone());
            return Err(CopyError::Changed { path, expected, found });
        }
        Ok(Self { bytes, clone })
    }

    /// Writes a copy into `folder` with its own library names.
    ///
    /// The inner error says that the names cannot be rewritten.
    pub(super) fn write_copy(
        &self,
        copy: &PlannedCopy,
        folder: &Path,
    ) -> Result<Result<WrittenCopy, ElfError>, CopyError> {
        let rewrite = match rewrite_names(&self.bytes, &|role, old| copy.names.rename(role, old)) {
            Ok(rewrite) => rewrite,
            Err(error) => return Ok(Err(error)),
        };
        let write_error = || CopyError::io("write into", folder);
        let mut bytes = self.bytes.clone();
        rewrite.apply_to_bytes(&mut bytes);
        let mut file = NamedTempFile::new_in(folder).map_err(write_error())?;
        let is_clone =
            self.clone.as_ref().is_some_and(|clone| rustix::fs::ioctl_ficlone(&file, clone).is_ok());
        match is_clone {
            true => rewrite.apply_to_file(file.as_file()),
            false => file.write_all(&bytes),
        }
        .and_then(|()| file.as_file().set_permissions(Permissions::from_mode(MODE)))
        .map_err(write_error())?;
        Ok(Ok(WrittenCopy { file, digest: digest::of_bytes(&bytes) }))
    }
}

/// Returns a file without a name in `folder` that shares its blocks with `source`; `None` where the file system
/// cannot do that.
pub(super) fn clone_file(source: &File, folder: &Path) -> Option<File> {
    let clone = tempfile::tempfile_in(folder).ok()?;
    rustix::fs::ioctl_ficlone(&clone, source).ok()?;
    Some(clone)
}
