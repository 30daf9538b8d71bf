//! Listening sockets, TCP or Unix.

use std::os::fd::FromRawFd;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use wsgiaudit_probes_core::host_config::ListenerConfig;
use wsgiaudit_probes_core::peer::Peer;

use super::log::log_error;

/// A connection over TCP or a Unix socket.
pub(super) trait ConnectionStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ConnectionStream for S {}

/// Classic BPF program that drops segments with the SYN flag (bit 1 of byte 13 of the TCP header).
const NO_SYN: [libc::sock_filter; 4] = [
    libc::sock_filter { code: 0x30, jt: 0, jf: 0, k: 13 },
    libc::sock_filter { code: 0x45, jt: 0, jf: 1, k: 2 },
    libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 },
    libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: u32::MAX },
];

/// A listening socket.
pub(super) enum ConnectionListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl ConnectionListener {
    /// Takes over an inherited descriptor. If it cannot be used, logs the error and returns `None`.
    ///
    /// # Safety
    /// The descriptor is a listening socket that nothing else owns.
    pub(super) unsafe fn from_inherited(listener: &ListenerConfig) -> Option<Self> {
        // SAFETY: guaranteed by the caller.
        let socket = unsafe {
            if listener.is_unix {
                let socket = std::os::unix::net::UnixListener::from_raw_fd(listener.descriptor);
                socket.set_nonblocking(true).and_then(|()| UnixListener::from_std(socket)).map(Self::Unix)
            } else {
                let socket = std::net::TcpListener::from_raw_fd(listener.descriptor);
                socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket)).map(Self::Tcp)
            }
        };
        socket.map_err(|error| log_error(&format!("{}: cannot listen: {error}", listener.name))).ok()
    }

    /// Accepts the next connection.
    pub(super) async fn accept(&self) -> std::io::Result<(Box<dyn ConnectionStream>, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, from) = socket.accept().await?;
                drop(stream.set_nodelay(true));
                Ok((Box::new(stream), Peer::from_address(from)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Box::new(stream), Peer::from_unix_socket()))
            }
        }
    }

    /// Refuses new connections, while those already established by the kernel can still be accepted: closing
    /// the socket would reset them. Unix sockets need nothing here, since the supervisor removes their file.
    #[cfg(target_os = "linux")]
    pub(super) fn refuse_connections(&self) {
        let Self::Tcp(socket) = self else { return };
        let program = libc::sock_fprog { len: NO_SYN.len() as u16, filter: NO_SYN.as_ptr().cast_mut() };
        // SAFETY: the kernel copies the program, which outlives the call.
        unsafe {
            libc::setsockopt(
                std::os::fd::AsRawFd::as_raw_fd(socket),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<libc::sock_fprog>() as u32,
            );
        }
    }
}
