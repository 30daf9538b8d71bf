//! Faults of the Python itself: found without any distribution, named once with the way out, and decisive.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::pythons::{self, Python};
use crate::support::venv::Venv;

/// A distribution that imports this.
fn importing(python: Python, module: &str) -> Venv {
    let source = format!("import {module}\n");
    Venv::on(python)
        .with_python("shop", &source)
        .with_python("stock", &source)
        .with_python("plain", "answer = 42\n")
}

fn audit(venv: &Venv, format: &str) -> Said {
    Wsgiaudit::new().arg(venv.path()).args(["--format", format, "--no-cache"]).run()
}

/// Pythons of these releases: of those to test with, and of pyenv's.
fn of_release(is_wanted: impl Fn((u8, u8, u8)) -> bool) -> Vec<Python> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let others = pyenv.join("versions").read_dir().into_iter().flatten().flatten().map(|version| Python {
        version: version.file_name().to_string_lossy().into_owned(),
        executable: version.path().join("bin/python3"),
    });
    let mut found: Vec<Python> = pythons::all().into_iter().chain(others).collect();
    found.retain(|python| release(&python.executable).is_some_and(&is_wanted));
    found
}

fn release(executable: &Path) -> Option<(u8, u8, u8)> {
    let code = "import sys; print(*sys.version_info[:3])";
    let said = Command::new(executable).args(["-I", "-c", code]).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}

/// Says that a test had nothing to look at.
#[expect(clippy::print_stdout, reason = "cargo test shows it to who asks why a test was so fast")]
fn none_of(release: &str) {
    println!("no CPython {release} to test with");
}

/// The finding on this module: one, with the release that mends it, told once, and the answer is no because of it.
fn is_found(python: Python, imports: &str, module: &str, mended: &str) {
    let venv = importing(python, imports);
    let report = audit(&venv, "json").ended_with(1).body();
    let findings: Vec<&Value> = report["python_findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["mode"] == "own-gil" && finding["module"] == module)
        .collect();
    assert_eq!(findings.len(), 1, "{report:#}");
    let finding = findings[0];
    assert_eq!((&finding["rule"], &finding["verdict"]), (&"python-defect".into(), &"unsafe".into()));
    assert_eq!(finding["mended"], mended, "{finding}");
    let text = finding["text"].as_str().unwrap();
    assert!(text.contains(&format!("fixed in {mended} (gh-")), "{text}");
    assert_eq!(report["answers"]["own-gil"], "unsafe");
    for row in report["distributions"].as_array().unwrap() {
        let own = &row["modes"]["own-gil"];
        if row["name"] == "plain" {
            assert_eq!(own["verdict"], "ready", "{row}");
        } else {
            assert_eq!(
                (&own["verdict"], &own["cause"]["rule"]),
                (&"unsafe".into(), &"python-defect".into()),
                "{row}"
            );
        }
    }
    let said = audit(&venv, "table").ended_with(1);
    assert_eq!(said.out.matches("has a defect").count(), report["python_findings"].as_array().unwrap().len());
    let words: String = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("fixed in {mended} (gh-")), "{}", said.out);
    assert!(said.out.contains("wsgiaudit explain python-defect"), "{}", said.out);
    assert!(said.out.contains("\nWSGIPerInterpreterGIL On: no. "), "{}", said.out);
}

#[test]
fn datetime_of_3_13_aborts_where_the_first_interpreter_ends_first() {
    let pythons = of_release(|release| ((3, 13, 0)..=(3, 13, 5)).contains(&release));
    if pythons.is_empty() {
        none_of("from 3.13.0 to 3.13.5");
    }
    for python in pythons.into_iter().filter(|python| !python.is_free_threaded()) {
        // CPython without us: which order it is.
        let order = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/oracle/order.py");
        let ends_well = |which| {
            let mut command = Command::new(&python.executable);
            command.args(["-I", order, "import datetime", which]).output().unwrap().status.success()
        };
        assert_eq!((ends_well("first-a"), ends_well("first-b")), (false, true), "{python:?}");
        is_found(python, "datetime", "_datetime", "3.14.0");
    }
}

#[test]
fn datetime_of_3_12_corrupts_the_heap_where_it_is_refused() {
    let pythons = of_release(|release| release == (3, 12, 1));
    if pythons.is_empty() {
        none_of("3.12.1");
    }
    for python in pythons {
        is_found(python, "datetime", "datetime", "3.14.0");
    }
}

#[test]
fn c_modules_of_3_12_that_a_sub_interpreter_uses_first_abort_the_process_as_it_ends() {
    let pythons = of_release(|release| release == (3, 12, 1));
    if pythons.is_empty() {
        none_of("3.12.1");
    }
    for python in pythons {
        is_found(python, "hashlib", "hashlib", "3.12.4");
    }
}

#[test]
fn a_python_without_such_a_fault_is_not_accused() {
    let pythons = of_release(|release| release >= (3, 14, 0));
    let sound = pythons.into_iter().find(|python| !python.is_free_threaded()).unwrap();
    let modules = "datetime, hashlib, ssl, asyncio, decimal, zoneinfo, sqlite3, json";
    let venv = importing(sound, modules);
    let report = audit(&venv, "json").ended_with(0).body();
    assert_eq!(report["python_findings"], Value::Null, "{report:#}");
    assert_eq!(report["answers"]["own-gil"], "ready", "{report:#}");
}
