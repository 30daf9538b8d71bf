//! Listening sockets. The supervisor binds them, and each host inherits them, so that no connection is
//! refused while one host replaces another.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::io::{FdFlags, fcntl_setfd};
use wsgiaudit_probes_core::host_config::ListenerConfig;

use super::socket_access::SocketAccess;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: i32 = 2048;

/// A bound and listening socket.
#[derive(Debug)]
pub(super) struct ListeningSocket {
    socket: OwnedFd,
    /// Its address, as shown to the operator.
    pub(super) address: String,
    name: String,
    port: String,
    /// The path of a Unix socket, which is removed on drop.
    path: Option<PathBuf>,
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            drop(fs::remove_file(path));
        }
    }
}

impl ListeningSocket {
    /// Binds `HOST:PORT`, `:PORT` for every IPv4 address, or `unix:PATH`, which gets this mode and owner.
    ///
    /// # Errors
    /// If it cannot be bound.
    pub(super) fn new(address: &str, access: SocketAccess) -> Result<Self> {
        let bound = match address.strip_prefix("unix:") {
            Some(path) => bind_unix(Path::new(path), access)?,
            None => bind_tcp(address)?,
        };
        rustix::net::listen(&bound.socket, BACKLOG).with_context(|| format!("cannot listen on {address}"))?;
        // The hosts inherit it. The supervisor starts no other processes.
        fcntl_setfd(&bound.socket, FdFlags::empty())?;
        Ok(bound)
    }

    /// Binds the address of a slot: the port after that of the slot before, or a path with its number.
    ///
    /// # Errors
    /// If it cannot be bound.
    pub(super) fn for_slot(address: &str, slot: usize, access: SocketAccess) -> Result<Self> {
        if slot == 0 {
            return Self::new(address, access);
        }
        if address.starts_with("unix:") {
            return Self::new(&format!("{address}.{slot}"), access);
        }
        match address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
            Some((host, Ok(port))) if port != 0 => {
                let port = usize::from(port) + slot;
                Self::new(&format!("{host}:{port}"), access)
            }
            // The system chooses a port.
            Some(_) | None => Self::new(address, access),
        }
    }

    /// Describes the socket for the host's configuration.
    pub(super) fn to_listener(&self) -> ListenerConfig {
        ListenerConfig {
            descriptor: self.socket.as_fd().as_raw_fd(),
            name: self.name.clone(),
            port: self.port.clone(),
            is_unix: self.path.is_some(),
        }
    }
}

fn bind_tcp(address: &str) -> Result<ListeningSocket> {
    let address = &if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    let socket = TcpListener::bind(address)
        .with_context(|| format!("cannot bind {address}\nhint: HOST:PORT, or unix:PATH"))?;
    let port = socket.local_addr()?.port().to_string();
    let name = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
    Ok(ListeningSocket {
        address: format!("http://{name}:{port}"),
        socket: socket.into(),
        name,
        port,
        path: None,
    })
}

/// Binds a Unix socket. Replaces a stale socket file that no process serves.
fn bind_unix(path: &Path, access: SocketAccess) -> Result<ListeningSocket> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        if UnixStream::connect(path).is_ok() {
            bail!("{} is served by another process", path.display());
        }
        fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    let socket = UnixListener::bind(path).with_context(|| format!("cannot bind {}", path.display()))?;
    access.apply(path)?;
    let (name, port) = ("localhost".to_owned(), "80".to_owned());
    Ok(ListeningSocket {
        address: format!("unix:{}", path.display()),
        socket: socket.into(),
        name,
        port,
        path: Some(path.to_owned()),
    })
}
