//! `wsgiaudit serve --telemetry`: mod_wsgi's datagrams, and what they say.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use serde_json::Value;
use wsgiaudit_probes_core::telemetry::datagram::{Kind, field};

use crate::support::modwsgi_telemetry::ModWsgiTelemetry;
use crate::support::server::{Server, fails};
use crate::support::telemetry_receiver::Receiver;

const APPLICATION: &str = r#"
import time

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/wait":
        time.sleep(float(query))
    elif path == "/fail":
        raise ValueError("no")
    elif path == "/read":
        environ["wsgi.input"].read()
    elif path == "/large":
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(int(query)))
    start_response("200 OK", [])
    return [b"done"]
"#;

/// Serves with telemetry to a receiver.
#[track_caller]
fn serve(receiver: &Receiver, args: &[&str]) -> Server {
    let target = receiver.target();
    let all = [&["--telemetry", &target, "--telemetry-interval", "0.2"], args].concat();
    Server::with_metrics(APPLICATION, &all)
}

/// Asks for paths, from several clients at the same time.
fn load(server: &Server, paths: &[&str], rounds: usize) {
    std::thread::scope(|scope| {
        for path in paths {
            scope.spawn(move || (0..rounds).for_each(|_| drop(server.get(path))));
        }
    });
}

/// The metrics, once this many responses are counted: a client may have one a moment before.
#[track_caller]
fn wait_for_metrics(server: &Server, responses: u64) -> Value {
    let started = Instant::now();
    loop {
        let metrics = server.metrics();
        let counts = metrics["groups"][0]["requests"].as_object().unwrap().values();
        if counts.filter_map(Value::as_u64).sum::<u64>() == responses {
            return metrics;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{metrics}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Buckets of a time in the metrics of the only group.
fn buckets(metrics: &Value, time: &str) -> Vec<u64> {
    let counts = metrics["groups"][0][time]["buckets"].as_array().unwrap();
    counts.iter().map(|count| count.as_u64().unwrap()).collect()
}

/// Buckets of a field in all datagrams of a kind.
fn received_buckets(receiver: &Receiver, kind: Kind, id: u16) -> Vec<u64> {
    let mut sum = vec![0; 65];
    for counts in receiver.all(kind).map(|datagram| datagram.counts(id)) {
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    sum
}

#[test]
fn datagrams_say_what_the_metrics_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(folder.path());
    let server = serve(&receiver, &["--interpreters", "2", "--threads", "2"]);
    load(&server, &["/", "/wait?0.02", "/fail", "/large?3"], 15);
    drop(server.raw(b"POST /read HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde"));
    // Not of any group.
    drop(server.raw(b"GET / HTTP/1.1\r\n\r\n"));
    let metrics = wait_for_metrics(&server, 61);
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    receiver.wait_for(|datagram| datagram.kind == Kind::ProcessStopped);
    let sum = |id| receiver.sum(Kind::Request, id);
    assert_eq!((sum(field::REQUEST_COUNT), sum(field::STATUS_2XX), sum(field::STATUS_5XX)), (61, 46, 15));
    assert_eq!((sum(field::INPUT_BYTES), sum(field::INPUT_READS)), (5, 1));
    assert!(sum(field::OUTPUT_BYTES) > 15 * 3 * 65536);
    for (time, id) in [("response_time", 94), ("queue_time", 91), ("application_time", 93)] {
        assert_eq!(received_buckets(&receiver, Kind::Request, id), buckets(&metrics, time), "{time}");
    }
    // Each waits for the GIL at least once.
    assert_eq!(received_buckets(&receiver, Kind::Request, 95).iter().sum::<u64>(), 61);
    // Each interpreter tells its own.
    let names: BTreeSet<String> =
        receiver.all(Kind::Request).filter_map(|datagram| datagram.text(field::INTERPRETER_NAME)).collect();
    assert_eq!(names, ["default/1", "default/2"].map(str::to_owned).into());
    let last = receiver.all(Kind::Request).last().unwrap();
    assert_eq!(
        (last.number(field::SWITCH_INTERVAL), last.count(field::THREADS_MAXIMUM)),
        (Some(0.005), Some(2))
    );
    // The sequence has no gap.
    let sequence: Vec<u32> = receiver.datagrams.iter().map(|datagram| datagram.sequence).collect();
    assert!(sequence.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequence:?}");
}

#[test]
fn a_process_tells_its_start_its_figures_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(folder.path());
    let server = serve(&receiver, &["--threads", "3"]);
    load(&server, &["/wait?0.05"], 10);
    let figures = receiver.wait_for(|datagram| {
        datagram.kind == Kind::Request && datagram.count(field::REQUEST_COUNT).is_some_and(|count| count > 0)
    });
    assert_eq!(figures.text(field::PROCESS_GROUP).as_deref(), Some("app:application"));
    assert!(figures.text(field::SERVER_VERSION).unwrap().starts_with("wsgiaudit/"));
    assert!(figures.text(field::PYTHON_VERSION).unwrap().starts_with("3."));
    assert!(!figures.text(field::HOST_NAME).unwrap().is_empty());
    assert_eq!(
        (figures.count(field::THREADS_MAXIMUM), figures.number(field::INTERVAL)),
        (Some(3), Some(0.2))
    );
    assert!(figures.count(field::MEMORY).unwrap() > 1_000_000);
    // One of three threads is busy, at most.
    let capacity = figures.number(field::CAPACITY).unwrap();
    assert!(capacity > 0.0 && capacity < 0.4, "{figures:#?}");
    assert!(figures.numbers(field::WORKER_BUSY).iter().sum::<f64>() > 0.0, "{figures:#?}");
    assert!(figures.number(field::APPLICATION_TIME_MINIMUM).unwrap() >= 0.05);
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    let stopped = receiver.wait_for(|datagram| datagram.kind == Kind::ProcessStopped);
    assert_eq!(stopped.text(field::STOP_REASON).as_deref(), Some("shutdown_signal"));
    assert_eq!(
        (stopped.count(field::LIFETIME_REQUESTS), stopped.count(field::IS_GRACEFUL)),
        (Some(10), Some(1))
    );
    let kinds: Vec<Kind> = receiver.datagrams.iter().map(|datagram| datagram.kind).collect();
    assert_eq!(kinds.first(), Some(&Kind::ProcessStarted));
    let stopping = kinds.iter().position(|kind| *kind == Kind::ProcessStopping).unwrap();
    assert!(kinds[stopping..].contains(&Kind::Request), "{kinds:?}");
}

#[test]
fn every_process_sends_its_own_and_says_why_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(folder.path());
    let mut server = serve(&receiver, &["--processes", "2", "--max-requests", "20"]);
    server.wait_for("process 2 of 2, pid");
    load(&server, &["/wait?0.001", "/wait?0.001"], 30);
    receiver.wait_for(|datagram| datagram.text(field::STOP_REASON).as_deref() == Some("maximum_requests"));
    server.signal("HUP");
    receiver.wait_for(|datagram| datagram.text(field::STOP_REASON).as_deref() == Some("graceful_signal"));
    let pids: BTreeSet<u32> = receiver.all(Kind::ProcessStarted).map(|datagram| datagram.pid).collect();
    assert!(pids.len() >= 4, "{pids:?}");
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
}

#[test]
fn slow_requests_are_told_while_they_run_and_at_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::new(folder.path());
    let server = serve(&receiver, &["--slow-requests", "0.3", "--threads", "2"]);
    std::thread::scope(|scope| {
        scope.spawn(|| server.get("/wait?1.2"));
        (0..5).for_each(|_| drop(server.get("/")));
    });
    let slow = |state| {
        move |datagram: &wsgiaudit_probes_core::telemetry::datagram::Datagram| {
            datagram.kind == Kind::SlowRequest && datagram.count(field::SLOW_STATE) == Some(state)
        }
    };
    let (running, ended) = (receiver.wait_for(slow(0)), receiver.wait_for(slow(1)));
    for told in [&running, &ended] {
        assert_eq!(
            (told.text(field::SLOW_METHOD).as_deref(), told.text(field::SLOW_PATH).as_deref()),
            (Some("GET"), Some("/wait"))
        );
        assert_eq!(told.text(field::SLOW_PEER).as_deref(), Some("127.0.0.1"));
        assert!(told.number(field::SLOW_APPLICATION_TIME).unwrap() >= 0.25);
        assert!(told.count(field::SLOW_THREAD).unwrap() > 0);
    }
    assert_eq!((running.count(field::SLOW_STATUS), ended.count(field::SLOW_STATUS)), (Some(0), Some(200)));
    assert!(ended.number(field::SLOW_DURATION).unwrap() >= 1.2);
    assert!(ended.number(field::SLOW_CPU_USER).unwrap() < 0.5);
    assert_eq!(running.number(field::SLOW_CPU_USER), Some(0.0));
    assert_eq!(receiver.all(Kind::SlowRequest).filter(|told| slow(1)(told)).count(), 1);
    let threshold = receiver.all(Kind::Request).next().unwrap().number(field::SLOW_THRESHOLD);
    assert_eq!(threshold, Some(0.3));
}

