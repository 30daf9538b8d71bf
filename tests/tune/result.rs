//! The result: its document, its other forms, and what ends it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wsgiaudit::tune::TuneDocument;

use super::{Project, row};
use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

const QUICK: &str = "\
def application(environ, start_response):
    status = '200 OK' if environ['PATH_INFO'] == '/' else '404 Not Found'
    start_response(status, [('Content-Length', '4')])
    return [b'done']
";

/// One configuration, one round.
const SHORT: [&str; 6] = ["--cores", "1", "--max-threads", "1", "--rounds", "1"];

/// `WSGIAUDIT_REWRITE=1` writes it.
#[test]
fn the_schema_of_tune_in_reports_is_that_of_the_types_and_holds_for_a_result() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/tune-schema-v1.json");
    let schema = schemars::schema_for!(TuneDocument);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("WSGIAUDIT_REWRITE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "WSGIAUDIT_REWRITE=1 cargo test tune:: writes it");
    let (said, document) = Project::new(QUICK).tune_to_json(&SHORT);
    said.ended_with(0);
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let again: TuneDocument = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), document);
    let only = row(&document, "main: 1 process x 1 thread");
    assert_eq!(only["standing"], "recommended");
    assert!(
        only["memory"].as_u64().unwrap() > 1_000_000 && only["cpu_cores"].as_f64().unwrap() > 0.0,
        "{only:#}"
    );
    assert!(document["load"]["rate"].as_f64().unwrap() > 1.0);
}

#[test]
fn a_stored_report_and_a_log_give_a_table_and_markdown() {
    let project = Project::new(QUICK);
    let report = project.audit();
    let log = "127.0.0.1 - - [30/Nov/2026:19:00:00 +0000] \"GET / HTTP/1.1\" 200 4 \"-\" \"-\"\n\
               127.0.0.1 - - [30/Nov/2026:19:00:00 +0000] \"POST /cart HTTP/1.1\" 200 4 \"-\" \"-\"\n\
               127.0.0.1 - - [30/Nov/2026:19:00:00 +0000] \"GET /nothing HTTP/1.1\" 404 4 \"-\" \"-\"\n";
    fs::write(project.folder().join("access.log"), log).unwrap();
    let args = [&SHORT[..], &["--report", &report, "--replay", "access.log", "--quiet"]].concat();
    let said = project.tune(&args).ended_with(0);
    assert_eq!(said.err, "");
    for text in [
        "Recommended: main: 1 process x 1 thread\n",
        "2 requests of access.log: 1 round of 0.5 s",
        "answers from 400 to 499 do not count as failures: GET /nothing: status 404",
        "access log: 1 requests with methods other than GET and HEAD",
        "shared-gil: its interpreters share one GIL",
        "WSGIDaemonProcess main-interpreter",
        "gunicorn (not measured):\n    gunicorn --workers 1 --threads 1 shop:application\n",
    ] {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
    let markdown = project.tune(&[&args[..], &["--format", "markdown"]].concat()).ended_with(0).out;
    assert!(
        markdown.contains("**main: 1 process x 1 thread**: ") && markdown.contains("\n| main: 1 process")
    );
}

#[test]
fn what_the_audit_does_not_allow_is_not_tried() {
    let mut project = Project::new(&format!("import no_slot\n\n{QUICK}"));
    project.venv = Venv::new().with("no-slot");
    let args = ["--max-threads", "1", "--rounds", "1", "--duration", "0.3"];
    let (_, document) = project.tune_to_json(&args);
    let rows = document["configurations"].as_array().unwrap();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row["configuration"]["mode"] == "main"),
        "{document:#}"
    );
    let not_tried = document["not_tried"].to_string();
    assert!(not_tried.contains("own-gil: blocked: needs no_slot"), "{not_tried}");
}

#[test]
fn an_interrupt_ends_its_servers_and_tells_what_was_measured() {
    let project = Project::new(QUICK);
    let report = project.audit();
    let mut command =
        Wsgiaudit::new().within(project.folder()).env("TMPDIR", project.folder()).into_command();
    command.args(["tune", "--report", &report, "--app", "shop:application", "--format", "json"]);
    command.args(["--cores", "1", "--max-threads", "1", "--duration", "30"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let servers = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let marker = project.folder().to_str().unwrap().to_owned();
        let is_ours = |entry: &fs::DirEntry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains(&marker) && line.contains("server-")
        };
        all.filter(is_ours).count()
    };
    let began = Instant::now();
    while servers() == 0 {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["interrupted"], true);
    assert_eq!(servers(), 0);
}
