//! The guard under mod_wsgi: what the report has not vetted for an interpreter does not load in it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::apache::verdicts_in_apache::audit;
use crate::support::apache::{Apache, modwsgi};
use crate::support::command::Wsgiaudit;
use crate::support::demo_environment;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Apache with the guarded script in a process group for each kind of interpreter; `report` lies beside it.
fn guarded(folder: &Path, report: Option<&serde_json::Value>) -> Apache {
    fs::copy(Path::new(ROOT).join("tests/fixtures/apache-scripts/guarded.wsgi"), folder.join("guarded.wsgi"))
        .unwrap();
    if let Some(report) = report {
        fs::write(folder.join("wsgiaudit.json"), report.to_string()).unwrap();
    }
    let here = folder.display();
    let mut config = format!("WSGIPythonHome {}\n", demo_environment().display());
    writeln!(config, "<Directory {here}>\nRequire all granted\n</Directory>").unwrap();
    config.push_str("<WSGIInterpreterOptions process-group=own>\nWSGIPerInterpreterGIL On\n");
    config.push_str("</WSGIInterpreterOptions>\n");
    for (process, group) in [("own", "app"), ("shared", "app"), ("main", "%{GLOBAL}")] {
        writeln!(
            config,
            "WSGIDaemonProcess {process} processes=1 threads=1 home={{here}} python-path={ROOT}/probes/guard/purelib\n\
             WSGIScriptAlias /{process} {here}/guarded.wsgi process-group={process} application-group={group}"
        )
        .unwrap();
    }
    Apache::start(&modwsgi("3.14"), &config)
}

#[test]
fn the_guard_refuses_under_mod_wsgi_what_the_report_did_not_vet() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = audit().clone();
    let modules = report["modules"].as_array_mut().unwrap();
    modules.retain(|module| module["name"] != "_brotli");
    let changed = modules.iter_mut().find(|module| module["name"] == "wrapt._wrappers").unwrap();
    changed["sha256"] = "0".repeat(64).into();
    let apache = guarded(folder.path(), Some(&report));
    let said = |path: &str| {
        let response = apache.get(path);
        assert_eq!(response.status, 200, "{path}: {}\n{}", response.body, apache.log());
        response.body
    };

    for (path, mode) in [
        ("/own?markupsafe._speedups", "own-gil"),
        ("/shared?simplejson._speedups", "shared-gil"),
        ("/main?numpy", "main"),
        ("/own?_decimal", "own-gil"),
    ] {
        assert_eq!(said(path), format!("imported in {mode}"), "{path}");
    }
    for (path, words) in [
        // CPython would refuse it too; the guard says what to do.
        (
            "/own?simplejson._speedups",
            &["ImportError", "for own-gil: blocked", "wsgiaudit explain refused"][..],
        ),
        ("/own?numpy", &["numpy._core._multiarray_umath is not vetted", "root cause"]),
        // Apache alone would load these in its first group.
        ("/shared?lxml.etree", &["lxml.etree is not vetted for shared-gil: blocked", "refuses-by-itself"]),
        ("/own?_brotli", &["_brotli is not vetted for own-gil", "is not in the report"]),
        ("/main?_brotli", &["_brotli is not vetted for main", "is not in the report"]),
        ("/own?wrapt._wrappers", &["wrapt._wrappers is not vetted", "has changed since the audit"]),
    ] {
        let said = said(path);
        assert!(words.iter().all(|word| said.contains(word)), "{path}: {said}");
    }
    let log = apache.stop();
    for line in
        ["wsgiaudit_guard: on for own-gil", "wsgiaudit_guard: lxml.etree is not vetted for shared-gil"]
    {
        assert!(log.contains(line), "{line}\n{log}");
    }
}

