//! What is recommended for applications whose behavior is known.

use super::{Project, row};

#[test]
fn an_application_that_waits_is_given_threads() {
    let waits = "\
import time

def application(environ, start_response):
    time.sleep(0.02)
    start_response('200 OK', [('Content-Length', '4')])
    return [b'done']
";
    let project = Project::new(waits);
    let (said, document) = project.tune_to_json(&["--cores", "1", "--max-threads", "4", "--rounds", "1"]);
    // One round cannot tell switch intervals apart.
    assert!(matches!(said.status, Some(0 | 3)), "{}", said.err);
    let recommended = &document["recommendation"];
    assert_eq!(recommended["configuration"]["threads"], 4, "{document:#}");
    let settings = recommended["settings"].to_string();
    for text in
        ["--mode main --threads 4 shop:application", "threads=4", "--blocking-threads 4", "threads = 4"]
    {
        assert!(settings.contains(text), "{text}: {settings}");
    }
    // One thread answers at most 50 requests a second, and is out after the first round.
    let single = row(&document, "main: 1 process x 1 thread");
    assert_eq!(single["standing"], "dropped", "{single:#}");
    assert!(single["requests_per_minute"].as_f64().unwrap() <= 3300.0, "{single:#}");
    assert!(single["application_time"]["p50"].as_f64().unwrap() >= 0.02, "{single:#}");
}

/// Takes some milliseconds of Python.
const COMPUTES: &str = "\
def application(environ, start_response):
    number = 0
    for step in range(40_000):
        number += step
    start_response('200 OK', [('Content-Length', '4')])
    return [b'done']
";

#[test]
fn an_application_that_computes_is_not_given_threads() {
    let args = ["--cores", "1", "--max-threads", "2", "--rounds", "4", "--duration", "0.4"];
    let project = Project::new(COMPUTES);
    // What else a busy machine does can favor two threads in all rounds of a run, but hardly of three.
    let is_right = |_| {
        let (said, document) = project.tune_to_json(&args);
        assert!(matches!(said.status, Some(0 | 3)), "{}", said.err);
        assert_eq!(document["load"]["rounds"], 4);
        document["recommendation"]["configuration"]["threads"] == 1
    };
    assert!((0..3).any(is_right));
}

#[test]
fn interpreters_with_an_own_gil_are_compared_where_the_audit_allows_them() {
    let args = ["--max-threads", "1", "--rounds", "1", "--duration", "0.4"];
    let (said, document) = Project::new(COMPUTES).tune_to_json(&args);
    assert!(matches!(said.status, Some(0 | 3)), "{}", said.err);
    if document["cores"].as_u64().unwrap() > 1 {
        let own = row(&document, "own-gil: 1 process x 2 interpreters x 1 thread");
        assert!(own["requests_per_minute"].as_f64().unwrap() > 0.0, "{own:#}");
        assert_eq!(own["failures"], 0);
    }
}

#[test]
fn a_configuration_with_failed_requests_is_not_recommended() {
    // It fails if two requests are worked on at the same time.
    let unsafe_with_threads = "\
import time

active = []

def application(environ, start_response):
    active.append(1)
    time.sleep(0.005)
    is_alone = len(active) == 1
    active.pop()
    start_response('200 OK' if is_alone else '500 Internal Server Error', [('Content-Length', '0')])
    return []
";
    let project = Project::new(unsafe_with_threads);
    let args = ["--cores", "1", "--max-threads", "2", "--rounds", "1"];
    let (said, document) = project.tune_to_json(&args);
    said.ended_with(0);
    assert_eq!(document["recommendation"]["name"], "main: 1 process x 1 thread", "{document:#}");
    let threaded = row(&document, "main: 1 process x 2 threads");
    assert_eq!(threaded["standing"], "failed", "{threaded:#}");
    assert!(threaded["reason"].as_str().unwrap().contains("GET /: status 500"), "{threaded:#}");
}

#[test]
fn an_application_that_always_fails_gets_no_recommendation() {
    let fails = "\
def application(environ, start_response):
    raise ValueError('no')
";
    let said = Project::new(fails).tune(&["--cores", "1", "--max-threads", "1"]);
    let said = said.ended_with(1);
    assert!(said.out.contains("No configuration is recommended."), "{}", said.out);
    assert!(said.out.contains("every configuration failed"), "{}", said.out);
}

#[test]
fn a_stall_is_seen_in_the_percentiles_of_an_open_load() {
    // In each second it answers nothing for 300 ms.
    let stalls = "\
import time

def application(environ, start_response):
    since = time.time() % 1.0
    if since < 0.3:
        time.sleep(0.3 - since)
    start_response('200 OK', [('Content-Length', '0')])
    return []
";
    let project = Project::new(stalls);
    let args = ["--cores", "1", "--max-threads", "1", "--rate", "100", "--duration", "2", "--rounds", "1"];
    let (said, document) = project.tune_to_json(&args);
    // The generator of load may be late on a busy machine.
    assert!(matches!(said.status, Some(0 | 3)), "{}", said.err);
    let response = &row(&document, "main: 1 process x 1 thread")["response"];
    let p = |share: &str| response[share].as_f64().unwrap();
    assert!((0.2..0.8).contains(&p("p99")), "{response:#}");
    assert!(p("p50") < 0.15, "{response:#}");
    assert!((document["load"]["rate"].as_f64().unwrap() - 100.0).abs() < 1e-9);
}
