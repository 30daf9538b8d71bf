//! Sends datagrams to a receiver that may be absent, full or new: what cannot be sent at once is dropped.

use std::io;
use std::os::unix::net::UnixDatagram;

use super::log::log_warning;

/// A socket that never blocks.
#[derive(Debug)]
pub(super) struct TelemetrySocket {
    socket: UnixDatagram,
    /// The path of the receiver's socket. It is looked up each time, so that a new receiver is found.
    path: String,
    is_failure_logged: bool,
}

impl TelemetrySocket {
    /// Opens a socket.
    ///
    /// # Errors
    /// If the system has no more.
    pub(super) fn open(path: String) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path, is_failure_logged: false })
    }

    /// Sends a datagram, or drops it. The first one that is dropped is logged.
    pub(super) fn send_datagram(&mut self, bytes: &[u8]) {
        if let Err(error) = self.socket.send_to(bytes, &self.path)
            && !self.is_failure_logged
        {
            self.is_failure_logged = true;
            let what = if error.kind() == io::ErrorKind::WouldBlock {
                "the receiver does not keep up".to_owned()
            } else if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
                "there is no receiver".to_owned()
            } else {
                error.to_string()
            };
            log_warning(&format!(
                "telemetry to {}: {what}; what cannot be sent at once is dropped (said once)",
                self.path
            ));
        }
    }
}
