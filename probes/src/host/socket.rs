//! Sockets that listen, of either kind.

use std::os::fd::FromRawFd;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::config::Listener;
use super::log::say;
use super::peer::Peer;

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Classic BPF: drop what has the SYN flag (bit 1 of the 13th byte of a TCP header).
const NO_SYN: [libc::sock_filter; 4] = [
    libc::sock_filter { code: 0x30, jt: 0, jf: 0, k: 13 },
    libc::sock_filter { code: 0x45, jt: 0, jf: 1, k: 2 },
    libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 },
    libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: u32::MAX },
];

/// A socket that listens.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    /// Says why where it cannot be listened to.
    ///
    /// # Safety
    /// The descriptor is a listening socket that nobody else owns.
    pub(super) unsafe fn adopt(listener: &Listener) -> Option<Self> {
        // SAFETY: the caller's promise.
        let socket = unsafe {
            if listener.is_unix {
                let socket = std::os::unix::net::UnixListener::from_raw_fd(listener.descriptor);
                socket.set_nonblocking(true).and_then(|()| UnixListener::from_std(socket)).map(Self::Unix)
            } else {
                let socket = std::net::TcpListener::from_raw_fd(listener.descriptor);
                socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket)).map(Self::Tcp)
            }
        };
        socket.map_err(|error| say(&format!("{} cannot be listened to: {error}", listener.name))).ok()
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> std::io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, from) = socket.accept().await?;
                drop(stream.set_nodelay(true));
                Ok((Box::new(stream), Peer::at(from)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Box::new(stream), Peer::local()))
            }
        }
    }

    /// No new connections, while those that the kernel has begun can still be accepted: closing alone would
    /// reset them. Nobody can connect to a Unix socket whose file is gone, which the supervisor sees to.
    #[cfg(target_os = "linux")]
    pub(super) fn refuse(&self) {
        let Self::Tcp(socket) = self else { return };
        let program = libc::sock_fprog { len: NO_SYN.len() as u16, filter: NO_SYN.as_ptr().cast_mut() };
        // SAFETY: the kernel copies the program, which lives as long as the call.
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
