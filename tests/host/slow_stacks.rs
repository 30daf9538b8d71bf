//! The Python stacks of slow requests.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::pythons;
use crate::support::server::Server;

const APPLICATION: &str = r#"
import time

def inner(seconds):
    time.sleep(seconds)

def descend(depth, seconds):
    if depth:
        descend(depth - 1, seconds)
    else:
        inner(seconds)

class View:
    def get(self, query):
        depth, seconds = query.split(",")
        descend(int(depth), float(seconds))

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/hold":
        import ctypes
        # Keeps the GIL.
        ctypes.PyDLL(None).usleep(int(float(query) * 1e6))
    elif path == "/wait":
        View().get(query)
    start_response("200 OK", [])
    return [b"done"]
"#;

/// The slow requests, once this holds of them.
#[track_caller]
fn wait_for_slow(server: &Server, what: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let slow = server.metrics()["slow_requests"].as_array().unwrap().clone();
        if what(&slow) {
            return slow;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{slow:#?}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn serve(args: &[&str]) -> Server {
    Server::with_metrics(APPLICATION, &[&["--slow-requests", "0.3"], args].concat())
}

fn functions(slow: &Value) -> Vec<&str> {
    slow["stack"]
        .as_array()
        .unwrap_or_else(|| panic!("{slow}"))
        .iter()
        .map(|frame| frame["function"].as_str().unwrap())
        .collect()
}

#[test]
fn a_slow_request_has_its_stack_while_it_runs() {
    let server = serve(&["--interpreters", "2", "--threads", "2"]);
    std::thread::scope(|scope| {
        scope.spawn(|| server.get("/wait?0,1.5"));
        let slow = wait_for_slow(&server, |slow| slow.iter().any(|each| !each["stack"].is_null()));
        let [slow] = slow.try_into().unwrap();
        assert_eq!((&slow["is_complete"], &slow["path"]), (&false.into(), &"/wait".into()));
        assert_eq!(functions(&slow), ["inner", "descend", "View.get", "application"]);
        let frame = &slow["stack"][0];
        assert_eq!((&frame["file"], &frame["line"]), (&"app.py".into(), &5.into()), "{slow}");
    });
    let slow = wait_for_slow(&server, |slow| slow[0]["is_complete"] == true);
    assert_eq!((slow.len(), &slow[0]["status"]), (1, &200.into()));
    assert!(slow[0]["duration"].as_f64().unwrap() >= 1.5 && slow[0]["is_stack_cut"] == false);
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("slow request: ")).collect();
    let [line] = lines.as_slice() else { panic!("{log}") };
    assert!(
        line.contains("\"GET /wait\"") && line.contains("in inner (app.py:5) < descend (app.py:"),
        "{line}"
    );
}

#[test]
fn a_deep_stack_is_cut() {
    let server = serve(&[]);
    server.get("/wait?100,0.6");
    let slow = wait_for_slow(&server, |slow| slow.len() == 1 && !slow[0]["stack"].is_null());
    let functions = functions(&slow[0]);
    assert_eq!((functions.len(), functions[0], functions[31]), (32, "inner", "descend"));
    assert_eq!(slow[0]["is_stack_cut"], true);
}

#[test]
fn a_held_gil_is_named_as_the_reason_and_delays_no_other_interpreter() {
    let server = serve(&["--interpreters", "2"]);
    std::thread::scope(|scope| {
        scope.spawn(|| server.get("/hold?2.5"));
        std::thread::sleep(Duration::from_millis(300));
        scope.spawn(|| server.get("/wait?0,1.5"));
        let of = |slow: &[Value], path: &str| slow.iter().find(|each| each["path"] == path).cloned();
        // The other interpreter has a GIL of its own.
        let slow =
            wait_for_slow(&server, |slow| of(slow, "/wait").is_some_and(|each| !each["stack"].is_null()));
        assert_eq!(of(&slow, "/hold").unwrap()["stack"], Value::Null);
        let slow = wait_for_slow(&server, |slow| {
            of(slow, "/hold").is_some_and(|each| !each["stack_missing"].is_null())
        });
        let held = of(&slow, "/hold").unwrap();
        assert_eq!(held["is_complete"], false, "{held}");
        assert!(held["stack_missing"].as_str().unwrap().contains("GIL could not be had"), "{held}");
    });
    assert_eq!(server.get("/").0, 200);
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("no stack: the GIL could not be had"), "{log}");
}

#[test]
fn without_a_gil_there_is_no_stack_and_this_is_said() {
    let python = pythons::free_threaded();
    let args = ["--slow-requests", "0.3", "--metrics", "127.0.0.1:0", "--threads", "2"];
    let server = Server::on(&python, APPLICATION, &args);
    server.get("/wait?0,0.8");
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    assert!(
        log.contains("no stack: the stack of a running thread cannot be read under free threading"),
        "{log}"
    );
}

#[test]
fn stacks_are_read_under_load_and_while_interpreters_end() {
    let args = ["--interpreters", "3", "--threads", "3", "--slow-requests", "0.01"];
    let server = Server::with_metrics(APPLICATION, &args);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| (0..40).for_each(|_| drop(server.get("/wait?20,0.03"))));
        }
        std::thread::sleep(Duration::from_millis(600));
        server.signal("HUP");
    });
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    for bad in ["not the last thread", "Fatal Python error", "could not be ended", "signal:"] {
        assert!(!log.contains(bad), "{bad}\n{log}");
    }
    assert!(log.matches("in inner (app.py:5)").count() > 50, "{log}");
}