#[test]
fn ways_around_the_import_system_end_at_the_loader_under_mod_wsgi() {
    let folder = tempfile::tempdir().unwrap();
    let ways = fs::read_to_string(Path::new(ROOT).join("tests/fixtures/applications/importing.py")).unwrap();
    let ways = ways.replace("well_behaved", "markupsafe._speedups");
    fs::write(folder.path().join("ways.py"), ways).unwrap();
    let apache = guarded(folder.path(), Some(audit()));
    let modules = audit()["modules"].as_array().unwrap();
    let vetted = modules.iter().find(|module| module["name"] == "markupsafe._speedups").unwrap();
    let file = vetted["file"].as_str().unwrap().rsplit('/').next().unwrap();
    let copy = folder.path().join(file);
    let site = fs::read_dir(demo_environment().join("lib")).unwrap().next().unwrap().unwrap().path();
    fs::copy(site.join("site-packages/markupsafe").join(file), &copy).unwrap();
    for group in ["own", "shared", "main"] {
        for way in ["fresh-imp", "loader"] {
            let said = apache.get(&format!("/{group}/{way}?{}", copy.display())).body;
            assert!(said.contains("_speedups is not vetted"), "{group} {way}: {said}\n{}", apache.log());
        }
        // CPython asks for the origin once, and loads what it was told: the file that is vetted.
        apache.get(&format!("/{group}/lying-origin?{}", copy.display()));
        assert!(!is_loaded(&copy), "{group}");
    }
    for group in ["own", "shared", "main"] {
        // Out of reach, and the README says so: an interpreter that the application makes has no guard.
        let said = apache.get(&format!("/{group}/other-interpreter?{}", copy.display())).body;
        assert!(said.ends_with("importlib/__init__.py"), "{group}: {said}");
        assert!(is_loaded(&copy), "{group}");
    }
}

/// Whether any process has this file mapped.
fn is_loaded(file: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("maps"));
    processes
        .filter_map(|maps| fs::read_to_string(maps).ok())
        .any(|maps| maps.contains(file.to_str().unwrap()))
}

#[test]
fn without_a_report_the_guard_lets_no_application_start() {
    let folder = tempfile::tempdir().unwrap();
    let apache = guarded(folder.path(), None);
    assert_eq!(apache.get("/own?json").status, 500);
    let log = apache.stop();
    assert!(log.contains("write it with wsgiaudit VENV --json wsgiaudit.json"), "{log}");
}

#[test]
fn two_groups_with_their_own_gil_use_private_copies_under_mod_wsgi() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let report = here.join("wsgiaudit.json");
    Wsgiaudit::new().arg(demo_environment()).args(["--copies", "--json"]).arg(&report).run();
    let said = Wsgiaudit::new()
        .arg("copies")
        .arg(demo_environment())
        .args(["--interpreters", "2", "--report"])
        .arg(&report)
        .arg("--output")
        .arg(here.join("copies"))
        .run();
    assert_eq!(said.status, Some(0), "{}", said.err);
    fs::copy(Path::new(ROOT).join("tests/fixtures/apache-scripts/copies.wsgi"), here.join("copies.wsgi"))
        .unwrap();
    let here = here.display();
    let mut config = format!("WSGIPythonHome {}\n", demo_environment().display());
    writeln!(config, "<Directory {here}>\nRequire all granted\n</Directory>").unwrap();
    config.push_str("<WSGIInterpreterOptions process-group=own>\nWSGIPerInterpreterGIL On\n");
    config.push_str("</WSGIInterpreterOptions>\n");
    writeln!(
        config,
        "WSGIDaemonProcess own processes=1 threads=2 home={{here}} python-path={ROOT}/probes/guard/purelib"
    )
    .unwrap();
    for group in ["one", "two", "three"] {
        writeln!(
            config,
            "WSGIScriptAlias /{group} {here}/copies.wsgi process-group=own application-group={group}"
        )
        .unwrap();
    }
    let apache = Apache::start(&modwsgi("3.14"), &config);
    for number in 1..=100_usize {
        let trace: usize = (0..number).map(|row| row * number + row).sum();
        for group in ["one", "two"] {
            let response = apache.get(&format!("/{group}?{number}"));
            assert_eq!(
                response.body,
                format!("own-gil-copies {trace} {number}"),
                "{group}: {}\n{}",
                response.status,
                apache.log()
            );
        }
    }
    assert_eq!(apache.get("/three?1").status, 500);
    let log = apache.stop();
    assert!(log.contains("no set of private copies in"), "{log}");
}
