//! The client of a request: the peer of the connection, or the client that a trusted proxy names.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The client of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// IP address; empty for a Unix socket.
    pub address: String,
    /// Port; empty for a Unix socket, and if only a proxy knows it.
    pub port: String,
    /// `http`, or `https` if a trusted proxy says so.
    pub scheme: &'static str,
    /// The host that the client asked for, if a trusted proxy says so.
    pub host: Option<String>,
    /// The prefix that a trusted proxy has removed from the path, without a slash at its end; mostly empty.
    pub prefix: String,
}

impl Peer {
    /// The peer of a TCP connection.
    pub fn from_address(from: SocketAddr) -> Self {
        let port = from.port().to_string();
        Self { address: from.ip().to_canonical().to_string(), port, ..Self::from_unix_socket() }
    }

    /// The peer of a Unix socket.
    pub fn from_unix_socket() -> Self {
        Self {
            address: String::new(),
            port: String::new(),
            scheme: "http",
            host: None,
            prefix: String::new(),
        }
    }
}

/// A header in which a proxy says something about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: the client's address.
    XForwardedFor,
    /// `X-Forwarded-Proto`: `http` or `https`.
    XForwardedProto,
    /// `X-Forwarded-Host`: the host that the client asked for.
    XForwardedHost,
    /// `X-Forwarded-Prefix`: the prefix that the proxy has removed from the path.
    XForwardedPrefix,
    /// `Forwarded` (RFC 7239): address, scheme and host.
    Forwarded,
}

/// Peers that are proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProxyAddress {
    /// Any client of a Unix socket.
    Unix,
    /// Any address of a network.
    Network(IpNet),
}

/// Proxies whose headers are trusted, and which headers.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    addresses: Vec<ProxyAddress>,
    headers: Vec<ProxyHeader>,
}

