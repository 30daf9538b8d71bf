//! `wsgiaudit serve`: the error log of the supervisor, the host processes and the application.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

use crate::support::pythons;
use crate::support::server::{Server, command, fails};

const APPLICATION: &str = r#"
import logging, sys, threading, traceback

logging.basicConfig(level=logging.INFO)

def fail():
    raise ValueError("of a thread")

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("line 1\nline 2 \udc80")
    try:
        raise KeyError("caught")
    except KeyError:
        if path == "/logging":
            logging.exception("of logging")
        if path == "/print":
            traceback.print_exc()
    if path == "/thread":
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    if path == "/parts":
        print("a part", end=" ", file=sys.stderr)
        print("and its end", file=environ["wsgi.errors"])
    start_response("200 OK", [])
    return []
"#;

/// The objects of a log that is JSON.
#[track_caller]
fn objects(log: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    log.lines().map(parse).collect()
}

fn text_of<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// Waits until an object has this text in its message.
#[track_caller]
fn wait_for_message(server: &mut Server, text: &str) -> Value {
    let started = Instant::now();
    loop {
        let objects = objects(&server.log());
        if let Some(found) = objects.into_iter().find(|object| text_of(object, "message").contains(text)) {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "no {text:?} in:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_line_has_time_level_and_process() {
    let server = Server::start("def application(environ, start_response): return 1 / 0", &[]);
    assert_eq!(server.get("/").0, 500);
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    let head = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|warning|error) wsgiaudit\[\d+\]: ")
        .unwrap();
    let traceback = log.lines().skip_while(|line| !line.contains("the application raised in '"));
    let rest: Vec<&str> = traceback.skip(1).take_while(|line| !head.is_match(line)).collect();
    assert_eq!(rest.first(), Some(&"Traceback (most recent call last):"), "{log}");
    assert_eq!(rest.last(), Some(&"ZeroDivisionError: division by zero"), "{log}");
    let others = log.lines().filter(|line| !rest.contains(line) && !head.is_match(line));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new(), "{log}");
    let raised = log.lines().find(|line| line.contains("the application raised")).unwrap();
    assert!(raised.contains("Z error wsgiaudit["), "{raised}");
}

#[test]
fn in_json_every_line_is_an_object_and_every_traceback_is_whole() {
    for mode in [&["--mode", "main"][..], &["--interpreters", "2"]] {
        let mut server = Server::start(APPLICATION, &[&["--log-format", "json"], mode].concat());
        let started = wait_for_message(&mut server, "serving app:application on ");
        assert_eq!((text_of(&started, "level"), text_of(&started, "source")), ("info", "supervisor"));
        assert_eq!(server.get("/raise").0, 500);
        let raised = wait_for_message(&mut server, "the application raised in 'GET /raise'");
        assert_eq!((text_of(&raised, "level"), text_of(&raised, "source")), ("error", "application"));
        assert_ne!(raised["pid"], started["pid"]);
        let traceback = text_of(&raised, "traceback");
        assert!(traceback.starts_with("Traceback (most recent call last):\n"), "{traceback}");
        assert!(traceback.ends_with("ValueError: line 1\nline 2 \\udc80"), "{traceback}");
        for (path, begin, end) in [
            ("/logging", "ERROR:root:of logging\nTraceback (most", "KeyError: 'caught'"),
            ("/print", "Traceback (most recent call last):\n  File", "KeyError: 'caught'"),
            ("/thread", "Traceback (most recent call last):\n  File", "ValueError: of a thread"),
            ("/parts", "a part and its end", "a part and its end"),
        ] {
            assert_eq!(server.get(path).0, 200);
            let said = wait_for_message(&mut server, begin);
            assert_eq!((text_of(&said, "level"), text_of(&said, "source")), ("info", "application"));
            let is_whole = |object: &Value| {
                let message = text_of(object, "message");
                message.starts_with(begin) && message.ends_with(end)
            };
            wait_for_message(&mut server, end);
            assert!(objects(&server.log()).iter().any(is_whole), "{path}: {}", server.log());
        }
        let (status, log) = server.stop();
        assert_eq!(status, 0, "{log}");
        let summary =
            objects(&log).into_iter().filter(|object| text_of(object, "source") == "server").count();
        assert!(summary > 0, "{log}");
    }
}

