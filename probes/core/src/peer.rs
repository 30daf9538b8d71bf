//! The client of a request: the peer of the connection, or the client that a trusted proxy names.

use std::net::SocketAddr;

use http::HeaderMap;

/// The client of a request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// IP address; empty for a Unix socket.
    pub address: String,
    /// Port; empty for a Unix socket, and if only a proxy knows it.
    pub port: String,
    /// `http`, or `https` if a trusted proxy says so.
    pub scheme: &'static str,
}

impl Peer {
    /// The peer of a TCP connection.
    pub fn from_address(from: SocketAddr) -> Self {
        Self { address: from.ip().to_canonical().to_string(), port: from.port().to_string(), scheme: "http" }
    }

    /// The peer of a Unix socket.
    pub fn from_unix_socket() -> Self {
        Self { address: String::new(), port: String::new(), scheme: "http" }
    }
}

/// Addresses of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted; `unix` stands for any
/// Unix socket.
#[derive(Clone, Debug)]
pub struct TrustedProxies(pub Vec<String>);

impl TrustedProxies {
    fn is_trusted(&self, address: &str) -> bool {
        let named = if address.is_empty() { "unix" } else { address };
        self.0.iter().any(|trusted| trusted == named)
    }

    /// Returns the client: the last address in `X-Forwarded-For` that is not a trusted proxy itself.
    /// Addresses before it could be forged.
    pub fn resolve_client(&self, peer: &Peer, headers: &HeaderMap) -> Peer {
        if !self.is_trusted(&peer.address) {
            return peer.clone();
        }
        let values_of =
            |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
        let named = values_of("x-forwarded-for").join(",");
        let client = named
            .split(',')
            .map(str::trim)
            .rev()
            .find(|address| !self.is_trusted(address) && !address.is_empty());
        let scheme = values_of("x-forwarded-proto").join(",");
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

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{HeaderName, HeaderValue};

    use super::{Peer, TrustedProxies};

    fn resolve(
        peer: &Peer,
        trusted: &[&str],
        headers: &[(&'static str, &'static str)],
    ) -> (String, String, &'static str) {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let trusted = TrustedProxies(trusted.iter().map(|address| (*address).to_owned()).collect());
        let Peer { address, port, scheme } = trusted.resolve_client(peer, &all);
        (address, port, scheme)
    }

    fn client(address: &str, port: &str, scheme: &'static str) -> (String, String, &'static str) {
        (address.to_owned(), port.to_owned(), scheme)
    }

    #[test]
    fn an_address_is_written_in_its_shortest_form() {
        let peer = Peer::from_address("[::ffff:192.0.2.1]:80".parse().unwrap());
        assert_eq!((peer.address.as_str(), peer.port.as_str(), peer.scheme), ("192.0.2.1", "80", "http"));
        let unix = Peer::from_unix_socket();
        assert_eq!((unix.address.as_str(), unix.port.as_str(), unix.scheme), ("", "", "http"));
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let peer = Peer::from_address("192.0.2.1:80".parse().unwrap());
        let headers = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")];
        assert_eq!(resolve(&peer, &[], &headers), client("192.0.2.1", "80", "http"));
        assert_eq!(resolve(&peer, &["unix"], &headers), client("192.0.2.1", "80", "http"));
        assert_eq!(resolve(&peer, &["192.0.2.1"], &headers), client("198.51.100.1", "", "https"));
        assert_eq!(
            resolve(&Peer::from_unix_socket(), &["unix"], &headers),
            client("198.51.100.1", "", "https")
        );
    }

    #[test]
    fn the_last_untrusted_address_is_the_client() {
        let peer = Peer::from_unix_socket();
        let trusted = ["unix", "10.0.0.1"];
        let chain = [("x-forwarded-for", "6.6.6.6, 198.51.100.1"), ("x-forwarded-for", " 10.0.0.1 ,")];
        assert_eq!(resolve(&peer, &trusted, &chain), client("198.51.100.1", "", "http"));
        let only_proxies = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "http, https")];
        assert_eq!(resolve(&peer, &trusted, &only_proxies), client("", "", "https"));
        let other_scheme = [("x-forwarded-proto", "https, ftp")];
        assert_eq!(resolve(&peer, &trusted, &other_scheme), client("", "", "http"));
    }
}
