//! `wsgiaudit serve` under a million requests, of which some break off, crawl, are too large, or are no HTTP: no crash,
//! no leak, and no answer that is another request's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::server::Server;

const APPLICATION: &str = r#"
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/large":
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(64))
    body = environ["wsgi.input"].read() or path.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;

const REQUESTS: u64 = 1_000_000;
const CLIENTS: u64 = 8;
/// Each of so many is ill-behaved.
const ONE_OF: u64 = 100;
/// What the process may grow by after a tenth of the requests: allocators keep some.
const GROWTH: u64 = 16 << 20;

struct Client<'a> {
    server: &'a Server,
    stream: BufReader<TcpStream>,
}

impl<'a> Client<'a> {
    fn new(server: &'a Server) -> Self {
        let stream = server.connect();
        stream.set_nodelay(true).unwrap();
        Self { server, stream: BufReader::new(stream) }
    }

    fn renew(&mut self) {
        *self = Self::new(self.server);
    }

    fn send(&mut self, bytes: &[u8]) {
        // A server that has refused already may have closed.
        drop(self.stream.get_mut().write_all(bytes));
    }

    /// Status and body of an answer with a length.
    fn receive(&mut self) -> (u16, Vec<u8>) {
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let text = line.trim_end();
            if let Some(rest) = text.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = text.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            } else if text.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status, body)
    }

    /// Everything until the server closes.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        drop(self.stream.read_to_end(&mut rest));
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// A request with its number, by `GET` or as a body.
    fn well(&mut self, number: u64) {
        if number.is_multiple_of(4) {
            let body = format!("body-{number}");
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            self.send(format!("{head}{body}").as_bytes());
            assert_eq!(self.receive(), (200, body.into_bytes()));
        } else {
            self.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            assert_eq!(self.receive(), (200, format!("/{number}").into_bytes()));
        }
    }

    /// One that is not as it should be, on the connection that others used before.
    fn ill(&mut self, number: u64) {
        match (number / ONE_OF) % 8 {
            // Leaves without reading, in the middle of a head, of a body, of an answer.
            0 => self.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()),
            1 => self.send(b"GET /half HTTP/1.1\r\nHo"),
            2 => self.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"),
            3 => {
                self.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
                let mut some = [0; 1000];
                self.stream.read_exact(&mut some).unwrap();
            }
            // Takes its time.
            4 => {
                self.send(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                std::thread::sleep(Duration::from_millis(20));
                assert!(self.rest().len() > 64 * 65536);
            }
            // Too large a head, too large a body, and no HTTP.
            5 => {
                let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(200_000));
                self.send(head.as_bytes());
                let answer = self.rest();
                assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
            }
            6 => {
                self.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
                let answer = self.rest();
                assert!(answer.starts_with("HTTP/1.1 413"), "{answer:?}");
            }
            _ => {
                self.send(b"\x16\x03\x01 no HTTP\r\n\r\n");
                let answer = self.rest();
                assert!(answer.starts_with("HTTP/1.1 400"), "{answer:?}");
            }
        }
        self.renew();
    }
}

fn resident(server: &Server) -> u64 {
    server.metrics()["process"]["resident_memory_bytes"].as_f64().unwrap() as u64
}

#[test]
fn a_million_requests_leave_nothing_behind() {
    let args = ["--interpreters", "2", "--threads", "4", "--max-body", "1000000"];
    let server = Server::with_metrics(APPLICATION, &args);
    let (done, warm) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, done, warm) = (&server, &done, &warm);
            scope.spawn(move || {
                let mut connection = Client::new(server);
                for number in (client..REQUESTS).step_by(usize::try_from(CLIENTS).unwrap()) {
                    match number % ONE_OF {
                        0 => connection.ill(number),
                        _ => connection.well(number),
                    }
                    if done.fetch_add(1, Ordering::Relaxed) == REQUESTS / 10 {
                        warm.store(resident(server), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (before, after) = (warm.into_inner(), resident(&server));
    assert!(after < before + GROWTH, "{before} bytes after a tenth, {after} in the end");
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    assert!(!log.contains("panicked") && !log.contains("the server process ended"), "{log}");
    let answered = REQUESTS - REQUESTS / ONE_OF;
    let said = log.lines().find_map(|line| line.split_once("group default: ")?.1.split(' ').next()).unwrap();
    assert!(said.parse::<u64>().unwrap() >= answered, "{log}");
}