impl ProxyAddress {
    /// Parses `unix`, an IP address, or a network in CIDR notation. IPv4 addresses in IPv6 notation are not networks
    /// here, since those of peers are compared in IPv4 notation.
    fn parse(text: &str) -> Option<Self> {
        if text == "unix" {
            return Some(Self::Unix);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Network(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().ok()?;
        (network.addr().to_canonical() == network.addr()).then_some(Self::Network(network))
    }

    /// Whether it contains the address of a peer; empty stands for a Unix socket.
    fn contains(self, address: &str) -> bool {
        match self {
            Self::Unix => address.is_empty(),
            Self::Network(network) => {
                parse_address(address).is_some_and(|address| network.contains(&address))
            }
        }
    }
}

impl TrustedProxies {
    /// Parses addresses of proxies.
    ///
    /// # Errors
    /// The text that is no address.
    pub fn parse(addresses: &[String], headers: &[ProxyHeader]) -> Result<Self, String> {
        let parse = |text: &String| ProxyAddress::parse(text).ok_or_else(|| text.clone());
        let addresses = addresses.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { addresses, headers: headers.to_vec() })
    }

    /// Whether a peer with this address is a trusted proxy; empty stands for a Unix socket.
    pub fn is_trusted(&self, address: &str) -> bool {
        self.addresses.iter().any(|proxy| proxy.contains(address))
    }

    /// Whether a proxy is named, which another proxy got the request from.
    fn is_named_proxy(&self, address: &str) -> bool {
        !address.is_empty() && self.is_trusted(address)
    }

    fn reads(&self, header: ProxyHeader) -> bool {
        self.headers.contains(&header)
    }

    /// Returns the client: the last address that is not a trusted proxy itself. Addresses before it could be
    /// forged. If it is no IP address, the client has the address of the peer.
    pub fn resolve_client(&self, peer: &Peer, headers: &HeaderMap) -> Peer {
        let mut client = peer.clone();
        if !self.is_trusted(&peer.address) {
            return client;
        }
        if self.reads(ProxyHeader::Forwarded) {
            self.read_forwarded(&join_list(headers, "forwarded"), &mut client);
        }
        if self.reads(ProxyHeader::XForwardedFor) {
            let named = join_list(headers, "x-forwarded-for");
            let mut addresses = named.split(',').rev().map(strip_port).filter(|address| !address.is_empty());
            if let Some(address) = addresses.find(|address| !self.is_trusted(address)) {
                set_address(&mut client, address);
            }
        }
        if self.reads(ProxyHeader::XForwardedProto)
            && let Some(scheme) = last_value(headers, "x-forwarded-proto")
        {
            client.scheme = read_scheme(&scheme);
        }
        if self.reads(ProxyHeader::XForwardedHost) {
            client.host = last_value(headers, "x-forwarded-host").or(client.host);
        }
        if self.reads(ProxyHeader::XForwardedPrefix) {
            let prefix = last_value(headers, "x-forwarded-prefix").filter(|prefix| prefix.starts_with('/'));
            client.prefix = prefix.unwrap_or_default().trim_end_matches('/').to_owned();
        }
        client
    }

    /// Reads `Forwarded`. Each proxy adds an element about the request that it got. From the last one on, those
    /// are skipped that name a trusted proxy, since that one has added the element before.
    ///
    /// The list is split at every comma, also inside of quotes: no value that counts here has one, and a quote that a
    /// client has opened must not hide what a proxy has added.
    fn read_forwarded(&self, text: &str, client: &mut Peer) {
        let elements: Vec<&str> = text.split(',').collect();
        let names_no_proxy = |element: &&&str| {
            !self.is_named_proxy(find_field(element, "for").map(strip_port).unwrap_or_default())
        };
        let Some(element) = elements.iter().rfind(names_no_proxy).or(elements.first()) else { return };
        if let Some(address) = find_field(element, "for").map(strip_port)
            && !self.is_named_proxy(address)
        {
            set_address(client, address);
        }
        if let Some(scheme) = find_field(element, "proto") {
            client.scheme = read_scheme(scheme);
        }
        client.host = find_field(element, "host").filter(|host| !host.is_empty()).map(str::to_owned);
    }
}

/// All values of a header, as one list.
pub(crate) fn join_list(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// The last element of a header's list: the one that the nearest proxy has set. `None` if it is empty.
fn last_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let list = join_list(headers, name);
    let last = list.rsplit(',').next().map(str::trim).unwrap_or_default();
    (!last.is_empty()).then(|| last.to_owned())
}

/// Finds a parameter of an element of `Forwarded`.
fn find_field<'a>(element: &'a str, wanted: &str) -> Option<&'a str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    Some(value.trim().trim_matches('"'))
}

fn read_scheme(text: &str) -> &'static str {
    if text.eq_ignore_ascii_case("https") { "https" } else { "http" }
}

fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Sets the client's address. A proxy may name none: `unknown`, or a name that it has made up (RFC 7239, section 6).
fn set_address(client: &mut Peer, text: &str) {
    if let Some(address) = parse_address(text) {
        client.address = address.to_string();
        client.port.clear();
    }
}

