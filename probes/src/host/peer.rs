//! Who asks: the other end of a connection, or whom a proxy there names.

use std::net::SocketAddr;

use hyper::http::HeaderMap;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Empty for a Unix socket.
    pub(super) address: String,
    pub(super) port: String,
    /// `http`, or `https` where a proxy says so.
    pub(super) scheme: &'static str,
}

impl Peer {
    pub(super) fn at(from: SocketAddr) -> Self {
        Self { address: from.ip().to_canonical().to_string(), port: from.port().to_string(), scheme: "http" }
    }

    /// Of a Unix socket.
    pub(super) fn local() -> Self {
        Self { address: String::new(), port: String::new(), scheme: "http" }
    }
}

/// Addresses whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; `unix` is any Unix socket.
#[derive(Clone, Debug)]
pub(super) struct Proxies(pub(super) Vec<String>);

impl Proxies {
    fn has(&self, address: &str) -> bool {
        let named = if address.is_empty() { "unix" } else { address };
        self.0.iter().any(|trusted| trusted == named)
    }

    /// The client: the last address that a trusted proxy names and that is none itself. What stands before it, anybody
    /// could have written.
    pub(super) fn behind(&self, peer: &Peer, headers: &HeaderMap) -> Peer {
        if !self.has(&peer.address) {
            return peer.clone();
        }
        let last =
            |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
        let named = last("x-forwarded-for").join(",");
        let client =
            named.split(',').map(str::trim).rev().find(|address| !self.has(address) && !address.is_empty());
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
