//! `wsgiaudit serve`: what `docs/http.md` says is answered to each request.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::support::server::Server;

const APPLICATION: &str = "
def application(environ, start_response):
    environ['wsgi.input'].read()
    start_response('200 OK', [])
    return [b'ok']
";

/// The bytes that a cell of the table stands for.
fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(letter) = rest.chars().next() {
        let (byte, length) = match rest.get(..2) {
            Some("\\r") => (b'\r', 2),
            Some("\\n") => (b'\n', 2),
            Some("\\x") => (u8::from_str_radix(&rest[2..4], 16).unwrap(), 4),
            Some(_) | None => (u8::try_from(letter).unwrap(), 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

/// The rows of the table: request and expected statuses.
fn rows() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md")).unwrap();
    let (table, _) = page.split_once("## Deviations").unwrap();
    // The first row has the titles of the columns.
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1).map(|line| {
        let (_, cells) = line.split_once(" | `").unwrap();
        let (request, expected) = cells.split_once("` | ").unwrap();
        (request.to_owned(), expected.trim_end_matches(" |").to_owned())
    });
    rows.collect()
}

#[test]
fn every_request_of_the_table_is_answered_as_it_says() {
    let server = Server::start(APPLICATION, &[]);
    let rows = rows();
    assert!(rows.len() > 40, "{rows:?}");
    let mut wrong = Vec::new();
    for (request, expected) in rows {
        let mut stream = server.connect();
        stream.write_all(&unescape(&request)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let statuses: Vec<&str> =
            answer.match_indices("HTTP/1.").filter_map(|(at, _)| answer.get(at + 9..at + 12)).collect();
        let found = if statuses.is_empty() { "-".to_owned() } else { statuses.join(" ") };
        if found != expected {
            wrong.push(format!("{request}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!server.log().contains("Traceback"), "{}", server.log());
}

#[test]
fn the_target_names_the_host() {
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [])\n    return [environ['HTTP_HOST'].encode()]\n";
    let server = Server::start(source, &[]);
    let answer = server.raw(b"GET http://b:81/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\nb:81"), "{answer}");
}