/// Removes port and brackets: `192.0.2.1:80`, `[2001:db8::1]:80`.
fn strip_port(text: &str) -> &str {
    let text = text.trim();
    if let Some((address, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{HeaderName, HeaderValue};

    use super::{Peer, ProxyAddress, ProxyHeader, TrustedProxies};

    const ALL: [ProxyHeader; 5] = [
        ProxyHeader::XForwardedFor,
        ProxyHeader::XForwardedProto,
        ProxyHeader::XForwardedHost,
        ProxyHeader::XForwardedPrefix,
        ProxyHeader::Forwarded,
    ];

    fn resolve_with(
        peer: &Peer,
        trusted: &[&str],
        read: &[ProxyHeader],
        headers: &[(&'static str, &'static str)],
    ) -> Peer {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let trusted: Vec<String> = trusted.iter().map(|address| (*address).to_owned()).collect();
        TrustedProxies::parse(&trusted, read).unwrap().resolve_client(peer, &all)
    }

    fn resolve(
        peer: &Peer,
        trusted: &[&str],
        headers: &[(&'static str, &'static str)],
    ) -> (String, String, &'static str) {
        let peer = resolve_with(peer, trusted, &ALL[..2], headers);
        assert_eq!((peer.host, peer.prefix), (None, String::new()));
        (peer.address, peer.port, peer.scheme)
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
        let trusted = ["unix", "10.0.0.0/8"];
        let chain = [("x-forwarded-for", "6.6.6.6, 198.51.100.1:99"), ("x-forwarded-for", " 10.0.0.1 ,")];
        assert_eq!(resolve(&peer, &trusted, &chain), client("198.51.100.1", "", "http"));
        let only_proxies = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "http, https")];
        assert_eq!(resolve(&peer, &trusted, &only_proxies), client("", "", "https"));
        let other_scheme = [("x-forwarded-proto", "https, ftp")];
        assert_eq!(resolve(&peer, &trusted, &other_scheme), client("", "", "http"));
    }

    #[test]
    fn a_network_contains_what_begins_with_its_bits() {
        for (network, address, expected) in [
            ("10.1.0.0/16", "10.1.2.3", true),
            ("10.1.0.0/16", "10.2.2.3", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "", false),
            ("10.0.0.0/8", "unknown", false),
            ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("unix", "", true),
            ("unix", "10.0.0.1", false),
        ] {
            assert_eq!(
                ProxyAddress::parse(network).unwrap().contains(address),
                expected,
                "{network} {address}"
            );
        }
        for text in
            ["10.0.0.0/33", "::/129", "10.0.0", "proxy.example", "10.0.0.0/", "::ffff:10.0.0.0/104", ""]
        {
            assert_eq!(ProxyAddress::parse(text), None, "{text}");
            assert_eq!(TrustedProxies::parse(&[text.to_owned()], &ALL).unwrap_err(), text);
        }
    }

    #[test]
    fn host_and_prefix_are_read_only_if_they_are_named() {
        let peer = Peer::from_unix_socket();
        let headers = [("x-forwarded-host", "a.example, b.example"), ("x-forwarded-prefix", "/shop/")];
        let read = resolve_with(&peer, &["unix"], &ALL, &headers);
        assert_eq!((read.host.as_deref(), read.prefix.as_str()), (Some("b.example"), "/shop"));
        let without = resolve_with(&peer, &["unix"], &ALL[..2], &headers);
        assert_eq!((without.host, without.prefix.as_str()), (None, ""));
        let no_path = resolve_with(&peer, &["unix"], &ALL, &[("x-forwarded-prefix", "shop")]);
        assert_eq!(no_path.prefix, "");
    }

    #[test]
    fn forwarded_names_address_scheme_and_host() {
        let peer = Peer::from_unix_socket();
        let trusted = ["unix", "10.0.0.1"];
        let read = |text| resolve_with(&peer, &trusted, &[ProxyHeader::Forwarded], &[("forwarded", text)]);
        let whole = read(
            "for=6.6.6.6, For=\"[2001:db8::1]:80\"; proto=HTTPS;host=a.example, for=10.0.0.1;proto=http",
        );
        assert_eq!((whole.address.as_str(), whole.scheme), ("2001:db8::1", "https"));
        assert_eq!(whole.host.as_deref(), Some("a.example"));
        // The proxy names no client, but says how the request reached it.
        let unnamed = read("proto=https;host=a.example");
        assert_eq!((unnamed.address.as_str(), unnamed.scheme), ("", "https"));
        assert_eq!(unnamed.host.as_deref(), Some("a.example"));
        let only_proxies = read("for=10.0.0.1;proto=https");
        assert_eq!((only_proxies.address.as_str(), only_proxies.scheme), ("", "https"));
        assert_eq!(read(""), peer);
        assert_eq!(read("for=6.6.6.6, for=_hidden").address, "");
        // A client cannot hide the proxy's element behind a quote.
        assert_eq!(read("for=\"6.6.6.6, for=192.0.2.1").address, "192.0.2.1");
    }

    #[test]
    fn a_client_without_an_address_has_that_of_the_peer() {
        let peer = Peer::from_address("10.0.0.1:4711".parse().unwrap());
        for text in ["6.6.6.6, unknown", "a\" b", "1.2.3.4.5"] {
            assert_eq!(
                resolve(&peer, &["10.0.0.1"], &[("x-forwarded-for", text)]),
                client("10.0.0.1", "4711", "http"),
                "{text}"
            );
        }
    }
}
