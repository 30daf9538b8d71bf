//! The client of a request: the peer of the connection, or the client that a trusted proxy names.

use std::net::SocketAddr;

use hyper::http::HeaderMap;

/// The client of a request.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// IP address; empty for a Unix socket.
    pub(super) address: String,
    pub(super) port: String,
    /// `http`, or `https` if a trusted proxy says so.
    pub(super) scheme: &'static str,
}

impl Peer {
    pub(super) fn from_address(from: SocketAddr) -> Self {
        Self { address: from.ip().to_canonical().to_string(), port: from.port().to_string(), scheme: "http" }
    }

    /// The peer of a Unix socket.
    pub(super) fn from_unix_socket() -> Self {
        Self { address: String::new(), port: String::new(), scheme: "http" }
    }
}

/// Addresses of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted; `unix` stands for any
/// Unix socket.
#[derive(Clone, Debug)]
pub(super) struct TrustedProxies(pub(super) Vec<String>);

impl TrustedProxies {
    fn is_trusted(&self, address: &str) -> bool {
        let named = if address.is_empty() { "unix" } else { address };
        self.0.iter().any(|trusted| trusted == named)
    }

    /// Returns the client: the last address in `X-Forwarded-For` that is not a trusted proxy itself.
    /// Addresses before it could be forged.
    pub(super) fn resolve_client(&self, peer: &Peer, headers: &HeaderMap) -> Peer {
        if !self.is_trusted(&peer.address) {
            return peer.clone();
        }
        let last =
            |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
        let named = last("x-forwarded-for").join(",");
        let client = named
            .split(',')
            .map(str::trim)
            .rev()
            .find(|address| !self.is_trusted(address) && !address.is_empty());
        let scheme = last("x-forwarded-proto").join(",");
        let scheme = match scheme.rsplit(',').next().map(str::trim) {
            Some("https") => "https",
            Some(_) | None => "http",
        };
        match client {
            Some(client) => Peer { address: client.to_owned(), port: String::new(), scheme },
            None => Peer { scheme, ..peer.clone() },
        }
    }
}
