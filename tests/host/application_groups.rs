//! `wsgiaudit serve --config`: application groups, mod_wsgi's rules, replacement of processes.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::server::{Server, command};
use crate::support::venv::Venv;

const APPLICATION: &str = r#"
import sys, threading, time
import wsgiaudit

stopped = threading.Event()

def work():
    # Without the callback, joining it would never end.
    stopped.wait()
    print("the thread ended", file=sys.stderr, flush=True)

def stopping(event, **kwargs):
    print("callback:", event, kwargs, file=sys.stderr, flush=True)
    stopped.set()

wsgiaudit.subscribe_shutdown(stopping)

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.endswith("/sleep"):
        time.sleep(float(environ["QUERY_STRING"]))
    if path.endswith("/thread"):
        # Said in so many words: on a native thread of a shared GIL, CPython takes daemon for the default, and nobody
        # joins that.
        threading.Thread(target=work, daemon=False).start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    said = [wsgiaudit.application_group, wsgiaudit.mode, f"{sys.getswitchinterval():.4f}", environ["SCRIPT_NAME"] + path]
    if path == "/process":
        import os
        said = [str(os.getpid())]
    return [" ".join(said).encode()]

def broken():
    raise RuntimeError("no licence")
"#;

const GROUPS: &str = r#"
[[group]]
name = "site"
mode = "own-gil"
interpreters = 2
switch-interval = 0.002

[[group]]
name = "reports"
mode = "main"
threads = 1
queue = 1
routes = ["/reports", "/a/b"]

[[group]]
name = "admin"
mode = "shared-gil"
routes = ["/reports/admin"]

[[group]]
name = "broken"
mode = "own-gil"
application = "app:broken()"
routes = ["/broken"]
"#;

/// A folder with the application and this configuration, and the arguments to serve it.
fn folder(groups: &str) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    fs::write(folder.path().join("serve.toml"), groups).unwrap();
    let python = pythons::all().remove(0).executable.to_str().unwrap().to_owned();
    let args = ["-e", &python, "--bind", "127.0.0.1:0", "--config", "serve.toml", "app"];
    (folder, args.map(str::to_owned).to_vec())
}

#[track_caller]
fn serve(groups: &str, more: &[&str]) -> Server {
    let (folder, args) = folder(groups);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::spawn(folder, &args)
}

#[track_caller]
fn fails(groups: &str) -> String {
    let (folder, args) = folder(groups);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let status = command(folder.path(), &args).spawn().unwrap().wait().unwrap();
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(status.code(), Some(2), "{log}");
    log
}

#[test]
fn what_a_report_supports_is_served_in_groups() {
    let venv = Venv::new().with("no-slot");
    let folder = tempfile::tempdir().unwrap();
    let answer = "    start_response('200 OK', [])\n    return [__import__('wsgiaudit').mode.encode()]\n";
    let site = format!("def application(environ, start_response):\n{answer}");
    fs::write(folder.path().join("site_.py"), &site).unwrap();
    fs::write(folder.path().join("reports.py"), format!("import no_slot\n{site}")).unwrap();
    let report = folder.path().join("report.json");
    let audit = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(&report).within(folder.path());
    audit.args(["--app", "site_:application", "--app", "reports:application"]).run().ended_with(1);
    let groups = |apps: &[&str]| {
        let command = Wsgiaudit::new().args(["directive", "--for", "serve", "--report"]).arg(&report);
        apps.iter().fold(command, |command, app| command.args(["--app", app])).run()
    };
    let said = groups(&["site_:application", "reports:application=/reports"]).ended_with(0);
    assert!(
        said.out.contains("# reports:application: blocked: needs no_slot, refused: no slot 3\n"),
        "{}",
        said.out
    );
    fs::write(folder.path().join("serve.toml"), said.out).unwrap();
    let (environment, report) =
        (venv.path().to_str().unwrap().to_owned(), report.to_str().unwrap().to_owned());
    let args =
        ["-e", &environment, "--report", &report, "--config", "serve.toml", "--bind", "127.0.0.1:0", "site_"];
    let server = Server::spawn(folder, &args);
    assert_eq!(server.get("/").1, "own-gil");
    assert_eq!(server.get("/reports/a").1, "main");
}

#[test]
fn the_longest_route_decides_the_group() {
    let server = serve(GROUPS, &[]);
    for (path, expected) in [
        ("/", "site own-gil 0.0020 /"),
        ("/reportsx", "site own-gil 0.0020 /reportsx"),
        ("/reports", "reports main 0.0050 /reports"),
        ("/reports/x", "reports main 0.0050 /reports/x"),
        ("/%72eports/x", "reports main 0.0050 /reports/x"),
        ("/a/b/c", "reports main 0.0050 /a/b/c"),
        ("/reports/admin/x", "admin shared-gil 0.0050 /reports/admin/x"),
    ] {
        assert_eq!(server.get(path), (200, expected.to_owned()));
    }
    // A group that does not start says why, and takes no other down.
    assert_eq!(server.get("/broken/x").0, 503);
    assert!(
        server.log().contains("group broken failed to start: own-gil") && server.log().contains("no licence")
    );
    assert_eq!(server.stop().0, 0);
}

