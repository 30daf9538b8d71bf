//! The socket that servers send datagrams to.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::net::SocketType;
use wsgiaudit_probes_core::telemetry::datagram::MAX_SIZE;

use crate::closed_socket::{SocketFile, bind_closed};

/// Space for datagrams that have not been read yet, in bytes. The system may allow less.
const BUFFER_SIZE: usize = 4 << 20;

/// Datagrams that are read at once, so that a flood cannot keep the reader.
const MOST_AT_ONCE: usize = 4096;

/// A bound socket. Its file is removed on drop.
#[derive(Debug)]
pub(super) struct TelemetryReceiver {
    socket: UnixDatagram,
    path: PathBuf,
    /// Device and number of its file.
    identity: (u64, u64),
    buffer: Vec<u8>,
}

impl TelemetryReceiver {
    /// Makes the socket. A socket that an ended receiver has left is replaced, and nothing else.
    ///
    /// # Errors
    /// If there is something at the path, or it cannot be made.
    pub(super) fn bind(path: &Path, mode: u32) -> Result<Self> {
        remove_stale_socket(path)?;
        let shown = path.display();
        let (socket, identity) = bind_socket(path, mode).with_context(|| {
            format!("cannot make the socket {shown}\nhint: its folder must exist, and be writable")
        })?;
        // Less space is no reason to do without.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BUFFER_SIZE);
        // One byte more than a datagram may have tells those that have more.
        Ok(Self { socket, path: path.to_owned(), identity, buffer: vec![0; MAX_SIZE + 1] })
    }

    /// Waits for datagrams, and returns all that are there.
    ///
    /// # Errors
    /// If the socket does not work.
    pub(super) fn receive(&mut self, patience: Duration) -> Result<Vec<Vec<u8>>> {
        let mut datagrams = Vec::new();
        self.socket.set_nonblocking(false)?;
        self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        while datagrams.len() < MOST_AT_ONCE {
            match self.socket.recv(&mut self.buffer) {
                Ok(size) => datagrams.push(self.buffer.get(..size).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted && datagrams.is_empty() => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the socket does not work any more"),
            }
            if datagrams.len() == 1 {
                self.socket.set_nonblocking(true)?;
            }
        }
        Ok(datagrams)
    }
}

impl Drop for TelemetryReceiver {
    fn drop(&mut self) {
        // Another receiver may have replaced it.
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if is_ours {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Makes the socket. Nobody writes to it before it has its mode. Returns it with device and number of its file.
fn bind_socket(path: &Path, mode: u32) -> Result<(UnixDatagram, (u64, u64))> {
    let socket = bind_closed(path, SocketType::DGRAM)?;
    let file = SocketFile::find(path)?;
    file.change_mode(mode)?;
    Ok((socket.into(), file.identity()))
}

/// Removes a socket that nobody reads from.
fn remove_stale_socket(path: &Path) -> Result<()> {
    let shown = path.display();
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.with_context(|| format!("cannot look at {shown}"))?,
    };
    if !metadata.file_type().is_socket() {
        bail!("{shown} is there and is not a socket\nhint: name another path, or remove it");
    }
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).with_context(|| format!("cannot remove the old socket {shown}"))
        }
        Ok(()) => bail!("another program receives at {shown}\nhint: end it, or name another path"),
        Err(error) => Err(error).with_context(|| {
            format!("{shown} is a socket of another program\nhint: name another path, or remove it")
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn bind(path: &Path) -> Result<TelemetryReceiver> {
        TelemetryReceiver::bind(path, 0o600)
    }

    #[test]
    fn datagrams_arrive_whole_and_the_socket_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let mut receiver = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(receiver.receive(Duration::from_millis(1)).unwrap().is_empty());
        let sender = UnixDatagram::unbound().unwrap();
        for datagram in [vec![1], vec![], vec![2; 70_000]] {
            sender.send_to(&datagram, &path).unwrap();
        }
        let sizes: Vec<usize> =
            receiver.receive(Duration::from_secs(5)).unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 0, MAX_SIZE + 1]);
        drop(receiver);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        // Dropped, a socket of the standard library leaves its file.
        drop(UnixDatagram::bind(&path).unwrap());
        let receiver = bind(&path).unwrap();
        assert!(bind(&path).unwrap_err().to_string().contains("another program receives"));
        drop(receiver);
        let listener = UnixListener::bind(&path).unwrap();
        assert!(bind(&path).unwrap_err().to_string().contains("of another program"));
        drop(listener);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(bind(&path).unwrap_err().to_string().contains("is not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = folder.path().join("absent/a.sock");
        assert!(bind(&nowhere).unwrap_err().to_string().contains("its folder must exist"));
    }

    #[test]
    fn a_socket_that_was_replaced_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let receiver = bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixDatagram::bind(&path).unwrap();
        drop(receiver);
        assert!(path.exists());
    }
}
