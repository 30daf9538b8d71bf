//! The PROXY protocol, versions 1 and 2: what a proxy says about a connection before its first byte
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).

use std::net::{IpAddr, SocketAddr};

use ppp::{v1, v2};
use thiserror::Error;

use crate::peer::Peer;

/// How many bytes tell the version. No header is shorter.
const HEAD_SIZE: usize = 12;

/// What version 1 begins with.
const VERSION_1: &[u8] = b"PROXY ";

/// What version 2 begins with.
const VERSION_2: &[u8; HEAD_SIZE] = b"\r\n\r\n\0\r\nQUIT\n";

/// Size of version 2 up to its length.
const FIXED_SIZE: usize = 16;

/// Maximum size of version 1, with its line end.
const MAX_LINE: usize = 107;

/// Maximum size of what follows the fixed part of version 2. The addresses take at most 216 bytes; extensions such as
/// certificates of clients follow them.
const MAX_EXTENSIONS: usize = 4096;

/// Type of an extension with TLS information, and its flag for a client that used TLS.
const SSL: (u8, u8) = (0x20, 0x01);

/// Why a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxyProtocolError {
    /// It begins otherwise.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// It is larger than allowed.
    #[error("the PROXY protocol header is too long")]
    TooLong,
    /// It is malformed.
    #[error("the PROXY protocol header is malformed")]
    Malformed,
}

/// What is known of a header from its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyHeaderState {
    /// At least this many bytes of it are missing.
    Incomplete(usize),
    /// It is complete. `None`: it names no client, so the client is the peer.
    Complete(Option<Peer>),
}

/// Reads a header from the bytes that have arrived: never more than [`ProxyHeaderState::Incomplete`] has asked for.
///
/// # Errors
/// If it is none, or is malformed or too long.
pub fn read_proxy_header(bytes: &[u8]) -> Result<ProxyHeaderState, ProxyProtocolError> {
    let begins = |head: &[u8]| bytes.iter().zip(head).all(|(byte, other)| byte == other);
    match (begins(VERSION_1), begins(VERSION_2)) {
        (false, false) => Err(ProxyProtocolError::Missing),
        _ if bytes.len() < HEAD_SIZE => Ok(ProxyHeaderState::Incomplete(HEAD_SIZE - bytes.len())),
        (true, _) => read_line(bytes),
        (false, true) => read_binary(bytes),
    }
}

/// Reads version 1: a line.
fn read_line(bytes: &[u8]) -> Result<ProxyHeaderState, ProxyProtocolError> {
    if !bytes.ends_with(b"\r\n") {
        return match bytes.len() < MAX_LINE {
            true => Ok(ProxyHeaderState::Incomplete(1)),
            false => Err(ProxyProtocolError::TooLong),
        };
    }
    let header = v1::Header::try_from(bytes).map_err(|_| ProxyProtocolError::Malformed)?;
    let client = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(pair) => Some((IpAddr::V4(pair.source_address), pair.source_port)),
        v1::Addresses::Tcp6(pair) => Some((IpAddr::V6(pair.source_address), pair.source_port)),
    };
    Ok(ProxyHeaderState::Complete(client.map(|from| Peer::from_address(from.into()))))
}

