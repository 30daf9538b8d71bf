//! `wsgiaudit serve`: slow clients, malformed requests, and responses that fail.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::support::server::Server;

const APPLICATION: &str = include_str!("../fixtures/applications/clients.py");

fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The answer to a request that is sent in these pieces.
fn send_slowly(server: &Server, pieces: &[&[u8]], pause: Duration) -> String {
    let mut stream = server.connect();
    for piece in pieces {
        if stream.write_all(piece).is_err() {
            break;
        }
        std::thread::sleep(pause);
    }
    read_all(stream)
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}

#[test]
fn a_slow_body_keeps_no_thread_and_is_no_fault_of_the_application() {
    let server = Server::start(APPLICATION, &["--threads", "1", "--request-timeout", "1"]);
    let process = server.get("/process").1;
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\na";
    let slow: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(2500));
    let began = Instant::now();
    assert_eq!(server.get("/process").1, process);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(!server.log().contains("called: /echo"), "{}", server.log());
    for mut stream in slow {
        stream.write_all(b"bcd").unwrap();
        assert!(read_all(stream).ends_with("\r\n\r\nabcd"));
    }
    assert_eq!(server.get("/process").1, process);
    // Requests that wait for the thread are not late: each has its time from when it is taken.
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| server.get("/wait?0.6").0)).collect();
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap() == 200), "{}", server.log());
    });
    assert_eq!(server.get("/process").1, process);
    assert_eq!(server.get("/wait?5").0, 504);
}

#[test]
fn requests_behind_a_thread_that_hangs_are_not_lost() {
    let server = Server::start(APPLICATION, &["--request-timeout", "1", "--drain", "3"]);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| server.get("/wait?600").0);
        std::thread::sleep(Duration::from_millis(300));
        let behind: Vec<_> = (0..5).map(|_| scope.spawn(|| server.get("/process").0)).collect();
        assert_eq!(hanging.join().unwrap(), 504);
        assert!(behind.into_iter().all(|thread| thread.join().unwrap() == 503), "{}", server.log());
    });
}

#[test]
fn a_body_that_is_too_slow_is_given_up() {
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
    let drip: Vec<&[u8]> = std::iter::once(&head[..]).chain((0..20).map(|_| &b"x"[..])).collect();
    let pause = Duration::from_millis(200);
    for options in [
        &["--stall-timeout", "0.1"][..],
        &["--body-timeout", "1"],
        &["--stall-timeout", "1", "--body-rate", "1000"],
    ] {
        let server = Server::start(APPLICATION, options);
        let began = Instant::now();
        let answer = send_slowly(&server, &drip, pause);
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{options:?}: {answer}");
        assert!(began.elapsed() < Duration::from_secs(8), "{options:?}: {:?}", began.elapsed());
        assert!(!server.log().contains("called:"), "{}", server.log());
    }
    let patient = Server::start(APPLICATION, &["--stall-timeout", "5", "--body-rate", "0"]);
    let whole = [&drip[..1], &[&[b'x'; 80]], &drip[1..]].concat();
    let mut stream = patient.connect();
    for piece in whole {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(read_all(stream).ends_with(&"x".repeat(100)));
}

#[test]
fn a_large_body_goes_to_a_file_and_a_chunked_one_gets_its_length() {
    let server = Server::start(APPLICATION, &["--body-memory", "1000"]);
    for size in [0, 1, 999, 1000, 1001, 300_000] {
        let body = "0123456789".repeat(size / 10 + 1)[..size].to_owned();
        let file = server.folder().join("body");
        fs::write(&file, &body).unwrap();
        let body_option = format!("@{}", file.display());
        for options in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
            let options = [options, &["-i", "--data-binary", &body_option]].concat();
            let answer = server.curl(&options, "/echo");
            let (head, answered) = answer.rsplit_once("\r\n\r\n").unwrap();
            assert!(answered == body, "{size} {options:?}: {}", answered.len());
            assert!(head.contains(&format!("x-length: {size}")), "{size} {options:?}: {head}");
        }
    }
}

