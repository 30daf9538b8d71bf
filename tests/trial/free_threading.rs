//! The second question: a free-threaded environment beside an ordinary one, named or made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::pythons;
use crate::support::switches_environment;
use crate::support::venv::Venv;

fn audit(venv: &Venv, beside: &Path) -> Wsgiaudit {
    Wsgiaudit::new().arg(venv.path()).arg("--free-threaded").arg(beside)
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{}{}", said.out, said.err))
}

fn row<'a>(report: &'a Value, list: &str, name: &str) -> &'a Value {
    let all = report[list].as_array().unwrap();
    all.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[test]
fn one_report_answers_both_questions_and_says_which_road_is_nearer() {
    let venv = Venv::new().with("well-behaved").with("no-slot").with("gil-undeclared").with("gil-behind");
    let other = Venv::on(pythons::free_threaded())
        .with("well-behaved")
        .with("no-slot")
        .with("gil-undeclared")
        .with("gil-behind");
    let said = audit(&venv, other.path()).env("COLUMNS", "200").run().ended_with(1);
    for words in [
        "In the way of free-threaded: 1 root cause blocks 2 distributions",
        "  corpus-gil-undeclared: gil_undeclared: switches the GIL on: no slot 4",
        "    also blocks corpus-gil-behind: gil_behind -> gil_undeclared",
        "WSGIPerInterpreterGIL On: no. 1 distribution is in the way (1 blocked, 3 ready).",
        "WSGIFreeThreading On: no. 2 distributions are in the way (2 blocked, 2 ready).",
        "In the way: own GIL: 1 distribution; free threading: 2: an own GIL is closer.",
    ] {
        assert!(said.out.contains(words), "{words}\n{}", said.out);
    }

    let report = json(&audit(&venv, other.path()).arg("--format").arg("json").run().ended_with(1));
    assert_eq!(report["free_threaded"]["free_threaded"], true);
    let module = row(&report, "modules", "gil_undeclared");
    assert_eq!(module["modes"]["own-gil"]["verdict"], "ready");
    assert_eq!(module["modes"]["free-threaded"]["verdict"], "blocked");
    assert_eq!(module["findings"][0]["rule"], "declare-gil");
    assert!(module["findings"][0]["add"][0].as_str().unwrap().contains("Py_MOD_GIL_NOT_USED"));
    // Each build's own file, and what that one declares.
    assert!(module["free_threaded_build"]["file"].as_str().unwrap().contains("t-"), "{module}");
    assert_eq!(row(&report, "modules", "well_behaved")["free_threaded_build"]["declaration"]["gil"], 1);
}

#[test]
fn what_is_required_decides_the_exit_status() {
    let venv = Venv::new().with("gil-undeclared");
    let other = Venv::on(pythons::free_threaded()).with("gil-undeclared");
    audit(&venv, other.path()).run().ended_with(0);
    audit(&venv, other.path()).arg("--require").arg("free-threaded").run().ended_with(1);
    let both = audit(&venv, other.path()).arg("--require").arg("own-gil");
    both.arg("--require").arg("free-threaded").run().ended_with(1);

    let said = Wsgiaudit::new().arg(venv.path()).arg("--require").arg("free-threaded").run().ended_with(3);
    assert!(said.out.contains("free threading was not tried"), "{}", said.out);
    assert!(said.out.contains("--free-threaded auto"), "{}", said.out);
}

#[test]
fn what_the_second_environment_lacks_or_is_not_is_said_and_never_ready() {
    let venv = Venv::new().with("well-behaved").with("no-slot");
    let other = Venv::on(pythons::free_threaded()).with("no-slot");
    let report = json(&audit(&venv, other.path()).arg("--format").arg("json").run());
    let lacking = row(&report, "distributions", "corpus-well-behaved");
    assert_eq!(lacking["modes"]["free-threaded"]["verdict"], "unknown", "{lacking}");

    // Before the trials.
    let said = audit(&venv, venv.path()).arg("--require").arg("free-threaded").run().ended_with(2);
    assert!(said.err.contains("is not a free-threaded Python\nhint: `--free-threaded auto`"), "{}", said.err);
}

/// A wheel of one module of Python.
fn wheel(folder: &Path, name: &str, version: &str, source: &str) {
    let info = format!("{name}-{version}.dist-info");
    let file = File::create(folder.join(format!("{name}-{version}-py3-none-any.whl"))).unwrap();
    let mut wheel = zip::ZipWriter::new(file);
    let tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    for (path, text) in [
        (format!("{name}.py"), source.to_owned()),
        (format!("{info}/METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")),
        (format!("{info}/WHEEL"), tags.to_owned()),
        (
            format!("{info}/RECORD"),
            format!("{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"),
        ),
    ] {
        wheel.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
        wheel.write_all(text.as_bytes()).unwrap();
    }
    wheel.finish().unwrap();
}

