//! The survey in reports/: its page says what its report says.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::pythons;

fn reports() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/reports"))
}

#[test]
fn the_page_is_made_from_the_report() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["summarise.py", "survey.json", "toolchains.json", "spot-check.json"] {
        fs::copy(reports().join(name), folder.path().join(name)).unwrap();
    }
    let python = pythons::all().remove(0).executable;
    let script = folder.path().join("summarise.py");
    assert!(Command::new(python).arg("-I").arg(script).status().unwrap().success());
    let [made, kept] = [folder.path(), reports()].map(|at| fs::read_to_string(at.join("README.md")).unwrap());
    assert!(made == kept, "`python -I reports/summarise.py` makes another page");
}

#[test]
fn the_report_is_one_of_this_schema_and_answers_both_questions() {
    let report = reports().join("survey.json");
    Wsgiaudit::new().arg("render").arg(&report).run().ended_with(1);
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    for mode in ["own-gil", "free-threaded"] {
        assert_eq!(report["answers"][mode], report["answers"][mode].as_str().unwrap());
    }
    assert!(report["modules"].as_array().unwrap().len() > 700);
}

#[test]
fn what_was_checked_by_hand_agrees() {
    let checked: Value =
        serde_json::from_slice(&fs::read(reports().join("spot-check.json")).unwrap()).unwrap();
    let disagree: Vec<&Value> =
        checked["checked"].as_array().unwrap().iter().filter(|each| each["agrees"] == false).collect();
    assert!(disagree.is_empty(), "{disagree:#?}");
}
