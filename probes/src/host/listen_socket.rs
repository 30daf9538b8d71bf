//! Listening sockets, TCP or Unix.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite};
use wsgiaudit_probes_core::host_config::ListenerConfig;
use wsgiaudit_probes_core::peer::Peer;

use super::connection_balance::ConnectionBalance;
use super::log::log_message;

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
    Tcp(AsyncFd<TcpListener>),
    Unix(AsyncFd<UnixListener>),
}

impl ConnectionListener {
    /// Takes over an inherited descriptor. If it cannot be used, logs the error and returns `None`.
    ///
    /// # Safety
    /// The descriptor is a listening socket that nothing else owns.
    pub(super) unsafe fn from_inherited(listener: &ListenerConfig) -> Option<Self> {
        let socket = if listener.is_unix {
            // SAFETY: guaranteed by the caller.
            let socket = unsafe { UnixListener::from_raw_fd(listener.descriptor) };
            socket.set_nonblocking(true).and_then(|()| watch_socket(socket)).map(Self::Unix)
        } else {
            // SAFETY: guaranteed by the caller.
            let socket = unsafe { TcpListener::from_raw_fd(listener.descriptor) };
            socket.set_nonblocking(true).and_then(|()| watch_socket(socket)).map(Self::Tcp)
        };
        socket.map_err(|error| log_message(&format!("{}: cannot listen: {error}", listener.name))).ok()
    }

    /// Accepts the next connection that no other process takes.
    pub(super) async fn accept(
        &self,
        balance: &ConnectionBalance,
    ) -> io::Result<(Box<dyn ConnectionStream>, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, from): (TcpStream, SocketAddr) =
                    accept_from(socket, balance, TcpListener::accept).await?;
                stream.set_nonblocking(true)?;
                drop(stream.set_nodelay(true));
                Ok((Box::new(tokio::net::TcpStream::from_std(stream)?), Peer::from_address(from)))
            }
            Self::Unix(socket) => {
                let (stream, _): (UnixStream, _) = accept_from(socket, balance, UnixListener::accept).await?;
                stream.set_nonblocking(true)?;
                Ok((Box::new(tokio::net::UnixStream::from_std(stream)?), Peer::from_unix_socket()))
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
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<libc::sock_fprog>() as u32,
            );
        }
    }
}

/// Registers a socket of the standard library with the runtime.
fn watch_socket<S: AsFd + AsRawFd>(socket: S) -> io::Result<AsyncFd<S>> {
    // SAFETY: such a socket owns its descriptor, which stays the same.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// Accepts the next connection that no other process takes.
async fn accept_from<S: AsRawFd, T>(
    socket: &AsyncFd<S>,
    balance: &ConnectionBalance,
    accept: impl Fn(&S) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        let mut ready = socket.readable().await?;
        balance.let_others_go_first().await;
        // `Err` means that another process has taken it.
        if let Ok(accepted) = ready.try_io(|socket| accept(socket.get_ref())) {
            return accepted;
        }
    }
}