#[test]
fn requests_are_served_without_a_receiver_and_with_one_that_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.sock");
    let target = format!("unix:{}", path.display());
    let args = ["--telemetry", &target, "--telemetry-interval", "0.1"];
    let server = Server::start(APPLICATION, &args);
    load(&server, &["/"; 2], 20);
    std::thread::sleep(Duration::from_millis(500));
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    let said = |log: &str| log.lines().filter(|line| line.contains("telemetry to ")).count();
    assert!(log.contains("there is no receiver") && said(&log) == 1, "{log}");
    let _deaf = UnixDatagram::bind(&path).unwrap();
    let mut server = Server::start(APPLICATION, &args);
    let line = server.wait_for("telemetry to ");
    assert!(line.contains("does not keep up"), "{line}");
    let began = Instant::now();
    load(&server, &["/"; 2], 20);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let (status, log) = server.stop();
    assert!(status == 0 && said(&log) == 1, "{log}");
}

#[test]
fn wrong_options_say_what_to_type() {
    for (args, words) in [
        (&["--telemetry", "udp:127.0.0.1:1"][..], "unix:/run/wsgiaudit/telemetry.sock"),
        (&["--telemetry", "unix:a", "--telemetry-interval", "0.01"], "from 0.1 to 3600"),
        (&["--telemetry-interval", "5"], "--telemetry <unix:PATH>"),
        (&["--slow-requests", "5"], "--metrics <ADDRESS> or --telemetry <unix:PATH>"),
    ] {
        let (status, said) = fails(APPLICATION, args);
        assert!(status == Some(2) && said.contains(words), "{args:?}: {status:?} {said}");
    }
}

