//! Six real applications (`tests/fixtures/applications/NAME`), asked requests: every extension module that the running application loads
//! is reached in the report, or the report names what could not be followed, and none is `ready` that fails in an interpreter
//! with its own GIL. What it loads, and where it fails, is seen without wsgiaudit (`ask.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::sites_environment;
use crate::support::venv::Venv;

/// What an application does without wsgiaudit.
#[derive(Debug, Deserialize)]
struct Seen {
    statuses: Vec<String>,
    loaded: Vec<String>,
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/applications")
}

/// Runs a python in this folder, and returns what it printed.
#[track_caller]
fn run(python: &Path, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(python)
        .args(arguments)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A site's folder, with its database and the like in `data`.
fn prepare(name: &str, venv: &Venv) -> TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let from = sources().join(name);
    for entry in walkdir::WalkDir::new(&from).into_iter().map(Result::unwrap) {
        let target = folder.path().join(entry.path().strip_prefix(&from).unwrap());
        if entry.file_type().is_file() {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(entry.path(), target).unwrap();
        }
    }
    fs::create_dir(folder.path().join("data")).unwrap();
    if folder.path().join("prepare.py").is_file() {
        run(&venv.python(), folder.path(), &["prepare.py"]);
        fs::remove_file(folder.path().join("prepare.py")).unwrap();
    }
    folder
}

/// Asks the site without wsgiaudit. It writes to a copy of its data, as in a trial.
fn see(venv: &Venv, folder: &Path, options: &[&str]) -> Seen {
    const AS_A_SCRIPT: &str = "import runpy, sys; sys.path.insert(0, '.'); sys.argv = sys.argv[1:]; \
                               runpy.run_path(sys.argv[0], run_name='__main__')";
    let (data, kept) = (folder.join("data"), folder.join("kept"));
    assert!(Command::new("cp").arg("-r").args([&data, &kept]).status().unwrap().success());
    let script = sources().join("ask.py");
    let begin = ["-c", AS_A_SCRIPT, script.to_str().unwrap()];
    let said = run(&venv.python(), folder, &[&begin[..], options, &["wsgi.py", "requests.http"]].concat());
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&kept, &data).unwrap();
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

/// A virtualenv with these distributions and all that they need.
fn environment(distributions: &[&str]) -> Venv {
    let script = sources().join("closure.py");
    let python = sites_environment().join("bin/python");
    let needed = run(&python, &sources(), &[&[script.to_str().unwrap()], distributions].concat());
    let python = pythons::all().into_iter().find(|python| python.version == "3.14").unwrap();
    needed.lines().fold(Venv::on(python), |venv, name| venv.with_distribution(&sites_environment(), name))
}

/// Audits a site and holds the report against what it does: these are the statuses of its requests, and this is its verdict
/// with a GIL of its own.
#[track_caller]
fn audit(name: &str, distribution: &str, statuses: &str, expected: &str) {
    let venv = environment(&[distribution]);
    let folder = prepare(name, &venv);
    let (main, own) = (see(&venv, folder.path(), &[]), see(&venv, folder.path(), &["--own-gil"]));
    let report: Value = Wsgiaudit::new()
        .arg(venv.path())
        .args(["--app", "wsgi.py:application", "--requests", "requests.http", "--writable", "data"])
        .args(["--format", "json"])
        .within(folder.path())
        .run()
        .body();
    let (application, exercise) = (&report["applications"][0], &report["exercises"][0]);
    let requests = exercise["requests"].as_array().unwrap();
    let told: Vec<&str> =
        requests.iter().map(|request| &request["status"].as_str().unwrap_or("none")[..3]).collect();
    assert_eq!(told, main.statuses, "{:#}", exercise["modes"]["main"]);
    assert_eq!(told.join(" "), statuses, "{name}");

    let modules = application["modules"].as_array().unwrap().iter();
    let reached: BTreeMap<&str, &Value> =
        modules.map(|module| (module["name"].as_str().unwrap(), module)).collect();
    let is_open = ["not_followed", "not_followed_elsewhere"]
        .iter()
        .any(|list| !application[list].as_array().unwrap().is_empty());
    for loaded in &main.loaded {
        let module = reached.get(loaded.as_str()).unwrap_or_else(|| panic!("{loaded} is not in the report"));
        assert_ne!(module["reached"], "not-reached", "{name}: {loaded}");
        // What a request alone has shown hides behind something that the sources do not tell.
        let is_shown = module["reached"] == "lazy" && module["through"].is_null();
        assert!(!is_shown || is_open, "{name}: {loaded}");
    }
    let verdict = application["modes"]["own-gil"]["verdict"].as_str().unwrap();
    let fails = own.statuses != main.statuses;
    assert!(!fails || verdict != "ready", "{name}: {:?} is {verdict}", own.statuses);
    let asked = exercise["modes"]["own-gil"]["verdict"].as_str().unwrap();
    assert!(fails || asked != "blocked", "{name}: {:#}", exercise["modes"]["own-gil"]);
    assert_eq!(verdict, expected, "{name}: {:#}", application["modes"]["own-gil"]);
}

#[test]
fn radicale() {
    audit("radicale", "Radicale", "200 201 201 200 207 207", "ready");
}

#[test]
fn pypiserver() {
    audit("pypiserver", "pypiserver", "200 200 200 200 200 200", "ready");
}

/// It does without the accelerators of its Git.
#[test]
fn klaus() {
    audit("klaus", "klaus", "200 200 200 200 200 200 200 200", "degraded");
}

/// One page alone imports what is refused, and Django answers 500 for it.
#[test]
fn a_help_desk_in_django() {
    audit("helpdesk", "django-helpdesk", "302 200 302 200 200 200 302 200 200 200 200", "blocked");
}

#[test]
fn wagtail() {
    audit("wagtail", "wagtail", "200 200 302 200 200 200 200 200 200 404", "blocked");
}

#[test]
fn fava() {
    audit("fava", "fava", "302 200 200 200 200 200 200 404", "blocked");
}
