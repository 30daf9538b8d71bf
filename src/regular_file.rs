//! Opens and reads what others have written: regular files only, without blocking, up to a given size.
//!
//! Everything that comes from an environment, a trial's folder, the cache or the command line is read by these
//! functions. `tests/repository/tests/foreign_files.rs` checks that, and lists the exceptions. Reports that the
//! user names may also be pipes ([`read_named`]).

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, fcntl_setfl, openat};

/// Without `O_NONBLOCK`, opening a FIFO blocks until a writer opens it; `O_NOCTTY` keeps a terminal from
/// becoming the controlling one.
const FLAGS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Time for the writer of a named pipe to open it too.
const WRITER_TIME: Duration = Duration::from_secs(1);

/// Opens a regular file. Symbolic links are followed.
///
/// # Errors
/// When the path is not a regular file, or cannot be opened.
pub fn open_checked(path: &Path) -> io::Result<File> {
    check(open_any(path)?)
}

fn open_any(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(FLAGS.bits().cast_signed()).open(path)
}

/// Opens a regular file in a folder that a trial may write to. A symbolic link is an error: it would lead the
/// auditor, which may read more than the trial, to any file.
///
/// # Errors
/// As [`open_checked`], and when the file or the folder is a symbolic link.
pub fn open_unlinked(folder: &Path, name: &str) -> io::Result<File> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    let folder = OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
    check(File::from(openat(folder, name, FLAGS | OFlags::NOFOLLOW, Mode::empty())?))
}

/// Checks the open file, not its path: what the path names may change between a check and the opening.
fn check(file: File) -> io::Result<File> {
    let kind = file.metadata()?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(file),
        (false, true) => Err(rustix::io::Errno::ISDIR.into()),
        (false, false) => Err(io::Error::other("it is not a regular file")),
    }
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open_checked`], and when the file is larger.
pub fn read_limited(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_open(open_checked(path)?, most)
}

/// Reads what the user has named on the command line, of at most `most` bytes: a regular file, or a pipe such as
/// `<(command)` of a shell. Waits for the end of a pipe that somebody writes to, however long that takes. Not to
/// be called while signals are handled otherwise than by ending the process.
///
/// # Errors
/// When it is neither, is larger, or nobody writes to the pipe.
pub fn read_named(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_any(path)?;
    match file.metadata()?.file_type().is_fifo() {
        true => read_pipe(&file, most),
        false => read_open(check(file)?, most),
    }
}

/// Reads a pipe to its end. Without a writer, the end is there at once.
fn read_pipe(pipe: &File, most: u64) -> io::Result<Vec<u8>> {
    // Without `O_NONBLOCK`, reading waits for the writer.
    fcntl_setfl(pipe, OFlags::empty())?;
    let started = Instant::now();
    loop {
        let bytes = read_open(pipe, most)?;
        if !bytes.is_empty() {
            return Ok(bytes);
        }
        if started.elapsed() > WRITER_TIME {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "nobody has written to this pipe"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads a text in UTF-8 of at most `most` bytes.
///
/// # Errors
/// As [`read_limited`], and when it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_limited(path, most)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Opens a file to lock it, and creates it if it is missing.
///
/// # Errors
/// When it is not a regular file, or cannot be opened.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let flags = (FLAGS | OFlags::NOFOLLOW).bits().cast_signed();
    check(
        OpenOptions::new()
            .write(true)
            .read(true)
            .create(true)
            .truncate(false)
            .custom_flags(flags)
            .open(path)?,
    )
}

/// Replaces a file as a whole: others see the old or the new content. Nothing that lies there is opened.
///
/// # Errors
/// When its folder cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
    beside.write_all(bytes)?;
    beside.persist(path)?;
    Ok(())
}

/// Reads to the end of a file that was opened before, of at most `most` bytes.
///
/// # Errors
/// When it cannot be read, and when it is larger.
pub fn read_open(file: impl io::Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_regular_file_of_the_allowed_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fifo) = (folder.path().join("file"), folder.path().join("fifo"));
        std::fs::write(&file, "four").unwrap();
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(read_limited(&file, 4).unwrap(), b"four");
        assert_eq!(read_text(&file, 4).unwrap(), "four");
        let why = |path: &Path, most| read_limited(path, most).unwrap_err().to_string();
        assert_eq!(why(&file, 3), "it has more than 3 bytes");
        assert_eq!(why(&fifo, 3), "it is not a regular file");
        assert_eq!(why(folder.path(), 3), "Is a directory (os error 21)");
        assert_eq!(why(Path::new("/dev/zero"), 3), "it is not a regular file");
    }

    #[test]
    fn what_the_user_names_may_be_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fifo) = (folder.path().join("file"), folder.path().join("fifo"));
        std::fs::write(&file, "four").unwrap();
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(read_named(&file, 4).unwrap(), b"four");
        let why = |path: &Path, most| read_named(path, most).unwrap_err().to_string();
        assert_eq!(why(&file, 3), "it has more than 3 bytes");
        assert_eq!(why(&fifo, 3), "nobody has written to this pipe");
        assert_eq!(why(Path::new("/dev/zero"), 3), "it is not a regular file");
        assert_eq!(why(folder.path(), 3), "Is a directory (os error 21)");
        let through_pipe = |most| {
            let (reader, mut writer) = io::pipe().unwrap();
            let writing = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                writer.write_all(b"fo").unwrap();
                std::thread::sleep(Duration::from_millis(50));
                writer.write_all(b"ur").unwrap();
            });
            // What `<(command)` of a shell is.
            let path = format!("/dev/fd/{}", reader.as_raw_fd());
            let read = read_named(Path::new(&path), most);
            writing.join().unwrap();
            read.map_err(|error| error.to_string())
        };
        assert_eq!(through_pipe(4).unwrap(), b"four");
        assert_eq!(through_pipe(3).unwrap_err(), "it has more than 3 bytes");
        let writing = std::thread::spawn({
            let fifo = fifo.clone();
            move || std::fs::write(fifo, "four").unwrap()
        });
        assert_eq!(read_named(&fifo, 4).unwrap(), b"four");
        writing.join().unwrap();
    }

    #[test]
    fn a_link_is_not_followed_in_a_folder_of_a_trial() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::write(inside.join("own"), "own").unwrap();
        symlink("../secret", inside.join("link")).unwrap();
        symlink("inside", folder.path().join("other")).unwrap();
        assert!(Command::new("mkfifo").arg(inside.join("fifo")).status().unwrap().success());
        let read_unlinked = |folder: &Path, name: &str, most| {
            open_unlinked(folder, name).and_then(|file| read_open(file, most))
        };
        assert_eq!(read_unlinked(&inside, "own", 9).unwrap(), b"own");
        for name in ["link", "fifo", "absent"] {
            assert!(read_unlinked(&inside, name, 9).is_err(), "{name}");
        }
        assert!(read_unlinked(&folder.path().join("other"), "own", 9).is_err());
    }
}
