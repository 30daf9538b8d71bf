//! `wsgiaudit serve`: sockets, files, signals and what a service manager and a proxy say.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::server::{Server, command, fails};

const APPLICATION: &str = r#"
import os

def application(environ, start_response):
    path = environ["PATH_INFO"]
    said = ""
    if path == "/process":
        said = str(os.getpid())
    elif path == "/client":
        names = ["REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME"]
        said = " ".join(environ[name] or "-" for name in names)
    elif path == "/files":
        os.close(os.open("made", os.O_CREAT | os.O_WRONLY, 0o666))
        said = f"{os.getcwd()} {os.stat('made').st_mode & 0o777:o} {os.environ.get('NOTIFY_SOCKET')}"
    start_response("200 OK", [])
    return [said.encode()]
"#;

/// A folder with the application.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    folder
}

fn environment() -> String {
    pythons::all().remove(0).executable.to_str().unwrap().to_owned()
}

/// What a Unix socket answers to this path.
fn ask(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn sockets_have_the_mode_that_is_wanted() {
    for (options, mode) in [(&[][..], 0o666), (&["--socket-mode", "660", "--umask", "077"], 0o660)] {
        let environment = environment();
        let args = [&["-e", &environment, "--bind", "unix:a", "--bind", "unix:b", "app"], options].concat();
        let server = Server::spawn(folder(), &args);
        for name in ["a", "b"] {
            let socket = server.folder().join(name);
            assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, mode, "{options:?}");
            assert_eq!(ask(&socket, "/"), "");
        }
    }
}

#[test]
fn folder_mask_and_pid_file_are_as_they_are_wanted() {
    let folder = folder();
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::rename(folder.path().join("app.py"), folder.path().join("site/app.py")).unwrap();
    let options = ["--chdir", "site", "--umask", "027", "--pid-file", "pid", "--bind", "127.0.0.1:0"];
    let mut server = Server::spawn(folder, &[&["-e", &environment(), "app"], &options[..]].concat());
    let site = server.folder().join("site").canonicalize().unwrap();
    assert_eq!(server.get("/files").1, format!("{} 640 None", site.display()));
    let pid: u32 = fs::read_to_string(site.join("pid")).unwrap().trim().parse().unwrap();
    assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains("serve"));
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
    assert!(!site.join("pid").exists());
}

#[test]
fn an_address_without_a_host_is_every_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!(":{port}");
    let server = Server::spawn(folder(), &["-e", &environment(), "--bind", &address, "app"]);
    assert_eq!(server.address, format!("0.0.0.0:{port}"));
    assert_eq!(server.get("/").0, 200);
}

#[test]
fn signals_of_other_servers_do_no_harm_and_usr1_opens_the_log_again() {
    let folder = folder();
    let log = folder.path().join("access");
    let args = ["-e", &environment(), "--bind", "127.0.0.1:0", "--access-log", "access", "app"];
    let mut server = Server::spawn(folder, &args);
    let process = server.get("/process").1;
    for signal in ["TTIN", "TTOU", "USR2"] {
        server.signal(signal);
        server.wait_for(&format!("SIG{signal} has no effect"));
    }
    for signal in ["TTIN", "TTOU", "USR2", "QUIT"] {
        let status = Command::new("kill").args(["-s", signal, &process]).status().unwrap();
        assert!(status.success());
    }
    assert_eq!(server.get("/process").1, process);
    let rotated = log.with_extension("1");
    fs::rename(&log, &rotated).unwrap();
    server.signal("USR1");
    let started = Instant::now();
    while !log.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.get("/after").0, 200);
    server.signal("QUIT");
    assert_eq!(server.ended(), 0, "{}", server.log());
    let (before, after) = (fs::read_to_string(rotated).unwrap(), fs::read_to_string(log).unwrap());
    assert!(before.contains("GET /process ") && !before.contains("GET /after "), "{before}");
    assert!(after.contains("GET /after ") && !after.contains("GET /process "), "{after}");
}

#[test]
fn the_access_log_can_be_json() {
    let args = [
        "-e",
        &environment(),
        "--bind",
        "127.0.0.1:0",
        "--access-log",
        "access",
        "--access-log-format",
        "json",
        "app",
    ];
    let server = Server::spawn(folder(), &args);
    server.raw(b"GET /a\"b HTTP/1.0\r\nUser-Agent: x\r\n\r\n");
    server.raw(b"broken\r\n\r\n");
    let log = server.folder().join("access");
    server.get("/last");
    let started = Instant::now();
    let mut text = String::new();
    while !text.contains("/last") {
        assert!(started.elapsed() < Duration::from_secs(20));
        text = fs::read_to_string(&log).unwrap();
    }
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["request"], &lines[0]["status"]), (&"GET /a\"b HTTP/1.0".into(), &200.into()));
    assert_eq!((&lines[0]["remote_address"], &lines[0]["user_agent"]), (&"127.0.0.1".into(), &"x".into()));
    assert_eq!((&lines[1]["request"], &lines[1]["status"]), (&"broken".into(), &400.into()));
}

/// Cannot be imported while there is a file `closed`.
const HANGING: &str = r#"
import os, time

