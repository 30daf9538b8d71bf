//! `wsgiaudit serve`: HTTP and WSGI.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::pythons;
use crate::support::server::{Server, fails};

/// An application with a path for each matter, `wsgiref.validate` around it.
const APPLICATION: &str = include_str!("../fixtures/applications/plain.py");

const MODES: [&[&str]; 4] = [
    &["--mode", "main", "--threads", "2"],
    &["--mode", "shared-gil"],
    &["--mode", "own-gil", "--threads", "2"],
    &["--interpreters", "3"],
];

#[test]
fn an_application_is_served_in_every_kind_of_interpreter() {
    for python in pythons::all() {
        for mode in MODES {
            let server = Server::on(&python, APPLICATION, mode);
            let what = format!("{} {mode:?}", python.version);
            for _ in 0..5 {
                assert_eq!(server.get("/hello"), (200, "hello\n".to_owned()), "{what}");
            }
            assert_eq!(server.get("/pieces"), (200, "one\ntwo\nthree\n".to_owned()), "{what}");
            assert_eq!(server.get("/write"), (200, "written, then given".to_owned()), "{what}");
            assert_eq!(server.get("/nothing").0, 404, "{what}");
            assert_eq!(server.curl(&["-d", "abc"], "/echo"), "abc", "{what}");
            let (status, log) = server.stop();
            assert_eq!(status, 0, "{what}: {log}");
            assert!(!log.contains("Traceback"), "{what}: {log}");
        }
    }
}

#[test]
fn every_interpreter_is_another_one() {
    let server = Server::start(APPLICATION, &["--interpreters", "3"]);
    let mut seen: Vec<String> = (0..200).map(|_| server.get("/interpreter").1).collect();
    seen.sort();
    seen.dedup();
    assert!(seen.len() > 1, "{seen:?}");
    assert!(seen.iter().all(|number| number != "0"), "{seen:?}");
}

#[test]
fn environ_is_as_pep_3333_wants_it() {
    let server = Server::start(APPLICATION, &["--interpreters", "2"]);
    let curl = |options: &[&str], path: &str| -> serde_json::Value {
        serde_json::from_str(&server.curl(options, path)).unwrap()
    };
    let options = [
        "-H",
        "X-Twice: a",
        "-H",
        "X-Twice: b",
        "-H",
        "X_Forged: 1",
        "-H",
        "Proxy: evil",
        "-H",
        "Content-Type: t/x",
    ];
    let environ = curl(&options, "/environ/%C3%BC%2Fx?a=%20b");
    let port = server.address.rsplit(':').next().unwrap();
    for (name, expected) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/environ/\u{c3}\u{bc}/x"),
        ("QUERY_STRING", "a=%20b"),
        ("SERVER_NAME", "127.0.0.1"),
        ("SERVER_PORT", port),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_X_TWICE", "a,b"),
        ("CONTENT_TYPE", "t/x"),
        ("wsgi.url_scheme", "http"),
        ("wsgi.multithread", "False"),
        ("wsgi.multiprocess", "True"),
        ("wsgi.run_once", "False"),
        ("wsgi.version", "(1, 0)"),
    ] {
        assert_eq!(environ[name], expected, "{name}");
    }
    for absent in ["HTTP_X_FORGED", "HTTP_PROXY", "HTTP_CONTENT_TYPE", "CONTENT_LENGTH"] {
        assert_eq!(environ[absent], serde_json::Value::Null, "{absent}");
    }
    let posted = curl(&["-d", "abc", "-H", "Content-Type: t/x"], "/environ");
    assert_eq!((&posted["CONTENT_LENGTH"], &posted["REQUEST_METHOD"]), (&"3".into(), &"POST".into()));
}

#[test]
fn heads_and_statuses_are_kept() {
    let server = Server::start(APPLICATION, &[]);
    let odd = server.curl(&["-i"], "/status");
    assert!(odd.starts_with("HTTP/1.1 299 Odd But Fine\r\n"), "{odd}");
    assert!(odd.contains("set-cookie: a=1\r\n") && odd.contains("set-cookie: b=2\r\n"), "{odd}");
    assert!(!odd.contains("keep-alive:"), "{odd}");
    // No body where HTTP allows none, and what an application says of its length stays.
    let head = server.raw(b"HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 6\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    for path in ["/204", "/304"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = server.raw(request.as_bytes());
        assert!(answer.ends_with("\r\n\r\n") && !answer.contains("chunked"), "{answer}");
    }
    let old = server.raw(b"GET /pieces HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("\r\n\r\none\ntwo\nthree\n"), "{old}");
    let two =
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(two).matches("hello\n").count(), 2);
    let expect = server.curl(&["-v", "-H", "Expect: 100-continue", "-d", "abc"], "/echo");
    assert!(expect.contains("100 Continue") && expect.contains("abc"), "{expect}");
}

