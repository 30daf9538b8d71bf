//! Modules that attack the audit, beside innocent ones. Whatever one does, the verdicts of the innocent ones are the
//! same, it gets no better verdict than it deserves, and no process and no file is left.

mod accomplices;
mod compile;
mod forged_records;
mod leftovers;
mod metadata;
mod observers;
mod recognition;
mod suite;

use serde_json::Value;

use crate::support::running::Running;
use crate::support::venv::Venv;

/// One that is ready everywhere, one that is blocked with an own GIL, and one of pure Python.
fn innocents() -> Venv {
    Venv::new().with("well-behaved").with("no-slot").with_python("plain", "import json\n")
}

/// The verdicts of a distribution in the modes with several interpreters.
fn verdicts(report: &Value, distribution: &str) -> [String; 2] {
    let rows = report["distributions"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == distribution);
    let row = row.unwrap_or_else(|| panic!("{distribution}: {report}"));
    ["shared-gil", "own-gil"].map(|mode| row["modes"][mode]["verdict"].as_str().unwrap().to_owned())
}

/// Audits the environment, to which something hostile was added, and checks the innocent ones.
fn audit_attacked(attacked: &Venv, options: &[&str]) -> Value {
    let options: Vec<&str> = ["--jobs", "1", "--timeout", "10"].iter().chain(options).copied().collect();
    let (_, report) = Running::start(attacked, &options).end();
    check_innocents(&report);
    report
}

/// Panics unless the verdicts of the innocent ones are what they are without anything hostile.
fn check_innocents(report: &Value) {
    for (innocent, expected) in [
        ("corpus-well-behaved", ["ready", "ready"]),
        ("corpus-no-slot", ["ready", "blocked"]),
        ("plain", ["ready", "ready"]),
    ] {
        assert_eq!(verdicts(report, innocent), expected, "{innocent}: {report}");
    }
}
