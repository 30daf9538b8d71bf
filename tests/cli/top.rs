//! `wsgiaudit top`: what it shows of servers, and that nothing which arrives harms it.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind, field};

use crate::support::command::{Said, Wsgiaudit};
use crate::support::dice::Dice;
use crate::support::pythons;
use crate::support::server::Server;

const APPLICATION: &str = r#"
import time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/work":
        until = time.thread_time() + 0.005
        while time.thread_time() < until:
            pass
    start_response("200 OK", [])
    return [b"done"]
"#;

/// The target of servers in a folder.
fn target(folder: &Path) -> String {
    format!("unix:{}", folder.join("telemetry.sock").display())
}

/// Starts `top` in the background, and waits for its socket.
fn watch(folder: &Path, args: &[&str]) -> Child {
    let top = Wsgiaudit::new().args(["top", &target(folder)]).args(args);
    top.start_until(&folder.join("telemetry.sock"))
}

#[track_caller]
fn ended(child: Child, status: i32) -> Said {
    Said::from(child.wait_with_output().unwrap()).ended_with(status)
}

/// Asks for a path from several clients, for this many seconds.
fn load(server: &Server, path: &str, clients: usize, seconds: f64) {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(move || {
                while Instant::now() < until {
                    server.get(path);
                }
            });
        }
    });
}

#[test]
fn a_server_is_shown_once_as_text_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = target(folder.path());
    let args = ["--telemetry", &telemetry, "--telemetry-interval", "0.5", "--threads", "4"];
    let server = Server::start(APPLICATION, &args);
    let recording = folder.path().join("recording");
    let record = ["--once", "--format", "json", "--record", recording.to_str().unwrap()];
    let child = watch(folder.path(), &record);
    load(&server, "/work", 4, 2.5);
    let said = ended(child, 0);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&shown["damaged"], &shown["missing"]), (&0.into(), &0.into()), "{shown}");
    let process = &shown["processes"][0];
    assert!(process["requests"].as_u64().unwrap() > 5, "{shown}");
    assert_eq!((&process["threads"], &process["state"]), (&4.into(), &"serving".into()));
    assert_eq!(process["interpreters"][0]["name"], "default");
    // Four threads work on one GIL.
    let rules: Vec<&str> = shown["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .collect();
    assert!(rules.contains(&"gil-bound"), "{shown}");
    assert!(!folder.path().join("telemetry.sock").exists());
    // The same from the recording.
    for columns in ["60", "80", "120", "200"] {
        let command = Wsgiaudit::new().args(["top", "--once", "--replay", recording.to_str().unwrap()]);
        let said = command.env("COLUMNS", columns).env("LC_ALL", "C").run().ended_with(0);
        assert!(said.out.is_ascii(), "{}", said.out);
        let widest = said.out.lines().map(str::len).max().unwrap();
        assert!(widest <= columns.parse().unwrap(), "{widest}:\n{}", said.out);
        assert!(
            said.out.contains("gil-bound: process ") && said.out.contains("Interpreters"),
            "{}",
            said.out
        );
    }
}

#[test]
fn the_metrics_of_a_server_are_shown_too() {
    let server = Server::with_metrics(APPLICATION, &["--threads", "2"]);
    let url = server.metrics_url();
    let mut command = Wsgiaudit::new().args(["top", "--once", "--format", "json", &url]).into_command();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    load(&server, "/", 2, 3.0);
    let shown: Value = serde_json::from_str(&ended(child, 0).out).unwrap();
    let process = &shown["processes"][0];
    assert!(process["requests"].as_u64().unwrap() > 5, "{shown}");
    assert_eq!(process["interpreters"][0]["name"], "default");
}

#[test]
fn silence_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said =
        Wsgiaudit::new().args(["top", "--once", "--wait", "0.2", &target(folder.path())]).run().ended_with(2);
    assert!(
        said.err.contains("no telemetry arrived at") && said.err.contains("WSGITelemetryService"),
        "{}",
        said.err
    );
    assert!(!folder.path().join("telemetry.sock").exists());
    for (args, words) in [
        (&["top"][..], "unix:PATH|URL"),
        (&["top", "--once", "nonsense"], "neither unix:PATH nor the URL"),
        (&["top", "unix:/nowhere/at/all", "--once"], "its folder must exist"),
        (&["top", "http://127.0.0.1:1", "--once"], "serve --metrics 127.0.0.1:1"),
        (&["top", "--replay", "/etc/hostname", "--once"], "is not a recording"),
        (&["top", "http://127.0.0.1:1"], "not a terminal"),
    ] {
        let said = Wsgiaudit::new().args(args).run().ended_with(2);
        assert!(said.err.contains(words), "{args:?}: {}", said.err);
    }
}

