//! `wsgiaudit serve`: what it measures and writes down, and what it does about slow clients and proxies.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::server::Server;

/// Does what the path says.
const APPLICATION: &str = r#"
import time

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/wait":
        time.sleep(float(query))
    elif path == "/work":
        until = time.thread_time() + float(query)
        while time.thread_time() < until:
            pass
    elif path == "/fail":
        raise ValueError("no")
    elif path == "/broken":
        def body():
            yield b"begun"
            raise ValueError("in the middle")
        start_response("200 OK", [])
        return body()
    elif path == "/large":
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(int(query)))
    elif path == "/read":
        try:
            read = environ["wsgi.input"].read()
        except OSError as error:
            read = str(error).encode()
        start_response("200 OK", [])
        return [read]
    elif path == "/who":
        start_response("200 OK", [])
        return [f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}".encode()]
    elif path == "/file":
        file = open(__file__, "rb")
        file.seek(10)
        headers = [("Content-Length", query)] if query else []
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](file)
    start_response("200 OK", [])
    return [b"done"]
"#;

/// A sample of the Prometheus text, by its whole name.
#[track_caller]
fn sample(text: &str, name: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn requests_and_times_are_told_as_prometheus_and_json() {
    let server = Server::with_metrics(APPLICATION, &["--interpreters", "2"]);
    for path in ["/", "/wait?0.1", "/fail", "/broken"] {
        drop(server.raw(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()));
    }
    let text = server.fetch("/metrics");
    let labels = "group=\"default\",mode=\"own-gil\"";
    let of = |name: &str, more: &str| sample(&text, &format!("wsgiaudit_{name}{{{labels}{more}}}"));
    let count = |name: &str, more: &str| of(name, more) as u64;
    assert_eq!(count("requests_total", ",status=\"2xx\""), 3, "{text}");
    assert_eq!(count("requests_total", ",status=\"5xx\""), 1);
    assert_eq!(count("broken_total", ""), 1);
    assert_eq!(count("refused_total", ""), 0);
    for name in ["queue_time", "application_time", "response_time"] {
        assert_eq!(count(&format!("{name}_seconds_count"), ""), 4, "{name}");
        assert_eq!(count(&format!("{name}_seconds_bucket"), ",le=\"+Inf\""), 4, "{name}");
    }
    // One waited 100 ms, the others for nearly nothing.
    assert!(count("response_time_seconds_bucket", ",le=\"0.064\"") <= 3, "{text}");
    assert!((0.1..5.0).contains(&of("application_time_seconds_sum", "")), "{text}");
    assert!(count("gil_wait_seconds_count", "") >= 4);
    assert!(sample(&text, "wsgiaudit_resident_memory_bytes") > 1e6);
    assert!(sample(&text, "wsgiaudit_cpu_seconds_total") > 0.0);
    // The text format: each sample follows the type of its metric.
    let mut types = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(rest) => types.push(rest.split(' ').next().unwrap().to_owned()),
            None if line.starts_with("# HELP ") => {}
            None => {
                let name = line.split(['{', ' ']).next().unwrap();
                assert!(name.starts_with(types.last().unwrap()), "{line}");
                line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
            }
        }
    }
    let told = server.metrics();
    let group = &told["groups"][0];
    assert_eq!((&group["name"], &group["requests"]["2xx"]), (&"default".into(), &3.into()), "{told}");
    assert_eq!(group["response_time"]["buckets"].as_array().unwrap().len(), 65);
    assert_eq!(told["bucket_ends"].as_array().unwrap().len(), 64);
    assert!(group["response_time"]["p99"].as_f64().unwrap() >= 0.1, "{told}");
    assert!(group["queue_time"]["p50"].as_f64().unwrap() < 0.1, "{told}");
    let (status, log) = server.stop();
    assert_eq!(status, 0);
    let line = log.lines().find(|line| line.contains("group default: ")).unwrap();
    let summary = "group default: 4 requests, 1 of them 5xx, 1 broken; p50/p95/p99 in ms: gil wait ";
    assert!(line.contains(summary), "{line}");
}

/// Sends these requests at the same time.
fn together(server: &Server, count: usize, path: &str) {
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| server.get(path));
        }
    });
}

#[test]
fn waiting_for_a_gil_is_seen_where_threads_share_one() {
    let server = Server::with_metrics(APPLICATION, &["--threads", "4"]);
    for _ in 0..10 {
        together(&server, 4, "/work?0.02");
    }
    let told = server.metrics();
    let group = &told["groups"][0];
    // Each waits for three others that hold the GIL for 5 ms at a time.
    assert!(group["gil_wait"]["p95"].as_f64().unwrap() > 0.004, "{told}");
    assert!(group["application_time"]["p50"].as_f64().unwrap() > 0.03, "{told}");
}