#[test]
fn a_route_is_a_mount_unless_the_group_says_otherwise() {
    let source = "def application(environ, start_response):\n    start_response('200 OK', [])\n    \
                  return [repr((environ['SCRIPT_NAME'], environ['PATH_INFO'])).encode()]\n";
    let group =
        |name: &str, rest: &str| format!("[[group]]\nname = \"{name}\"\nmode = \"own-gil\"\n{rest}\n");
    let groups = [
        group("site", ""),
        group("old", "routes = [\"/old\", \"/very/old/\"]"),
        group("part", "routes = [\"/part\"]\nmount = false"),
    ];
    let (folder, args) = folder(&groups.concat());
    fs::write(folder.path().join("app.py"), source).unwrap();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let server = Server::spawn(folder, &args);
    for (path, expected) in [
        ("/x", "('', '/x')"),
        ("/old/x", "('/old', '/x')"),
        ("/old", "('/old', '')"),
        ("/old/", "('/old', '/')"),
        ("/%6fld/%20", "('/old', '/ ')"),
        ("/very/old/x", "('/very/old', '/x')"),
        ("/older", "('', '/older')"),
        ("/part/x", "('', '/part/x')"),
    ] {
        assert_eq!(server.get(path).1, expected, "{path}");
    }
}

#[test]
fn signals_and_arguments_are_as_under_mod_wsgi() {
    let source = "import signal, sys\nseen = signal.signal(signal.SIGTERM, lambda *_: None)\n\
                  def application(environ, start_response):\n    start_response('200 OK', [])\n    \
                  return [repr((seen, sys.argv)).encode()]\n";
    for mode in [&["--mode", "main"][..], &["--mode", "shared-gil"], &["--mode", "own-gil"]] {
        let server = Server::start(source, mode);
        assert_eq!(server.get("/").1, "(None, ['wsgiaudit'])", "{mode:?}");
        let (status, log) = server.stop();
        assert_eq!(status, 0, "{log}");
        let note = "signal.signal(SIGTERM) is ignored, as under mod_wsgi (";
        assert!(log.contains(note) && log.contains("app.py, line 2)"), "{mode:?}: {log}");
    }
}

#[test]
fn a_full_queue_is_a_503_and_delays_no_other_group() {
    let server = serve(GROUPS, &[]);
    std::thread::scope(|scope| {
        let slow: Vec<_> =
            (0..6).map(|_| scope.spawn(|| server.curl(&["-i"], "/reports/sleep?1.5"))).collect();
        std::thread::sleep(Duration::from_millis(500));
        let started = Instant::now();
        assert_eq!(server.get("/quick").0, 200);
        assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
        let answers: Vec<String> = slow.into_iter().map(|thread| thread.join().unwrap()).collect();
        let full =
            answers.iter().filter(|answer| answer.contains("503") && answer.contains("retry-after: 1"));
        // One runs, one waits, however they come.
        assert_eq!(full.count(), 4, "{answers:?}");
    });
}

#[test]
fn shutdown_callbacks_run_before_threads_are_joined() {
    for mode in [&["--interpreters", "2"][..], &["--mode", "shared-gil"], &["--mode", "main"]] {
        let server = Server::start(APPLICATION, mode);
        for _ in 0..4 {
            assert_eq!(server.get("/thread").0, 200);
        }
        let started = Instant::now();
        let (status, log) = server.stop();
        assert_eq!(status, 0, "{log}");
        assert!(log.contains("callback: process_stopping {'shutdown_reason': 'shutdown_signal'}"), "{log}");
        assert!(log.contains("the thread ended") && !log.contains("did not end in time"), "{log}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn mod_wsgis_rules_hold_with_its_ids() {
    let group = |name: &str, rest: &str| format!("[[group]]\nname = \"{name}\"\n{rest}\n");
    let said = fails(&group("a", "mode = \"free-threaded\""));
    assert!(said.contains("WSGI0200"), "{said}");
    for mode in ["main", "shared-gil"] {
        let said = fails(&group("a", &format!("mode = \"{mode}\"\nswitch-interval = 0.001")));
        assert!(said.contains("WSGI0199"), "{said}");
    }
    let server = serve(&group("%{GLOBAL}", "mode = \"own-gil\""), &[]);
    assert!(server.log().contains("own-gil has no effect there"), "{}", server.log());
    assert!(server.get("/x").1.starts_with("%{GLOBAL} main "));
    for (groups, expected) in [
        (group("a", "mode = \"main\"\ninterpreters = 2"), "need the mode own-gil"),
        (group("a", "mode = \"main\"\nthread = 2"), "unknown field `thread`"),
        (group("a", "mode = \"main\"\nroutes = [\"x\"]"), "does not begin with /"),
        (group("a", "mode = \"main\"") + &group("b", "mode = \"own-gil\""), "both have every path"),
    ] {
        let said = fails(&groups);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_free_threaded_python_runs_one_interpreter_without_a_gil() {
    let python = pythons::free_threaded();
    let source = "import sys\ndef application(environ, start_response):\n    \
                  start_response('200 OK', [])\n    return [str(sys._is_gil_enabled()).encode()]\n";
    let server = Server::on(&python, source, &["--mode", "free-threaded", "--threads", "4"]);
    assert_eq!(server.get("/").1, "False");
    assert_eq!(server.stop().0, 0);
}

#[test]
fn a_process_is_replaced_after_so_many_requests_and_when_a_request_hangs() {
    let server = Server::start(APPLICATION, &["--interpreters", "2", "--max-requests", "20"]);
    let first = server.get("/process").1;
    let started = Instant::now();
    while server.get("/process").1 == first {
        assert!(started.elapsed() < Duration::from_secs(30), "{}", server.log());
    }
    assert!(server.log().contains("20 requests: asking for a replacement process"));

    let server = Server::start(APPLICATION, &["--request-timeout", "0.5", "--drain", "2"]);
    let first = server.get("/process").1;
    assert_eq!(server.get("/sleep?600").0, 504);
    let started = Instant::now();
    let mut answer = (0, first.clone());
    while answer.0 != 200 || answer.1 == first {
        assert!(started.elapsed() < Duration::from_secs(30), "{}", server.log());
        answer = server.get("/process");
    }
    assert!(server.log().contains("took longer than --request-timeout"), "{}", server.log());
}