/// Reads version 2.
fn read_binary(bytes: &[u8]) -> Result<ProxyHeaderState, ProxyProtocolError> {
    let Some(&[high, low]) = bytes.get(FIXED_SIZE - 2..FIXED_SIZE) else {
        return Ok(ProxyHeaderState::Incomplete(FIXED_SIZE - bytes.len()));
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > MAX_EXTENSIONS {
        return Err(ProxyProtocolError::TooLong);
    }
    let missing = (FIXED_SIZE + rest).saturating_sub(bytes.len());
    if missing > 0 {
        return Ok(ProxyHeaderState::Incomplete(missing));
    }
    let header = v2::Header::try_from(bytes).map_err(|_| ProxyProtocolError::Malformed)?;
    let client: Option<SocketAddr> = match (header.command, header.addresses) {
        // A connection of the proxy itself, such as a check of health.
        (v2::Command::Local, _) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(pair)) => {
            Some((pair.source_address, pair.source_port).into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(pair)) => {
            Some((pair.source_address, pair.source_port).into())
        }
        (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    };
    let mut is_tls = false;
    for extension in header.tlvs() {
        let extension = extension.map_err(|_| ProxyProtocolError::Malformed)?;
        let flags = extension.value.first().copied().unwrap_or_default();
        is_tls |= extension.kind == SSL.0 && flags & SSL.1 != 0;
    }
    let scheme = if is_tls { "https" } else { "http" };
    Ok(ProxyHeaderState::Complete(client.map(|from| Peer { scheme, ..Peer::from_address(from) })))
}

#[cfg(test)]
mod tests {
    use super::{ProxyHeaderState, ProxyProtocolError, read_proxy_header};
    use crate::peer::Peer;

    /// Reads a header as from a connection that has more after it. Returns the client and how many bytes were read.
    fn read(bytes: &[u8]) -> Result<(Option<Peer>, usize), ProxyProtocolError> {
        let mut length = 0;
        loop {
            match read_proxy_header(&bytes[..length])? {
                ProxyHeaderState::Complete(client) => return Ok((client, length)),
                ProxyHeaderState::Incomplete(more) => {
                    assert!(more > 0);
                    length += more;
                    assert!(length <= bytes.len(), "it asks for more than there is");
                }
            }
        }
    }

    /// Version 2 with this command, family and rest.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
    }

    fn address(client: Option<Peer>) -> Option<(String, String, &'static str)> {
        client.map(|peer| (peer.address, peer.port, peer.scheme))
    }

    #[test]
    fn a_line_names_the_client_and_nothing_after_it_is_read() {
        for (line, client) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Some(("192.0.2.1", "56324"))),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", Some(("2001:db8::1", "1"))),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Some(("192.0.2.1", "1"))),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        ] {
            let whole = format!("{line}GET / HTTP/1.1\r\n\r\n");
            let (found, length) = read(whole.as_bytes()).unwrap();
            assert_eq!(length, line.len(), "{line}");
            let expected = client.map(|(address, port)| (address.to_owned(), port.to_owned(), "http"));
            assert_eq!(address(found), expected, "{line}");
        }
    }

    #[test]
    fn a_binary_header_names_the_client_and_whether_it_used_tls() {
        let ipv4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 80];
        let ipv6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 9, 0, 80]].concat();
        let tls = [&ipv4[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        let no_tls = [&ipv4[..], &[0x20, 0, 5, 2, 0, 0, 0, 0], &[4, 0, 1, 0]].concat();
        for (header, client) in [
            (binary(0x21, 0x11, &ipv4), Some(("192.0.2.1", "4660", "http"))),
            (binary(0x21, 0x21, &ipv6), Some(("2001:db8::1", "9", "http"))),
            (binary(0x21, 0x11, &tls), Some(("192.0.2.1", "4660", "https"))),
            (binary(0x21, 0x11, &no_tls), Some(("192.0.2.1", "4660", "http"))),
            (binary(0x20, 0x11, &ipv4), None),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x21, 0x00, &[]), None),
            (binary(0x21, 0x31, &[b'x'; 216]), None),
        ] {
            let whole = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            let (found, length) = read(&whole).unwrap();
            let expected =
                client.map(|(address, port, scheme)| (address.to_owned(), port.to_owned(), scheme));
            assert_eq!((length, address(found)), (header.len(), expected), "{header:?}");
        }
    }

    #[test]
    fn hostile_headers_are_refused_without_reading_on() {
        let long = format!("PROXY TCP4 {}", "1".repeat(200));
        let ipv4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 80];
        let extension = [&ipv4[..], &[0x20, 0xff, 0xff, 1]].concat();
        for (bytes, expected) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), ProxyProtocolError::Missing),
            (b"PROXYTCP4 1.1.1.1".to_vec(), ProxyProtocolError::Missing),
            (b"\r\n\r\n\0\r\nQUIX\n".to_vec(), ProxyProtocolError::Missing),
            (b"PROXY TCP4 a b 1 2\r\n".to_vec(), ProxyProtocolError::Malformed),
            (b"PROXY TCP4 192.0.2.1 192.0.2.1 99999 2\r\n".to_vec(), ProxyProtocolError::Malformed),
            (b"PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n".to_vec(), ProxyProtocolError::Malformed),
            (b"PROXY UDP4 192.0.2.1 192.0.2.1 1 2\r\n".to_vec(), ProxyProtocolError::Malformed),
            (b"PROXY TCP4 192.0.2.1 192.0.2.1 1\r\n".to_vec(), ProxyProtocolError::Malformed),
            (b"PROXY TCP4 192.0.2.1\xff 192.0.2.1 1 2\r\n".to_vec(), ProxyProtocolError::Malformed),
            (long.into_bytes(), ProxyProtocolError::TooLong),
            (binary(0x11, 0x11, &ipv4), ProxyProtocolError::Malformed),
            (binary(0x22, 0x11, &ipv4), ProxyProtocolError::Malformed),
            (binary(0x21, 0x51, &ipv4), ProxyProtocolError::Malformed),
            (binary(0x21, 0x11, &ipv4[..8]), ProxyProtocolError::Malformed),
            (binary(0x21, 0x11, &extension), ProxyProtocolError::Malformed),
            (binary(0x21, 0x11, &[0; 5000])[..16].to_vec(), ProxyProtocolError::TooLong),
        ] {
            assert_eq!(read(&bytes).unwrap_err(), expected, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
