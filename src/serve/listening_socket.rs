//! Listening sockets. The supervisor binds them or has them from the service manager, and each host inherits them, so
//! that no connection is refused while one host replaces another.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::SocketType;
use wsgiaudit_probes_core::host_config::ListenerConfig;

use super::socket_access::SocketAccess;
use crate::closed_socket::bind_closed;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: i32 = 2048;

/// A bound and listening socket.
#[derive(Debug)]
pub(super) struct ListeningSocket {
    socket: OwnedFd,
    /// `HOST:PORT` or `unix:PATH`.
    address: String,
    name: String,
    port: String,
    is_unix: bool,
    origin: SocketOrigin,
}

/// Where a socket is from.
#[derive(Debug)]
enum SocketOrigin {
    /// This process bound it. A Unix socket has this path, which is removed on drop.
    Bound(Option<PathBuf>),
    /// The service manager bound it, and keeps it.
    ServiceManager,
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        if let SocketOrigin::Bound(Some(path)) = &self.origin {
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
        bound.pass_to_hosts()
    }

    /// Takes over the sockets that the service manager has bound (sd_listen_fds(3)). Must be called before this process
    /// has threads, since it removes variables of the environment.
    ///
    /// # Errors
    /// If one is no listening socket for connections over TCP or a Unix socket.
    pub(super) fn inherit_all() -> Result<Vec<Self>> {
        let mut passed = ListenFd::from_env();
        (0..passed.len()).map(|index| Self::inherit(&mut passed, index)).collect()
    }

    fn inherit(passed: &mut ListenFd, index: usize) -> Result<Self> {
        let origin = SocketOrigin::ServiceManager;
        if let Ok(Some(socket)) = passed.take_unix_listener(index) {
            let bound = socket.local_addr()?;
            let path = bound.as_pathname().map_or("a socket without a path".into(), Path::to_string_lossy);
            return Self::from_unix(format!("unix:{path}"), socket.into(), origin).pass_to_hosts();
        }
        let socket = passed.take_tcp_listener(index);
        let socket = socket.ok().flatten().with_context(|| {
            format!("socket {} of the service manager is no stream socket\nhint: ListenStream=", index + 1)
        })?;
        let bound = socket.local_addr()?;
        let name = match bound {
            SocketAddr::V4(bound) => bound.ip().to_string(),
            SocketAddr::V6(bound) => format!("[{}]", bound.ip()),
        };
        let (address, port) = (bound.to_string(), bound.port().to_string());
        Self { socket: socket.into(), address, name, port, is_unix: false, origin }.pass_to_hosts()
    }

    /// Lets the hosts inherit it. The supervisor starts no other processes.
    fn pass_to_hosts(self) -> Result<Self> {
        fcntl_setfd(&self.socket, FdFlags::empty())?;
        Ok(self)
    }

    fn from_unix(address: String, socket: OwnedFd, origin: SocketOrigin) -> Self {
        // Its port depends on whether connections are encrypted.
        let (name, port) = ("localhost".to_owned(), String::new());
        Self { socket, address, name, port, is_unix: true, origin }
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

    /// The descriptor that hosts inherit.
    pub(super) fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Its address, as shown to the operator.
    pub(super) fn describe(&self, is_encrypted: bool) -> String {
        match (self.is_unix, is_encrypted) {
            (true, false) => self.address.clone(),
            (true, true) => format!("{} with TLS", self.address),
            (false, false) => format!("http://{}", self.address),
            (false, true) => format!("https://{}", self.address),
        }
    }

    /// Describes the socket for the host's configuration.
    pub(super) fn to_listener(&self, is_encrypted: bool) -> ListenerConfig {
        let port = match (self.is_unix, is_encrypted) {
            (false, _) => self.port.clone(),
            (true, false) => "80".to_owned(),
            (true, true) => "443".to_owned(),
        };
        ListenerConfig {
            descriptor: self.descriptor(),
            name: self.name.clone(),
            port,
            is_unix: self.is_unix,
            is_encrypted,
            is_kept: matches!(self.origin, SocketOrigin::ServiceManager),
        }
    }
}

fn bind_tcp(address: &str) -> Result<ListeningSocket> {
    let every_host = format!("0.0.0.0{address}");
    let address = if address.starts_with(':') { &every_host } else { address };
    let socket = TcpListener::bind(address)
        .with_context(|| format!("cannot bind {address}\nhint: HOST:PORT, or unix:PATH"))?;
    let port = socket.local_addr()?.port().to_string();
    let name = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
    Ok(ListeningSocket {
        address: format!("{name}:{port}"),
        socket: socket.into(),
        name,
        port,
        is_unix: false,
        origin: SocketOrigin::Bound(None),
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
    let socket =
        bind_closed(path, SocketType::STREAM).with_context(|| format!("cannot bind {}", path.display()))?;
    let origin = SocketOrigin::Bound(Some(path.to_owned()));
    let bound = ListeningSocket::from_unix(format!("unix:{}", path.display()), socket, origin);
    access.apply(path)?;
    Ok(bound)
}
