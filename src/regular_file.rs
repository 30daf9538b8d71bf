//! Opens and reads files whose path comes from untrusted input: regular files only, without blocking, up to a
//! given size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file.
///
/// # Errors
/// When the path is not a regular file, or cannot be opened.
pub fn open_checked(path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK, opening a FIFO blocks until a writer opens it. The open file is checked, not the
    // path: the path may change between a check and the open.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open_checked`], and when the file is larger.
pub fn read_limited(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_checked(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!("it has more than {most} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_regular_file_of_the_allowed_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fifo) = (folder.path().join("file"), folder.path().join("fifo"));
        std::fs::write(&file, "four").unwrap();
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(read_limited(&file, 4).unwrap(), b"four");
        let why = |path: &Path, most| read_limited(path, most).unwrap_err().to_string();
        assert_eq!(why(&file, 3), "it has more than 3 bytes");
        assert_eq!(why(&fifo, 3), "it is not a regular file");
        assert_eq!(why(folder.path(), 3), "it is not a regular file");
        assert_eq!(why(Path::new("/dev/zero"), 3), "it is not a regular file");
    }
}