/// An audit that makes a shadow environment in a cache of its own, with what this machine has: uv, or pip.
fn with_shadow(venv: &Venv, cache: &Path) -> Wsgiaudit {
    let python = pythons::free_threaded().executable;
    audit(venv, &python).env("HOME", cache).arg("--format").arg("json")
}

#[test]
fn a_shadow_environment_holds_the_same_versions_and_what_it_cannot_hold_is_named_with_what_there_is() {
    let venv = Venv::new()
        .with("no-slot")
        .with_python("alone", "answer = 42\n")
        .with_python("needs_it", "import no_slot\n")
        .with_python("nowhere", "answer = 42\n");
    let folder = tempfile::tempdir().unwrap();
    wheel(folder.path(), "alone", "1.0", "answer = 42\n");
    wheel(folder.path(), "needs_it", "1.0", "import no_slot\n");
    wheel(folder.path(), "corpus_no_slot", "2.0", "answer = 42\n");
    let run =
        || with_shadow(&venv, folder.path()).arg("--no-index").arg("--find-links").arg(folder.path()).run();
    let said = run().ended_with(1);
    let report = json(&said);
    let of = |name: &str| row(&report, "distributions", name)["modes"]["free-threaded"].clone();
    assert_eq!(of("alone")["verdict"], "ready", "{said}", said = said.out);
    assert_eq!(of("nowhere")["reason"], "has no free-threaded wheel of any version");
    let words = "has no free-threaded wheel of 1.0: the newest version that has one is 2.0";
    assert_eq!(of("corpus-no-slot")["verdict"], "blocked");
    assert_eq!(of("corpus-no-slot")["reason"], words);
    assert_eq!(of("needs_it")["verdict"], "blocked");
    assert_eq!(of("needs_it")["reason"], format!("needs no_slot, which {words}"));
    // Made once: the second audit finds it, and says the same.
    assert_eq!(run().body(), said.body());
}

/// Real distributions, some of which switch the GIL on: what CPython itself says of each module, imported by
/// itself, against the report.
#[test]
fn what_switches_the_gil_on_is_what_cpython_warns_of() {
    let environment = switches_environment();
    let said = Wsgiaudit::new().arg(&environment).arg("--format").arg("json").run();
    let report = json(&said);
    let modules: Vec<&Value> = report["modules"].as_array().unwrap().iter().collect();
    let mut warned = BTreeSet::new();
    for module in &modules {
        let name = module["name"].as_str().unwrap();
        let of = &module["modes"]["free-threaded"];
        if module["modes"]["main"]["outcome"]["kind"] != "imported" {
            continue;
        }
        let code = format!("import importlib; importlib.import_module({name:?})");
        let output = Command::new(environment.join("bin/python"))
            .args(["-W", "always", "-c", &code])
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        let culprit =
            printed.split("enabled to load module '").nth(1).and_then(|rest| rest.split('\'').next());
        match culprit {
            Some(culprit) => {
                assert_eq!(
                    of["verdict"], "blocked",
                    "{name}: CPython warns of {culprit}, the report says {of}"
                );
                warned.insert(culprit.to_owned());
            }
            None => {
                assert_ne!(of["verdict"], "blocked", "{name}: CPython does not warn, the report says {of}")
            }
        }
    }
    for culprit in &warned {
        let reason = &row(&report, "modules", culprit)["modes"]["free-threaded"]["reason"];
        assert!(reason.as_str().unwrap().starts_with("switches the GIL on"), "{culprit}: {reason}");
    }
    let known: BTreeSet<String> = ["lxml.etree", "fontTools.misc.bezierTools"].map(str::to_owned).into();
    assert!(known.iter().any(|name| warned.contains(name)), "these switched it on: {warned:?}");
}

/// `tests/fixtures/oracle/collectors.py`, without a word of ours in it: what such a verdict warns of.
#[test]
fn what_collectors_of_two_interpreters_reach_is_freed_in_use() {
    for (python, is_freed) in [(pythons::free_threaded(), true), (pythons::all().remove(0), false)] {
        let venv = Venv::on(python).with("made-with-cpp");
        let mut run = Command::new(venv.path().join("bin/python"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/oracle/collectors.py");
        let ended = run.arg(script).env("PYTHONMALLOC", "debug").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.signal().is_some(), is_freed, "{}\n{said}", ended.status);
        assert_eq!(ended.status.success(), !is_freed, "{}\n{said}", ended.status);

        let report = json(&Wsgiaudit::new().arg(venv.path()).arg("--format").arg("json").run());
        let module = row(&report, "modules", "made_with_cpp");
        let (outcome, verdict) = if is_freed { ("shares", "unsafe") } else { ("imported", "ready") };
        assert_eq!(module["modes"]["shared-gil"]["outcome"]["kind"], outcome, "{module}");
        assert_eq!(module["modes"]["shared-gil"]["verdict"], verdict, "{module}");
    }
}
