//! Output files that are either complete or untouched: the text is written beside the file, then renamed onto it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// A file to write.
#[derive(Debug)]
pub struct OutputFile {
    /// The path as it was named.
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// A file to replace, with symbolic links resolved.
    Replaced(PathBuf),
    /// A device, a pipe, or a file in a folder where no other file can be made. It stays open: a pipe's reader would
    /// see the end otherwise.
    Itself(File),
}

impl OutputFile {
    /// Checks that the file can be written, without changing it if it exists.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(path: &Path) -> io::Result<Self> {
        let target = match path.symlink_metadata() {
            Err(_) => {
                let file = absent_file(path)?;
                new_file_beside(&file)?;
                Target::Replaced(file)
            }
            Ok(_) => {
                // With `create`, for a link to a file that does not exist yet.
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
                let real = path.canonicalize()?;
                match file.metadata()?.is_file() && new_file_beside(&real).is_ok() {
                    true => Target::Replaced(real),
                    false => Target::Itself(file),
                }
            }
        };
        Ok(Self { path: path.to_owned(), target })
    }

    /// The path as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the whole file. If that fails, a file that was there before keeps its content.
    ///
    /// # Errors
    /// When it cannot be written, e.g. because the disk is full.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.target {
            Target::Replaced(file) => replace_file(file, bytes),
            Target::Itself(file) => write_into(file, bytes),
        }
    }
}

fn replace_file(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = new_file_beside(file)?;
    new.write_all(bytes)?;
    // Some file systems report a full disk only here.
    new.as_file().sync_all()?;
    if let Ok(old) = file.metadata() {
        new.as_file().set_permissions(old.permissions())?;
        // Only root may, and only root needs to.
        drop(fchown(new.as_file(), Some(old.uid()), Some(old.gid())));
    }
    match new.persist(file) {
        Ok(_) => Ok(()),
        // A file that is mounted by itself, as in a container, cannot be replaced.
        Err(_) => write_into(&OpenOptions::new().write(true).open(file)?, bytes),
    }
}

fn write_into(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
        file.rewind()?;
    }
    file.write_all(bytes).and_then(|()| file.flush())
}

/// The path of a file that does not exist yet.
fn absent_file(path: &Path) -> io::Result<PathBuf> {
    match path.file_name() {
        Some(_) => std::path::absolute(path),
        None => Err(io::Error::from(io::ErrorKind::IsADirectory)),
    }
}

/// Creates an empty file beside another one, with the permissions of a new file.
fn new_file_beside(file: &Path) -> io::Result<NamedTempFile> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    Builder::new().prefix(".wsgiaudit-").permissions(Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_only_when_it_is_written_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report");
        let output = OutputFile::new(&file).unwrap();
        assert_eq!(names(folder.path()), Vec::<String>::new());
        output.write(b"one").unwrap();
        output.write(b"two").unwrap();
        assert_eq!(names(folder.path()), ["report"]);
        assert_eq!(fs::read(&file).unwrap(), b"two");
    }

    #[test]
    fn a_file_keeps_its_permissions_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        symlink("file", &link).unwrap();
        OutputFile::new(&link).unwrap().write(b"made").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        OutputFile::new(&link).unwrap().write(b"made again").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"made again");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_device_is_written_itself() {
        OutputFile::new(Path::new("/dev/null")).unwrap().write(b"gone").unwrap();
        let full = OutputFile::new(Path::new("/dev/full")).unwrap();
        assert_eq!(full.write(b"too much").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(full.path(), Path::new("/dev/full"));
    }

    #[test]
    fn what_cannot_be_written_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["absent/report", "..", "."] {
            assert!(OutputFile::new(&folder.path().join(path)).is_err(), "{path}");
        }
        assert!(OutputFile::new(Path::new("")).is_err());
    }
}