#[test]
fn mod_wsgis_own_receiver_reads_every_datagram() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("unix:{}", folder.path().join("telemetry.sock").display());
    let receiver = ModWsgiTelemetry::start(&target);
    let args = ["--telemetry", &target, "--telemetry-interval", "0.5", "--slow-requests", "0.2"];
    let args = [&args[..], &["--interpreters", "2", "--threads", "2"]].concat();
    let server = Server::with_metrics(APPLICATION, &args);
    load(&server, &["/", "/", "/wait?0.02", "/fail"], 100);
    drop(server.get("/wait?0.3"));
    let metrics = wait_for_metrics(&server, 401);
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    std::thread::sleep(Duration::from_millis(500));
    let state = receiver.try_state().unwrap();
    assert_eq!(state["decode_errors"], 0, "{state}");
    let process = &state["processes"][0];
    assert_eq!(process["process_group"], "app:application");
    let samples: Vec<&Value> = process["samples"].as_array().unwrap().iter().collect();
    assert!(samples.iter().all(|sample| sample["kind"] == "request_metrics"), "{process}");
    let sum = |name: &str| samples.iter().map(|sample| sample["fields"][name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("request_count"), sum("status_2xx_total"), sum("status_5xx_total")), (401, 301, 100));
    let of_metrics = &metrics["groups"][0]["requests"];
    assert_eq!((&of_metrics["2xx"], &of_metrics["5xx"]), (&301.into(), &100.into()));
    // Equal buckets have equal percentiles.
    for (time, name) in [("response_time", "request_time_buckets"), ("queue_time", "queue_time_buckets")] {
        let mut received = vec![0; 65];
        for sample in &samples {
            let counts = sample["fields"][name].as_array().unwrap();
            received.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.as_u64().unwrap());
        }
        assert_eq!(received, buckets(&metrics, time), "{name}");
    }
    let names: BTreeSet<&str> =
        samples.iter().map(|sample| sample["fields"]["interpreter_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["default/1", "default/2"].into());
    let events: Vec<&Value> = state["lifecycle_events"].as_array().unwrap().iter().collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["process_started", "process_stopping", "process_stopped"]);
    assert_eq!(
        (&events[2]["lifetime_request_count"], &events[2]["graceful_drain"]),
        (&401.into(), &1.into())
    );
    let mut slow = state["slow_requests"].as_array().unwrap().iter().map(|slow| &slow["entry"]);
    let slow = slow.find(|slow| slow["duration"].as_f64().unwrap() >= 0.3 && slow["path_info"] == "/wait");
    let slow = slow.unwrap_or_else(|| panic!("{state}"));
    assert_eq!((&slow["status"], &slow["state"], &slow["method"]), (&200.into(), &1.into(), &"GET".into()));
}