#[test]
fn what_is_refused_and_what_is_late_is_counted() {
    let server = Server::with_metrics(APPLICATION, &["--queue", "1", "--request-timeout", "2"]);
    // One is worked on and one waits.
    together(&server, 6, "/wait?0.5");
    assert_eq!(server.metrics()["groups"][0]["refused"], 4);
    let (status, _) = server.get("/wait?4");
    assert_eq!(status, 504);
    let (_, log) = server.stop();
    assert!(log.contains("1 late"), "{log}");
}

#[test]
fn each_request_has_its_line_in_the_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access");
    let server = Server::start(APPLICATION, &["--access-log", log.to_str().unwrap()]);
    server.raw(b"GET /\"?a=b HTTP/1.0\r\nUser-Agent: a \"forged\" one\r\nReferer: http://elsewhere/\r\n\r\n");
    server.raw(b"HEAD /large?4 HTTP/1.0\r\n\r\n");
    server.raw(b"GET /fail HTTP/1.0\r\n\r\n");
    // Begins anew with the process, and goes on in the same file.
    let (status, said) = server.stop();
    assert_eq!(status, 0, "{said}");
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [first, head, failed] = lines.as_slice() else { panic!("{text}") };
    let (before, after) = first.split_once('[').unwrap();
    assert_eq!(before, "127.0.0.1 - - ");
    let (date, after) = after.split_once("] ").unwrap();
    assert!(date.ends_with(" +0000") && date.len() == 26, "{date}");
    let line = r#""GET /\"?a=b HTTP/1.0" 200 4 "http://elsewhere/" "a \"forged\" one" "#;
    assert!(after.starts_with(line) && after.ends_with("ms"), "{after}");
    assert!(head.contains(r#""HEAD /large?4 HTTP/1.0" 200 - "-" "-""#), "{head}");
    assert!(failed.contains(r#""GET /fail HTTP/1.0" 500 22 "#), "{failed}");
    assert!(said.contains("group default: 3 requests, 1 of them 5xx;"), "{said}");
}

/// How long the server leaves a connection open that sends this and no more.
fn kept_open(server: &Server, sent: &[u8]) -> (Duration, String) {
    let mut stream = server.connect();
    stream.write_all(sent).unwrap();
    let (began, mut answer) = (Instant::now(), Vec::new());
    drop(stream.read_to_end(&mut answer));
    (began.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn slow_and_idle_clients_are_sent_away() {
    let server =
        Server::start(APPLICATION, &["--head-timeout", "1", "--stall-timeout", "1.5", "--threads", "1"]);
    for sent in ["", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let (open, answer) = kept_open(&server, sent.as_bytes());
        assert!((0.8..4.0).contains(&open.as_secs_f64()), "{sent:?}: {open:?}");
        assert_eq!(answer.contains("408 "), sent.ends_with("a\r\n"), "{sent:?}: {answer}");
        assert_eq!(answer.contains("200 OK"), sent.ends_with("\r\n\r\n"), "{sent:?}: {answer}");
    }
    // A body that stalls.
    let (_, answer) = kept_open(&server, b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // One that takes nothing of its answer keeps the only thread no longer than that.
    let mut reader = server.connect();
    reader.write_all(b"GET /large?2000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    assert_eq!(server.get("/").0, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(reader);
}

fn who(server: &Server, headers: &str) -> String {
    let answer = server.raw(format!("GET /who HTTP/1.0\r\n{headers}\r\n").as_bytes());
    answer.rsplit("\r\n").next().unwrap().to_owned()
}

#[test]
fn a_proxy_is_believed_where_it_is_named() {
    let headers = "X-Forwarded-For: 6.6.6.6, 10.0.0.7, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n";
    let alone = Server::start(APPLICATION, &[]);
    assert_eq!(who(&alone, headers), "127.0.0.1 http");
    let behind = Server::start(APPLICATION, &["--proxy", "127.0.0.1", "--proxy", "10.0.0.1"]);
    // What the client wrote itself stands further left, and counts for nothing.
    assert_eq!(who(&behind, headers), "10.0.0.7 https");
    assert_eq!(who(&behind, ""), "127.0.0.1 http");
    let other = Server::start(APPLICATION, &["--proxy", "192.0.2.1"]);
    assert_eq!(who(&other, headers), "127.0.0.1 http");
}

#[test]
fn a_file_is_sent_from_where_it_stands_and_no_further_than_was_declared() {
    let server = Server::start(APPLICATION, &[]);
    assert_eq!(server.get("/file").1, &APPLICATION[10..]);
    assert_eq!(server.get("/file?7").1, &APPLICATION[10..17]);
    let head = server.raw(b"HEAD /file?7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(head.contains("content-length: 7\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn a_metrics_address_that_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    let environment = crate::support::pythons::all().remove(0).executable;
    let said = crate::support::command::Wsgiaudit::new()
        .args(["serve", "-e", environment.to_str().unwrap(), "--metrics", &address, "app"])
        .within(folder.path())
        .run()
        .ended_with(2);
    assert!(said.err.contains(&format!("cannot bind {address}")), "{}", said.err);
    assert!(TcpStream::connect(&address).is_ok());
}
