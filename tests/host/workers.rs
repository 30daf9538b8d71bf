//! `wsgiaudit serve --processes`: worker processes that are replaced when they end, and lose no request when they are
//! asked to.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::pythons;
use crate::support::server::{Server, command};

const APPLICATION: &str = r#"
import os, subprocess, sys, time

kept = []

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    said = str(os.getpid())
    if path == "/wait":
        time.sleep(float(query))
    elif path == "/grow":
        kept.append(b"x" * int(query))
    elif path == "/multiprocess":
        said = str(environ["wsgi.multiprocess"])
    elif path == "/descriptors":
        listed = "import os; paths = ['/proc/self/fd/' + name for name in os.listdir('/proc/self/fd')]; print([(path, os.readlink(path)) for path in paths if os.path.lexists(path)])"
        said = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, close_fds=False).stdout
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said.encode()]
"#;

/// Serves with two processes, and waits until both serve.
#[track_caller]
fn serve(args: &[&str]) -> Server {
    let mut server = Server::start(APPLICATION, &[&["--processes", "2"], args].concat());
    server.wait_for("process 1 of 2, pid");
    server.wait_for("process 2 of 2, pid");
    server
}

/// The processes that answer.
fn processes(server: &Server) -> HashSet<String> {
    let ask = || (0..20).map(|_| server.get("/wait?0.02").1).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Waits until none of these processes answers.
#[track_caller]
fn wait_until_replaced(server: &Server, before: &HashSet<String>) -> HashSet<String> {
    let started = Instant::now();
    loop {
        let now = processes(server);
        if now.is_disjoint(before) && now.len() == before.len() {
            return now;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{}", server.log());
    }
}

#[test]
fn processes_share_the_requests_in_every_mode() {
    for mode in [&["--mode", "main"][..], &["--interpreters", "2"]] {
        let server = serve(mode);
        assert_eq!(processes(&server).len(), 2, "{mode:?}: {}", server.log());
        assert_eq!(server.get("/multiprocess").1, "True");
        let (status, log) = server.stop();
        assert_eq!(status, 0, "{log}");
    }
}

#[test]
fn a_process_that_dies_is_named_and_replaced() {
    let mut server = serve(&[]);
    // Long enough to be replaced at once.
    std::thread::sleep(Duration::from_secs(5));
    let victim = server.get("/").1;
    assert!(Command::new("kill").args(["-9", &victim]).status().unwrap().success());
    let line = server.wait_for("a new one starts");
    assert!(line.contains(&format!("of 2, pid {victim} ended: signal: 9 (SIGKILL)")), "{line}");
    let started = Instant::now();
    while processes(&server).len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(30), "{}", server.log());
    }
    assert!(!processes(&server).contains(&victim));
}

#[test]
fn a_process_that_dies_early_is_started_less_and_less_often() {
    let source = "import os, threading\nthreading.Timer(0.3, lambda: os._exit(3)).start()\n\
                  def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n";
    let mut server = Server::start(source, &[]);
    let line = server.wait_for("a new one starts in 0.5 s");
    assert!(line.contains("the server process ended: exit status: 3"), "{line}");
    server.wait_for("a new one starts in 1.0 s");
    server.wait_for("a new one starts in 2.0 s");
    // Its address stays bound, and the supervisor still obeys.
    drop(server.connect());
    assert_eq!(server.stop().0, 0);
}

/// A client that keeps its connection, and says so if a request on it is lost.
struct Client<'a> {
    server: &'a Server,
    stream: BufReader<TcpStream>,
}

impl<'a> Client<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, stream: BufReader::new(server.connect()) }
    }

    fn ask(&mut self) -> Option<()> {
        self.stream.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").ok()?;
        let (mut line, mut length, mut closes) = (String::new(), 0, false);
        loop {
            line.clear();
            if self.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                "connection: close" => closes = true,
                text => {
                    if let Some(value) = text.strip_prefix("content-length: ") {
                        length = value.parse().ok()?;
                    }
                }
            }
        }
        self.stream.read_exact(&mut vec![0; length]).ok()?;
        if closes {
            *self = Self::new(self.server);
        }
        Some(())
    }
}

#[test]
fn reloads_lose_no_request_of_a_kept_connection() {
    let server = serve(&[]);
    let (stop, answered, lost) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = Client::new(&server);
                while !stop.load(Ordering::Relaxed) {
                    if client.ask().is_some() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    } else {
                        lost.fetch_add(1, Ordering::Relaxed);
                        client = Client::new(&server);
                    }
                }
            });
        }
        for _ in 0..4 {
            let before = processes(&server);
            server.signal("HUP");
            wait_until_replaced(&server, &before);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > 1000, "{answered:?}");
    assert_eq!(lost.load(Ordering::Relaxed), 0, "of {answered:?}: {}", server.log());
    assert_eq!(server.stop().0, 0);
}

#[test]
fn what_does_not_start_replaces_no_process() {
    let mut server = serve(&[]);
    let before = processes(&server);
    std::fs::write(server.folder().join("app.py"), "raise ValueError('broken by an edit')").unwrap();
    server.signal("HUP");
    server.wait_for("the old one continues");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(processes(&server), before);
}

#[test]
fn each_process_is_replaced_by_itself_when_it_has_done_enough() {
    let mut server = serve(&["--max-requests", "100", "--max-requests-jitter", "50"]);
    let before = processes(&server);
    wait_until_replaced(&server, &before);
    let log = server.log();
    let counts: Vec<u64> = log
        .lines()
        .filter_map(|line| line.strip_suffix(" requests: asking for a replacement process"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(counts.len() >= 2 && counts.iter().all(|count| (100..=150).contains(count)), "{log}");
    server.wait_for("process 2 of 2, pid");
}

#[test]
fn a_process_is_replaced_when_it_is_too_large_or_too_old() {
    let mut server = Server::start(APPLICATION, &["--max-memory", "300000000"]);
    let first = server.get("/").1;
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(server.get("/").1, first);
    assert_eq!(server.get("/grow?300000000").1, first);
    wait_until_replaced(&server, &HashSet::from([first]));
    server.wait_for("bytes of resident memory: asking for a replacement process");

    let server = Server::start(APPLICATION, &["--max-lifetime", "2"]);
    let first = server.get("/").1;
    wait_until_replaced(&server, &HashSet::from([first]));
}

#[test]
fn sigterm_ends_with_status_0_at_any_moment() {
    let python = pythons::all().remove(0).executable;
    let args = ["-e", python.to_str().unwrap(), "--bind", "127.0.0.1:0", "--processes", "2", "app"];
    for pause in [30, 60, 100, 150, 200, 300, 400, 600] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
        let mut child = command(folder.path(), &args).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        let kill =
            |signal: &str| Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        kill("-TERM");
        let status = child.wait().unwrap();
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        // Before it watches for signals it has done nothing.
        assert!(status.code() == Some(0) || (pause < 100 && log.is_empty()), "{pause} ms: {status}: {log}");
    }
    let mut server = serve(&[]);
    for pause in [0, 50, 100, 200, 400] {
        server.signal("HUP");
        std::thread::sleep(Duration::from_millis(pause));
    }
    server.signal("TERM");
    assert_eq!(server.ended(), 0, "{}", server.log());
}

#[test]
fn programs_of_the_application_inherit_no_socket() {
    let server = Server::with_metrics(APPLICATION, &["--mode", "main", "--processes", "2"]);
    let listed = server.get("/descriptors").1;
    assert!(listed.contains("(") && !listed.contains("socket:"), "{listed}");
    assert!(listed.matches("pipe:").count() <= 2, "{listed}");
}