#[test]
fn a_client_may_close_its_half_of_the_connection() {
    let server = Server::start(APPLICATION, &[]);
    for sent in [
        &b"GET /wait?0.3 HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"GET /host HTTP/1.1\r\nHost: done\r\n\r\nGET /wait?0.3 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\ndone\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = read_all(stream);
        assert!(answer.ends_with("done\n"), "{answer:?}");
        let requests = sent.windows(8).filter(|part| part == b"HTTP/1.1").count();
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), requests, "{answer:?}");
    }
}

#[test]
fn a_complete_body_is_delivered_if_close_raises() {
    let server = Server::start(APPLICATION, &[]);
    assert_eq!(server.get("/list-close"), (200, "whole".to_owned()));
    assert_eq!(server.get("/stream-close"), (200, "onetwo".to_owned()));
    assert_eq!(server.log().matches("ValueError: in close").count(), 2, "{}", server.log());
}

#[test]
fn what_was_given_before_an_exception_arrives_and_the_connection_is_cut() {
    let server = Server::start(APPLICATION, &["--interpreters", "2"]);
    for _ in 0..20 {
        let chunked = server.raw(&get("/later"));
        assert!(chunked.ends_with("5\r\ngiven\r\n"), "{chunked:?}");
        let sized = server.raw(&get("/later?10"));
        assert!(sized.ends_with("\r\n\r\ngiven"), "{sized:?}");
    }
    assert!(server.log().contains("ValueError: later"));
}

#[test]
fn write_discards_what_has_no_place_in_a_response() {
    let server = Server::start(APPLICATION, &[]);
    for request in [
        &b"HEAD /write HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"[..],
        &get("/write?204+No+Content"),
        &get("/write?304+Not+Modified"),
    ] {
        let answer = server.raw(request);
        assert!(answer.ends_with("\r\n\r\n") && !answer.contains("written"), "{answer:?}");
    }
    assert!(server.raw(&get("/write")).contains("written"));
    assert_eq!(server.log().matches("wrote all").count(), 4, "{}", server.log());
    assert!(!server.log().contains("Traceback"), "{}", server.log());
}

