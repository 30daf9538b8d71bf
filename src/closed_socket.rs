//! Unix sockets that nobody can connect or send to until they have been opened to somebody.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};

/// Most bytes of a path that clients can connect to: the system keeps one of 108 for the final zero (unix(7)).
const MAX_PATH: usize = 107;

/// Binds a socket whose file has no permissions. Whatever is at the path stays as it is.
///
/// # Errors
/// If there is something at the path, it is longer than 107 bytes, or it cannot be bound.
pub fn bind_closed(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    if path.as_os_str().len() > MAX_PATH {
        return Err(rustix::io::Errno::NAMETOOLONG.into());
    }
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    // Linux gives the file the mode that the socket has before it is bound (`unix_bind_bsd`). Unlike the umask, this does
    // not affect other threads.
    fchmod(&socket, Mode::empty())?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// The file of a socket, whatever becomes of its path.
#[derive(Debug)]
pub struct SocketFile {
    opened: OwnedFd,
    metadata: Metadata,
}

impl SocketFile {
    /// Finds the file, and holds on to it. Its folder may belong to another user, who could put a link in its place.
    ///
    /// # Errors
    /// If it is not there, or no longer a socket.
    pub fn find(path: &Path) -> Result<Self> {
        let shown = path.display();
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened =
            rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("cannot open {shown}"))?;
        let metadata = fs::metadata(descriptor_path(&opened))
            .with_context(|| format!("cannot look at the socket {shown}"))?;
        if !metadata.file_type().is_socket() {
            bail!("{shown} is no longer a socket");
        }
        Ok(Self { opened, metadata })
    }

    /// Device and number of the file.
    pub fn identity(&self) -> (u64, u64) {
        (self.metadata.dev(), self.metadata.ino())
    }

    /// Changes its owner and group.
    ///
    /// # Errors
    /// If this process lacks the permission.
    pub fn change_owner(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        chown(descriptor_path(&self.opened), user, group)
    }

    /// Changes its mode.
    ///
    /// # Errors
    /// If this process lacks the permission.
    pub fn change_mode(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(descriptor_path(&self.opened), Permissions::from_mode(mode))
    }
}

fn descriptor_path(opened: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", opened.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_socket_is_closed_at_first_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for kind in [SocketType::STREAM, SocketType::DGRAM] {
            let path = folder.path().join(format!("{kind:?}"));
            let _socket = bind_closed(&path, kind).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0);
            let file = SocketFile::find(&path).unwrap();
            file.change_mode(0o620).unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o620);
            assert_eq!(file.identity(), (metadata.dev(), metadata.ino()));
            assert_eq!(bind_closed(&path, kind).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        let file = folder.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(bind_closed(&file, SocketType::STREAM).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert!(SocketFile::find(&file).unwrap_err().to_string().contains("no longer a socket"));
    }

    #[test]
    fn a_path_has_107_bytes_at_most() {
        let folder = tempfile::Builder::new().prefix("s").tempdir_in("/tmp").unwrap();
        let named = |length: usize| -> PathBuf {
            // One folder with a long name, so that the name of the socket is a short one.
            let deep = folder.path().join("x".repeat(length - folder.path().as_os_str().len() - 3));
            fs::create_dir_all(&deep).unwrap();
            deep.join("s")
        };
        assert_eq!(named(107).as_os_str().len(), 107);
        assert!(bind_closed(&named(107), SocketType::DGRAM).is_ok());
        for length in [108, 109] {
            assert!(bind_closed(&named(length), SocketType::DGRAM).is_err());
        }
    }
}