#[test]
fn what_is_less_important_is_not_logged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    let python = pythons::all().remove(0).executable;
    let args = ["-e", python.to_str().unwrap(), "--bind", "unix:socket", "--log-level", "error", "app"];
    let mut child = command(folder.path(), &args).spawn().unwrap();
    let started = Instant::now();
    let socket = folder.path().join("socket");
    let ask = || {
        use std::io::{Read, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).ok()?;
        stream.write_all(b"GET /raise HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    while ask().is_none_or(|answer| answer.is_empty()) {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.lines().next().unwrap().contains(" error wsgiaudit["), "{log}");
    assert!(!log.contains(" info wsgiaudit["), "{log}");
}

#[test]
fn a_file_takes_everything_and_usr1_opens_it_again() {
    // The server appends to the same file that the test reads.
    let mut server = Server::start(APPLICATION, &["--error-log", "log"]);
    assert_eq!(server.get("/raise").0, 500);
    server.wait_for("ValueError: line 1");
    let log = server.folder().join("log");
    let rotated = server.folder().join("log.1");
    fs::rename(&log, &rotated).unwrap();
    fs::write(&log, "").unwrap();
    server.signal("USR1");
    let is_new = |text: &str| fs::read_to_string(&log).unwrap().contains(text);
    let started = Instant::now();
    while !is_new("ValueError: line 1") || !is_new("KeyError: 'caught'") {
        assert!(started.elapsed() < Duration::from_secs(20));
        assert_eq!((server.get("/raise").0, server.get("/print").0), (500, 200));
    }
    server.signal("USR2");
    server.wait_for("SIGUSR2 has no effect");
    let before = fs::read_to_string(&rotated).unwrap();
    assert!(before.contains("serving app:application"), "{before}");
    assert!(!before.contains("SIGUSR2"), "{before}");
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
}

/// Runs a server that does not start, with its error log in a file. Returns that file and what was on standard error.
fn fail_with_log(folder: &Path, args: &[&str]) -> (String, String) {
    let python = pythons::all().remove(0).executable;
    let line = ["-e", python.to_str().unwrap(), "--bind", "127.0.0.1:0", "--error-log", "errors", "app"];
    let status = command(folder, &[&line, args].concat()).spawn().unwrap().wait().unwrap();
    assert_eq!(status.code(), Some(2));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    (read("errors"), read("log"))
}

#[test]
fn nothing_is_lost_when_a_process_dies_early() {
    let folder = tempfile::tempdir().unwrap();
    for (source, last) in [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import os, sys\nprint('last words', file=sys.stderr)\nos._exit(3)", "last words"),
        ("import os\nos.write(2, b'last words\\n')\nos.abort()", "last words"),
    ] {
        fs::write(folder.path().join("app.py"), source).unwrap();
        for format in ["text", "json"] {
            let (file, terminal) = fail_with_log(folder.path(), &["--log-format", format]);
            assert!(file.contains(last), "{source}: {file}");
            assert!(file.contains("the application was not started ("), "{file}");
            // Whoever types the command sees why it ended.
            assert!(terminal.starts_with("error: the application was not started ("), "{terminal}");
            drop(fs::remove_file(folder.path().join("errors")));
        }
    }
    let (status, log) = fails("1 / 0", &["--log-format", "json"]);
    assert_eq!(status, Some(2), "{log}");
    let failed = objects(&log);
    assert!(text_of(&failed[0], "message").contains("Traceback (most recent call last):\n"), "{log}");
    assert!(text_of(&failed[1], "message").contains("the application was not started ("), "{log}");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let (status, log) = fails(APPLICATION, &["--error-log", "missing/log"]);
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("error: cannot open the error log /"), "{log}");
}