#[test]
fn nothing_but_a_stale_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.sock");
    fs::write(&path, "precious").unwrap();
    let said = Wsgiaudit::new().args(["top", "--once", &target(folder.path())]).run().ended_with(2);
    assert!(said.err.contains("is not a socket"), "{}", said.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    let other = UnixDatagram::bind(&path).unwrap();
    let said = Wsgiaudit::new().args(["top", "--once", &target(folder.path())]).run().ended_with(2);
    assert!(said.err.contains("another program receives"), "{}", said.err);
    drop(other);
    let said =
        Wsgiaudit::new().args(["top", "--once", "--wait", "0.1", &target(folder.path())]).run().ended_with(2);
    assert!(said.err.contains("no telemetry arrived"), "{}", said.err);
}

/// A datagram that `top` believes.
fn figures(sequence: u32) -> Datagram {
    let mut datagram = Datagram::new(Kind::Request, 4321, sequence, 1000.0);
    datagram.add_number(field::SAMPLE_PERIOD, 0.5);
    datagram.add_count(field::REQUEST_COUNT, 10);
    datagram.add_text(field::INTERPRETER_NAME, "");
    datagram
}

#[test]
fn hostile_datagrams_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let child = watch(folder.path(), &["--once", "--wait", "20"]);
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let path = folder.path().join("telemetry.sock");
    let send = |bytes: &[u8]| drop(sender.send_to(bytes, &path));
    let mut dice = Dice(34);
    let mut good = figures(1);
    for (id, _) in field::ALL {
        good.add_counts(*id, &[7; 65]);
        good.add_text(*id, "\u{1b}]0;title\u{7}");
        good.add_number(*id, f64::MAX);
    }
    let good = good.encode();
    for _ in 0..1000 {
        let mut bytes = good.clone();
        for _ in 0..=dice.throw(8) {
            let at = dice.throw(bytes.len());
            bytes[at] = dice.throw(256) as u8;
        }
        bytes.truncate(dice.throw(bytes.len() + 1));
        send(&bytes);
    }
    send(&vec![0; 100_000]);
    send(&[]);
    send(&good);
    // Ends the wait.
    let mut last = Datagram::new(Kind::Request, 99, 1, 1000.0);
    last.add_count(field::REQUEST_COUNT, 10);
    send(&last.encode());
    let said = ended(child, 0);
    assert!(said.out.contains("datagrams-lost: all: "), "{}", said.out);
    assert!(!said.out.contains('\u{1b}') && said.err.is_empty(), "{}{}", said.out, said.err);
}

#[test]
fn a_signal_ends_it_and_removes_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["TERM", "HUP"] {
        let child = watch(folder.path(), &["--once", "--wait", "60"]);
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        ended(child, 130);
        assert!(!folder.path().join("telemetry.sock").exists(), "{signal}");
    }
}

/// Runs a command on a terminal of its own: sends it keys or a signal once it shows something, and tells what it wrote,
/// how it ended, and whether the terminal is as before.
const TERMINAL: &str = r#"
import json, os, pty, select, signal, struct, sys, termios, time, fcntl

end, columns, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)
    os.execv(command[0], command)
written, status, sent, deadline = b"", None, False, time.time() + 30
while time.time() < deadline:
    if select.select([master], [], [], 0.05)[0]:
        written += os.read(master, 65536)
    elif status is not None:
        break
    if not sent and b"quits" in written:
        sent = True
        if end == "q":
            os.write(master, b"q")
        else:
            os.kill(child, getattr(signal, end))
    if status is None:
        ended, code = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if ended else None
if status is None:
    os.kill(child, signal.SIGKILL)
print(json.dumps([written.decode(errors="replace"), status, termios.tcgetattr(slave) == before]))
"#;

#[test]
fn the_terminal_is_as_before_after_a_key_or_a_signal() {
    let python = pythons::all().remove(0).executable;
    for (end, columns, status) in [("q", "80", 0), ("SIGTERM", "60", 130), ("SIGHUP", "200", 130)] {
        let folder = tempfile::tempdir().unwrap();
        let said = Command::new(&python)
            .args(["-I", "-c", TERMINAL, end, columns])
            .arg(crate::support::command::program())
            .args(["top", &target(folder.path())])
            .env("TERM", "xterm")
            .output()
            .unwrap();
        let told: Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said.stderr)));
        let written = told[0].as_str().unwrap();
        assert_eq!((&told[1], &told[2]), (&status.into(), &true.into()), "{end}: {written:?}");
        assert!(written.contains("\u{1b}[?1049h"), "{written:?}");
        let restored = written.rfind("\u{1b}[?1049l").expect("it leaves the alternate screen");
        assert!(restored > written.rfind("quits").unwrap(), "{written:?}");
        assert!(!folder.path().join("telemetry.sock").exists(), "{end}");
    }
}
