//! `wsgiaudit serve --proxy-protocol`.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::support::server::{Server, fails};

const APPLICATION: &str = r#"
def application(environ, start_response):
    names = ["REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme"]
    start_response("200 OK", [])
    return [" ".join(environ.get(name) or "-" for name in names).encode()]
"#;

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";

/// Version 2, with a command and a family, and the rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 80];

fn ask(server: &Server, header: &[u8]) -> String {
    server.raw(&[header, REQUEST].concat())
}

#[test]
fn a_trusted_proxy_names_the_client_of_a_connection() {
    let server = Server::start(APPLICATION, &["--proxy", "127.0.0.1", "--proxy-protocol"]);
    let tls = [&IPV4[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    for (header, said) in [
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 80\r\n".to_vec(), "192.0.2.1 4660 http"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 4660 80\r\n".to_vec(), "2001:db8::1 4660 http"),
        (binary(0x21, 0x11, &IPV4), "192.0.2.1 4660 http"),
        (binary(0x21, 0x11, &tls), "192.0.2.1 4660 https"),
        // What the proxy does for itself: the client is the proxy, whose headers count.
        (b"PROXY UNKNOWN\r\n".to_vec(), "6.6.6.6 - http"),
        (binary(0x20, 0x00, &[]), "6.6.6.6 - http"),
    ] {
        let answer = ask(&server, &header);
        assert!(
            answer.ends_with(&format!("\r\n\r\n{said}")),
            "{:?}: {answer}",
            String::from_utf8_lossy(&header)
        );
    }
    // In pieces, and with two requests on the connection.
    let mut stream = server.connect();
    for byte in b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    stream.write_all(REQUEST).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("192.0.2.1 4660 http").count(), 2, "{answers}");
}

#[test]
fn a_header_of_another_peer_is_no_request() {
    let server = Server::start(APPLICATION, &["--proxy", "192.0.2.7", "--proxy-protocol"]);
    for header in [b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 80\r\n".to_vec(), binary(0x21, 0x11, &IPV4)] {
        let answer = ask(&server, &header);
        assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{answer}");
    }
    assert!(ask(&server, b"").contains("\r\n\r\n127.0.0.1 "));
}

#[test]
fn a_hostile_header_is_refused_at_once() {
    let options =
        ["--proxy", "127.0.0.1", "--proxy-protocol", "--access-log", "access", "--head-timeout", "2"];
    let server = Server::start(APPLICATION, &options);
    let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
    let hostile = [
        REQUEST.to_vec(),
        b"PROXY TCP4 999.0.2.1 198.51.100.1 4660 80\r\n".to_vec(),
        long,
        binary(0x21, 0x51, &IPV4),
        binary(0x21, 0x11, &IPV4[..8]),
        [&binary(0x21, 0x11, &[])[..14], &[0xff, 0xff]].concat(),
    ];
    let count = hostile.len();
    for header in hostile {
        let answer = server.raw(&header);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{:?}: {answer}", String::from_utf8_lossy(&header));
    }
    // One that never ends, and one that ends too early.
    let started = Instant::now();
    assert_eq!(server.raw(b"PROXY TCP4 192."), "");
    assert!(started.elapsed() < Duration::from_secs(20));
    let stream = server.connect();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(ask(&server, b"PROXY UNKNOWN\r\n").contains(" 200 OK"));
    let access = server.folder().join("access");
    let (status, log) = server_ended(server, &access);
    assert_eq!(status, 0);
    assert_eq!(log.matches("PROXY protocol header").count(), count, "{log}");
}

/// The exit status, and what is in a file at the end.
fn server_ended(mut server: Server, file: &std::path::Path) -> (i32, String) {
    server.signal("TERM");
    let status = server.ended();
    (status, std::fs::read_to_string(file).unwrap())
}

#[test]
fn it_needs_proxies() {
    let (status, log) = fails(APPLICATION, &["--proxy-protocol"]);
    assert_eq!(status, Some(2));
    assert!(log.contains("--proxy-protocol has no effect without --proxy <ADDRESS>"), "{log}");
}