#[test]
fn an_exception_is_a_500_or_a_cut_connection_never_a_whole_answer() {
    let server = Server::start(APPLICATION, &["--interpreters", "2"]);
    assert_eq!(server.get("/raise"), (500, "Internal Server Error\n".to_owned()));
    assert_eq!(server.get("/raise-handled"), (503, "handled".to_owned()));
    assert_eq!(server.get("/bad-header").0, 500);
    for (path, given) in [("/raise-late", "a"), ("/short", "12345"), ("/raise-handled-late", "a")] {
        let answer = server.curl(&[], path);
        // "transfer closed with outstanding data", after what was given.
        assert!(answer.starts_with(given) && answer.contains("curl: (18)"), "{path}: {answer}");
    }
    // PEP 3333: not more than Content-Length says.
    assert_eq!(server.get("/long"), (200, "12345".to_owned()));
    // close() is called, also where the iteration failed.
    assert_eq!(server.get("/closed").1, "2");
    let (_, log) = server.stop();
    assert!(log.contains("ValueError: on purpose") && log.contains("'GET /raise'"), "{log}");
}

#[test]
fn wsgi_input_reads_as_bytes_io_does() {
    let server = Server::start(APPLICATION, &["--interpreters", "2", "--threads", "2"]);
    compare_with_bytes_io(&server, 10_000);
    let in_a_file = Server::start(APPLICATION, &["--interpreters", "2", "--body-memory", "0"]);
    compare_with_bytes_io(&in_a_file, 3_000);
}

fn compare_with_bytes_io(server: &Server, rounds: usize) {
    let mut random = Random(7);
    let mut stream = BufReader::new(server.connect());
    for round in 0..rounds {
        let length = [0, 1, 20, 200, 2000][random.below(5)];
        let letters = b"ab\n\r\n\0\xff";
        let body: Vec<u8> = (0..random.below(length + 1)).map(|_| letters[random.below(7)]).collect();
        let operations: Vec<String> = (0..1 + random.below(8)).map(|_| operation(&mut random)).collect();
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let operations = operations.join(",");
        let mut request =
            format!("POST /parity HTTP/1.1\r\nHost: x\r\nX-Body: {hex}\r\nX-Ops: {operations}\r\n")
                .into_bytes();
        if random.below(2) == 0 {
            request.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
            request.extend(&body);
            stream.get_mut().write_all(&request).unwrap();
        } else {
            request.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut rest = body.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random.below(rest.len()));
                request.extend(format!("{:x}\r\n", piece.len()).bytes());
                request.extend(piece);
                request.extend(b"\r\n");
                rest = after;
                if random.below(20) == 0 {
                    stream.get_mut().write_all(&request).unwrap();
                    request.clear();
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            request.extend(b"0\r\n\r\n");
            stream.get_mut().write_all(&request).unwrap();
        }
        let answer = read_answer(&mut stream);
        assert_eq!(answer, "same", "round {round}: {operations} on {hex}");
    }
}

/// A call of `wsgi.input`, as the application reads it.
fn operation(random: &mut Random) -> String {
    let sizes = ["", "None", "-1", "0", "1", "2", "3", "7", "100", "5000"];
    let size = sizes[random.below(sizes.len())];
    match random.below(5) {
        0 => format!("read:{size}"),
        1 => format!("readline:{size}"),
        2 => format!("readlines:{size}"),
        3 => "next:".to_owned(),
        _ => format!("readinto:{}", random.below(50)),
    }
}

#[test]
fn large_bodies_stream_both_ways() {
    let server = Server::start(APPLICATION, &["--interpreters", "2"]);
    let file = server.folder().join("large");
    let bytes: Vec<u8> =
        (0..5_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&file, &bytes).unwrap();
    let upload = format!("@{}", file.display());
    let back = server.folder().join("back");
    for options in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let options = [options, &["--data-binary", &upload, "-o", back.to_str().unwrap()]].concat();
        assert_eq!(server.curl(&options, "/stream-back"), "");
        assert!(std::fs::read(&back).unwrap() == bytes, "{options:?}");
    }
    let refused = Server::start(APPLICATION, &["--max-body", "1000"]);
    let answer = refused.curl(&["-i", "--data-binary", &upload], "/echo");
    assert!(answer.contains("413 Payload Too Large"), "{answer}");
    assert!(says_that_it_closes(&answer), "{answer}");
    let chunked = ["-i", "-H", "Transfer-Encoding: chunked", "--data-binary", &upload];
    assert!(!refused.curl(&chunked, "/echo").contains("200 OK"));
}

#[test]
fn a_client_that_leaves_ends_its_answer_and_close_is_called() {
    let mut server = Server::start(APPLICATION, &[]);
    let mut stream = server.connect();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    server.wait_for("endless was closed");
    assert_eq!(server.get("/hello").0, 200);
}