while os.path.exists("closed"):
    time.sleep(0.02)

def application(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        time.sleep(1000)
    start_response("200 OK", [])
    return []
"#;

#[test]
fn health_and_readiness_are_told_beside_the_metrics() {
    let server = Server::with_metrics(HANGING, &["--request-timeout", "0.2"]);
    assert_eq!((server.fetch_status("/healthz"), server.fetch_status("/readyz")), (200, 200));
    fs::write(server.folder().join("closed"), "").unwrap();
    assert_eq!(server.get("/hang").0, 504);
    assert_eq!((server.fetch_status("/healthz"), server.fetch_status("/readyz")), (200, 503));
    fs::remove_file(server.folder().join("closed")).unwrap();
    let started = Instant::now();
    while server.fetch_status("/readyz") != 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn client(server: &Server, headers: &str) -> String {
    let answer = server.raw(format!("GET /client HTTP/1.0\r\nHost: here\r\n{headers}\r\n").as_bytes());
    answer.rsplit("\r\n").next().unwrap().to_owned()
}

#[test]
fn proxies_are_named_by_network_and_say_what_is_asked_of_them() {
    let headers = "X-Forwarded-For: 10.9.9.9, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: there\r\n\
                   X-Forwarded-Prefix: /shop\r\n";
    let usual = Server::start(APPLICATION, &["--proxy", "127.0.0.0/8"]);
    assert_eq!(client(&usual, headers), "192.0.2.1 https here -");
    let options = [
        "--proxy",
        "127.0.0.1",
        "--proxy-header",
        "x-forwarded-host",
        "--proxy-header",
        "x-forwarded-prefix",
    ];
    let named = Server::start(APPLICATION, &options);
    assert_eq!(client(&named, headers), "127.0.0.1 http there /shop");
    assert!(client(&named, "X-Forwarded-Host: a/b\r\n").contains("Bad Request"));
    let forwarded = Server::start(APPLICATION, &["--proxy", "127.0.0.1", "--proxy-header", "forwarded"]);
    let said = client(
        &forwarded,
        "Forwarded: for=\"[2001:db8::1]\";proto=https;host=there\r\nX-Forwarded-For: 6.6.6.6\r\n",
    );
    assert_eq!(said, "2001:db8::1 https there -");
    let (status, log) = fails(APPLICATION, &["--proxy", "10.0.0.0/40"]);
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("--proxy 10.0.0.0/40"), "{log}");
}

#[test]
fn systemd_is_told_what_happens() {
    let folder = folder();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let receive = || {
        let mut text = vec![0; 1000];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap().trim_end().to_owned()
    };
    let next = || std::iter::repeat_with(receive).find(|text| text != "WATCHDOG=1").unwrap();
    let args = ["-e", &environment(), "--bind", "unix:socket", "app"];
    let mut child = command(folder.path(), &args)
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "400000")
        .spawn()
        .unwrap();
    assert_eq!(next(), "READY=1");
    assert_eq!(receive(), "WATCHDOG=1");
    assert_eq!(receive(), "WATCHDOG=1");
    let answer = ask(&folder.path().join("socket"), "/files");
    assert!(answer.ends_with(" None"), "{answer}");
    let kill = |signal: &str| {
        let status = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    kill("HUP");
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(), "READY=1");
    kill("TERM");
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Serves on a socket that systemd would have passed on.
fn serve_on(folder: &Path, socket: &TcpListener, args: &[&str]) -> Child {
    let command = command(folder, args);
    let log = || fs::File::options().append(true).open(folder.join("log")).unwrap();
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    Command::new("sh")
        .args(["-c", "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(variables)
        .current_dir(folder)
        .stdin(OwnedFd::from(socket.try_clone().unwrap()))
        .stdout(log())
        .stderr(log())
        .spawn()
        .unwrap()
}

#[test]
fn sockets_of_systemd_are_served_and_keep_connections_for_the_next_start() {
    let folder = folder();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let ask = || {
        let mut stream = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"GET /process HTTP/1.0\r\n\r\n").unwrap();
        stream
    };
    let answer = |mut stream: TcpStream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    };
    let args = ["-e", &environment(), "app"];
    for _ in 0..2 {
        // It waits until somebody serves, the second time after a server has ended.
        let waiting = ask();
        let mut server = serve_on(folder.path(), &socket, &args);
        answer(waiting);
        answer(ask());
        let status = Command::new("kill").arg(server.id().to_string()).status().unwrap();
        assert!(status.success());
        assert_eq!(server.wait().unwrap().code(), Some(0));
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.contains(&format!("on http://{} ", socket.local_addr().unwrap())), "{log}");
    }
}

#[test]
fn a_second_server_leaves_the_pid_file_of_the_first() {
    let args = ["-e", &environment(), "--bind", "unix:socket", "--pid-file", "pid", "app"];
    let server = Server::spawn(folder(), &args);
    let pid = fs::read_to_string(server.folder().join("pid")).unwrap();
    let status = Wsgiaudit::new().arg("serve").args(args).within(server.folder()).run().status;
    assert_eq!(status, Some(2));
    assert_eq!(fs::read_to_string(server.folder().join("pid")).unwrap(), pid);
}
