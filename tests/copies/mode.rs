//! The mode `own-gil-copies`: what an audit says with it, and `serve` with private copies.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::server::Server;
use crate::support::venv::Venv;

/// An environment with a module that CPython refuses, and that refuses a second interpreter by itself.
fn environment() -> Venv {
    Venv::new().with("once-per-process")
}

fn audit(venv: &Venv, report: &Path, arguments: &[&str]) -> (Said, Value) {
    let said = Wsgiaudit::new().arg(venv.path()).args(arguments).arg("--json").arg(report).run();
    (said, serde_json::from_slice(&fs::read(report).unwrap()).unwrap())
}

#[test]
fn what_refuses_an_own_gil_is_ready_with_private_copies() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let (said, report) = audit(&venv, &folder.path().join("audit.json"), &["--copies"]);
    let verdict = |mode: &str| report["modules"][0]["modes"][mode]["verdict"].clone();
    assert_eq!((verdict("own-gil"), verdict("own-gil-copies")), ("blocked".into(), "ready".into()));
    assert!(said.out.contains("With private copies (own-gil-copies): yes (1 of 1)."), "{}", said.out);
    assert_eq!(said.status, Some(1), "own-gil decides unless another mode is required");
}

#[test]
fn the_mode_is_tried_and_decides_only_on_request() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let (said, _) = audit(&venv, &folder.path().join("required.json"), &["--require", "own-gil-copies"]);
    assert_eq!(said.status, Some(0), "{}", said.out);
    assert!(said.out.contains("WSGIPerInterpreterGIL On, with private copies: yes"), "{}", said.out);
    let (_, report) = audit(&venv, &folder.path().join("audit.json"), &[]);
    assert_eq!(report["modules"][0]["modes"]["own-gil-copies"], Value::Null);
}

#[test]
fn serve_gives_each_interpreter_its_private_copies() {
    const APPLICATION: &str = r#"
import once_per_process

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [once_per_process.__file__.encode()]
"#;
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let report = folder.path().join("audit.json");
    audit(&venv, &report, &["--copies"]);
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    let (environment, report) =
        (venv.path().to_str().unwrap().to_owned(), report.to_str().unwrap().to_owned());
    let arguments = ["-e", &environment, "--report", &report, "--bind", "127.0.0.1:0", "app"];
    let server = Server::spawn(folder, &[&arguments[..], &["--copies", "--interpreters", "2"]].concat());
    assert!(server.log().contains("own-gil-copies, 2 x 1 threads"), "{}", server.log());
    let (status, file) = server.get("/");
    assert_eq!((status, Path::new(&file)), (200, venv.file("once_per_process").as_path()));
    assert_eq!(server.stop().0, 0);
}