#[test]
fn applications_are_found_by_module_file_and_factory() {
    let python = pythons::all().remove(0).executable;
    for application in [
        "app",
        "app:application",
        "app:inner.nested",
        "app:create_app()",
        "./app.py",
        "./app.py:create_app()",
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
        let args =
            ["-e", python.to_str().unwrap(), "--bind", "127.0.0.1:0", "--interpreters", "2", application];
        assert_eq!(Server::spawn(folder, &args).get("/hello").1, "hello\n", "{application}");
    }
}

#[test]
fn what_cannot_be_served_is_said() {
    for (source, expected) in [
        ("raise RuntimeError('no database')", "RuntimeError: no database"),
        ("application = 3", "is not callable: it is of type int"),
        ("", "has no attribute 'application'"),
        ("import absent_module", "No module named 'absent_module'"),
    ] {
        for mode in [&["--mode", "main"][..], &["--interpreters", "2"]] {
            let (status, log) = fails(source, mode);
            assert_eq!(status, Some(2), "{log}");
            assert!(log.contains(expected), "{log}");
        }
    }
    let (status, log) = fails("", &["--mode", "main", "--interpreters", "2"]);
    assert!(status == Some(2) && log.contains("need the mode own-gil"), "{log}");
}

#[test]
fn sigterm_under_load_loses_no_request() {
    let mut server = Server::start(APPLICATION, &["--interpreters", "2"]);
    let (address, stop) = (server.address.clone(), AtomicBool::new(false));
    let (answered, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut stream) =
                        TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(3))
                    else {
                        break;
                    };
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    let mut answer = String::new();
                    let asked =
                        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                    let read = asked.and_then(|()| stream.read_to_string(&mut answer));
                    let is_whole =
                        read.is_ok() && answer.contains("slow\n") && answer.ends_with("\r\n0\r\n\r\n");
                    if is_whole { &answered } else { &lost }.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(700));
        server.signal("TERM");
        assert_eq!(server.ended(), 0, "{}", server.log());
        stop.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > 20, "{answered:?}");
    assert_eq!(lost.load(Ordering::Relaxed), 0, "{answered:?}");
}

#[test]
fn sighup_starts_anew_and_loses_no_request() {
    let mut server = Server::start(APPLICATION, &["--interpreters", "2"]);
    let stop = AtomicBool::new(false);
    let lost = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut stream = server.connect();
                    let mut answer = String::new();
                    let asked =
                        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                    let read = asked.and_then(|()| stream.read_to_string(&mut answer));
                    if read.is_err() || !answer.ends_with("slow\n\r\n0\r\n\r\n") {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let first = server.get("/process").1;
        server.signal("HUP");
        let started = Instant::now();
        while server.get("/process").1 == first {
            assert!(started.elapsed() < Duration::from_secs(30), "{}", server.log());
        }
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(lost.load(Ordering::Relaxed), 0, "{}", server.log());
    // What does not start does not end what runs.
    std::fs::write(server.folder().join("app.py"), "raise ValueError('broken by an edit')").unwrap();
    server.signal("HUP");
    server.wait_for("the old one continues");
    assert_eq!(server.get("/hello").0, 200);
    assert!(server.log().contains("broken by an edit"));
}

#[test]
fn a_unix_socket_serves_and_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    let python = pythons::all().remove(0).executable;
    let server = Server::spawn(folder, &["-e", python.to_str().unwrap(), "--bind", "unix:socket", "app"]);
    let socket = server.folder().join("socket");
    let output = std::process::Command::new("curl")
        .args(["-sS", "--unix-socket", socket.to_str().unwrap(), "http://x/hello"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
    server.signal("TERM");
    let started = Instant::now();
    while socket.exists() {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The body of the next answer on a connection, which says its length.
fn read_answer(stream: &mut BufReader<TcpStream>) -> String {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the server hung up");
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

/// Whether an answer says that the connection ends: a client must not send another request on it.
fn says_that_it_closes(answer: &str) -> bool {
    let (head, _) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    head.lines().any(|line| line.eq_ignore_ascii_case("connection: close"))
}

/// The same sequence in every run (a linear congruential generator).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

#[test]
fn what_is_no_http_is_told_so() {
    let server = Server::start("def application(environ, start_response): raise SystemError", &[]);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(100_000));
    for (request, status) in [
        ("\u{16}\u{3}\u{1} no HTTP\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nno header\r\n\r\n", "HTTP/1.1 400"),
        ("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", "HTTP/1.1 400"),
        (&large, "HTTP/1.1 431"),
    ] {
        let answer = server.raw(request.as_bytes());
        assert!(
            answer.starts_with(status),
            "{}: {answer:?}",
            request.escape_debug().take(60).collect::<String>()
        );
        assert!(says_that_it_closes(&answer), "{answer:?}");
    }
}