#[test]
fn a_body_that_is_malformed_or_incomplete_never_reaches_the_application() {
    let server = Server::start(APPLICATION, &[]);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in
        ["xyz\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3;a\nabc\r\n0\r\n\r\n"]
    {
        let answer = server.raw(format!("{head}{body}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{body:?}: {answer:?}");
    }
    // Uploads that break off: with the whole connection, and with one half of it.
    let sized = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc";
    for sent in [&sized[..], format!("{head}3\r\nab").as_bytes()] {
        let mut stream = server.connect();
        stream.write_all(sent).unwrap();
        drop(stream);
        let mut stream = server.connect();
        stream.write_all(sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(read_all(stream).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    }
    assert_eq!(server.get("/host").0, 200);
    let log = server.log();
    assert!(!log.contains("called: /echo") && !log.contains("Traceback"), "{log}");
}

#[test]
fn a_response_that_http_forbids_is_an_application_error_that_says_so() {
    let server = Server::start(APPLICATION, &[]);
    for (query, said) in [
        ("2000+Wow", "the status does not begin with a three-digit number and a space"),
        ("200OK", "the status does not begin with a three-digit number and a space"),
        ("200+OK&Content-Length:1&Content-Length:5", "content-length is given twice, with different values"),
        ("200+OK&Content-Type:a/b&Content-Type:a/c", "content-type is given twice, with different values"),
        ("204+No+Content&Content-Length:5", "status 204 No Content cannot have a Content-Length"),
    ] {
        assert_eq!(server.get(&format!("/head?{query}")).0, 500, "{query}");
        assert!(server.log().contains(said), "{query}: {}", server.log());
    }
    for (path, status, body) in [
        ("/head?200+OK&Content-Length:5&content-length:5", 200, "done\n"),
        ("/head?200+OK&Content-Type:a/b&Content-Type:a/b", 200, "done\n"),
        ("/head?204+No+Content&Content-Length:0", 204, ""),
        ("/keyword", 200, "accepted"),
        ("/subclasses", 200, "subclasses"),
    ] {
        assert_eq!(server.get(path), (status, body.to_owned()), "{path}: {}", server.log());
    }
    let empty = server.raw(&get("/head?204+No+Content&Content-Length:0"));
    assert!(!empty.contains("content-length"), "{empty}");
}

#[test]
fn the_limits_of_a_request_are_options() {
    let server =
        Server::start(APPLICATION, &["--max-head", "20000", "--max-target", "100", "--max-headers", "150"]);
    let with = |target: &str, lines: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n");
        server.raw(request.as_bytes())[9..12].to_owned()
    };
    assert_eq!(with(&format!("/{}", "x".repeat(99)), ""), "200");
    assert_eq!(with(&format!("/{}", "x".repeat(100)), ""), "414");
    assert_eq!(with("/", &"A: b\r\n".repeat(148)), "200");
    assert_eq!(with("/", &"A: b\r\n".repeat(149)), "431");
    assert_eq!(with("/", &"A: b\r\n".repeat(300)), "431");
    assert_eq!(with("/", &format!("A: {}\r\n", "x".repeat(15_000))), "200");
    assert_eq!(with("/", &format!("A: {}\r\n", "x".repeat(25_000))), "431");
}

#[test]
fn refused_requests_are_in_the_access_log_and_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access");
    let options = ["--access-log", log.to_str().unwrap(), "--head-timeout", "1", "--max-body", "10"];
    let server = Server::with_metrics(APPLICATION, &options);
    let host = "Host: a\r\nConnection: close\r\n";
    let requests = [
        (
            "GET /host HTTP/1.1\r\nHost: ok\r\nConnection: close\r\n\r\n".to_owned(),
            "\"GET /host HTTP/1.1\" 200 2 ",
        ),
        ("GET /none HTTP/1.1\r\n\r\n".to_owned(), "\"GET /none HTTP/1.1\" 400 "),
        ("GET /lf HTTP/1.1\nHost: a\r\n\r\n".to_owned(), "\"GET /lf HTTP/1.1\" 400 - "),
        ("\u{16}\"odd\r\n\r\n".to_owned(), "\"\\u{16}\\\"odd\" 400 - "),
        (format!("GET /large HTTP/1.1\r\nA: {}", "x".repeat(100_000)), "\"GET /large HTTP/1.1\" 431 - "),
        (format!("POST /body HTTP/1.1\r\n{host}Content-Length: 11\r\n\r\n"), "\"POST /body HTTP/1.1\" 413 "),
        ("GET /slow HTTP/1.1\r\nHo".to_owned(), "\"GET /slow HTTP/1.1\" 408 - "),
    ];
    for (request, line) in &requests {
        let answer = server.raw(request.as_bytes());
        let status = line.split("\" ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:.60?}: {answer:?}");
    }
    // A request after a good one on the same connection.
    let two = server.raw(b"GET /host HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost : a\r\n\r\n");
    assert!(two.contains(" 200 OK") && two.contains(" 400 Bad Request"), "{two}");
    let told = server.metrics();
    // All but the body that is too large, which has a group.
    assert_eq!(told["process"]["rejected_requests_total"], 6.0, "{told}");
    assert_eq!(told["groups"][0]["requests"]["4xx"], 1, "{told}");
    let (_, said) = server.stop();
    let text = fs::read_to_string(&log).unwrap();
    for (_, line) in &requests {
        assert!(text.contains(line), "no {line} in\n{text}\n{said}");
    }
    assert!(text.contains("\"GET /second HTTP/1.1\" 400 - "), "{text}");
}

#[test]
fn a_forked_child_that_leaves_the_application_ends() {
    let server = Server::start(APPLICATION, &["--mode", "main"]);
    assert_eq!(server.get("/fork?exit"), (200, "7".to_owned()));
    assert_eq!(server.get("/fork?raise"), (200, "1".to_owned()));
    assert_eq!(server.get("/fork?return"), (200, "0".to_owned()));
    assert!(server.log().contains("ValueError: in the child"), "{}", server.log());
}
