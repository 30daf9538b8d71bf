//! The command line: what is named, what is printed, how it ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

fn json(venv: &Venv) -> serde_json::Value {
    let said = Wsgiaudit::new().arg(venv.path()).arg("--format").arg("json").run();
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{}{}", said.out, said.err))
}

fn verdict<'a>(report: &'a serde_json::Value, distribution: &str) -> &'a str {
    let all = report["distributions"].as_array().unwrap();
    let row = all.iter().find(|row| row["name"] == distribution).unwrap();
    row["modes"]["own-gil"]["verdict"].as_str().unwrap()
}

#[test]
fn a_ready_environment_ends_with_0_and_says_yes() {
    let venv = Venv::new().with("well-behaved");
    let said = Wsgiaudit::new().arg(venv.path()).run().ended_with(0);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: yes (1 ready)."), "{}", said.out);
}

#[test]
fn a_blocked_environment_ends_with_1_and_names_the_cause_and_the_chain() {
    let venv = Venv::new().with("no-slot").with_python("needs_it", "import no_slot\n");
    let said = Wsgiaudit::new().arg(venv.path()).run().ended_with(1);
    assert!(
        said.out.contains("WSGIPerInterpreterGIL On: no. 2 distributions are in the way"),
        "{}",
        said.out
    );
    assert!(said.out.contains("also blocks needs_it: needs_it -> no_slot"), "{}", said.out);
}

#[test]
fn degraded_ends_with_0_and_strictly_with_1() {
    let venv = Venv::new().with("lost-accelerator");
    Wsgiaudit::new().arg(venv.path()).run().ended_with(0);
    Wsgiaudit::new().arg(venv.path()).arg("--strict").run().ended_with(1);
}

#[test]
fn without_an_environment_it_says_what_to_name() {
    let empty = tempfile::tempdir().unwrap();
    let said = Wsgiaudit::new().within(empty.path()).run().ended_with(2);
    assert!(said.err.contains("hint: name one: wsgiaudit path/to/venv"), "{}", said.err);
}

#[test]
fn the_active_virtualenv_is_the_default_and_then_dot_venv() {
    let venv = Venv::new().with("well-behaved");
    Wsgiaudit::new().env("VIRTUAL_ENV", venv.path()).run().ended_with(0);
    let project = tempfile::tempdir().unwrap();
    symlink(venv.path(), project.path().join(".venv")).unwrap();
    Wsgiaudit::new().within(project.path()).run().ended_with(0);
}

#[test]
fn a_python_can_be_named_in_place_of_its_environment() {
    let venv = Venv::new().with("well-behaved");
    let said = Wsgiaudit::new().arg(venv.path().join("bin/python")).run().ended_with(0);
    assert!(said.out.contains("corpus-well-behaved"), "{}", said.out);
}

#[test]
fn what_is_no_environment_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Wsgiaudit::new().arg(folder.path().join("absent")).run().ended_with(2);
    assert!(missing.err.contains("does not exist"), "{}", missing.err);
    let other = Wsgiaudit::new().arg(folder.path()).run().ended_with(2);
    assert!(
        other.err.contains("is neither a virtualenv, nor a Python prefix, nor a python"),
        "{}",
        other.err
    );
    let file = folder.path().join("python");
    fs::write(&file, "not executable").unwrap();
    Wsgiaudit::new().arg(&file).run().ended_with(2);
}

#[test]
fn a_python_that_does_not_answer_is_quoted_and_the_files_are_read_all_the_same() {
    let venv = Venv::new().with("well-behaved");
    let python = venv.path().join("bin/python");
    fs::remove_file(&python).unwrap();
    fs::write(&python, "#!/bin/sh\necho I am broken >&2\nexit 7\n").unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let said = Wsgiaudit::new().arg(venv.path()).run().ended_with(3);
    assert!(said.out.contains("I am broken"), "{}", said.out);
    assert!(said.out.contains("corpus-well-behaved"), "{}", said.out);
}

#[test]
fn an_environment_whose_python_is_gone_is_read_and_is_incomplete() {
    let venv = Venv::new().with("well-behaved");
    for python in fs::read_dir(venv.path().join("bin")).unwrap().flatten() {
        if python.file_name().to_string_lossy().starts_with("python") {
            fs::remove_file(python.path()).unwrap();
        }
    }
    symlink("/absent/python", venv.path().join("bin/python")).unwrap();
    let said = Wsgiaudit::new().arg(venv.path()).run().ended_with(3);
    assert!(said.out.contains("a link to /absent/python, which does not exist"), "{}", said.out);
    assert!(said.out.contains("slot 3 = 2"), "{}", said.out);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let venv = Venv::new().with("well-behaved").with("no-slot").with("lost-accelerator").with("noise");
    let run = |jobs: &str| {
        Wsgiaudit::new()
            .arg(venv.path())
            .arg("--format")
            .arg("json")
            .arg("--jobs")
            .arg(jobs)
            .run()
            .ended_with(1)
            .body()
            .to_string()
    };
    assert_eq!(run("1"), run("4"));
}

#[test]
fn nothing_is_written_into_the_environment() {
    let venv = Venv::new().with("well-behaved").with("lost-accelerator").with_python("pure", "import json\n");
    let before = venv.listing();
    Wsgiaudit::new().arg(venv.path()).run().ended_with(0);
    assert_eq!(before, venv.listing());
}

#[test]
fn output_goes_to_files_and_a_bad_path_fails_before_the_run() {
    let venv = Venv::new().with("well-behaved");
    let folder = tempfile::tempdir().unwrap();
    let (table, document) = (folder.path().join("table"), folder.path().join("report.json"));
    let said = Wsgiaudit::new()
        .arg(venv.path())
        .arg("-o")
        .arg(&table)
        .arg("--json")
        .arg(&document)
        .run()
        .ended_with(0);
    assert_eq!(said.out, "");
    assert!(fs::read_to_string(table).unwrap().contains("corpus-well-behaved"));
    let document: serde_json::Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
    assert_eq!(document["schema"], 1);

    let bad = folder.path().join("absent/report.json");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(bad).run().ended_with(2);
    assert!(said.err.contains("cannot write"), "{}", said.err);
}

#[test]
fn colour_only_where_it_is_asked_for_and_never_too_wide() {
    let venv = Venv::new().with("well-behaved").with("no-slot");
    let plain = Wsgiaudit::new().arg(venv.path()).run().out;
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let coloured = Wsgiaudit::new().arg(venv.path()).arg("--color").arg("always").run().out;
    assert!(coloured.contains('\u{1b}'), "{coloured}");
    for columns in [80, 120, 200] {
        let table = Wsgiaudit::new().arg(venv.path()).env("COLUMNS", columns.to_string()).run().out;
        // A path is not broken.
        let rows = table.lines().filter(|line| !line.starts_with("Environment /"));
        assert!(rows.clone().all(|row| row.chars().count() <= columns), "{table}");
    }
}

#[test]
fn names_from_strangers_are_shown_and_not_obeyed() {
    let venv = Venv::new()
        .with_file("evil-1.dist-info/RECORD", "evil.py,,\n")
        .with_file("evil.py", "")
        .with_file(
            "evil-1.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: evil\u{1b}[31m\u{202e}\nVersion: 1\n",
        )
        .with_file("evil.so", "not an object");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--modules").run();
    assert!(!said.out.contains('\u{1b}') && !said.out.contains('\u{202e}'), "{}", said.out);
    let said = Wsgiaudit::new().arg(venv.path()).run();
    assert!(!said.out.contains('\u{1b}') && !said.out.contains('\u{202e}'), "{}", said.out);
}

#[test]
fn a_site_that_prints_and_a_package_that_prints_do_not_reach_the_output() {
    let venv = Venv::new().with("noise").with_file(
        "sitecustomize.py",
        "import sys; print('{\"schema\": 9}'); print('noise', file=sys.stderr)\n",
    );
    let report = json(&venv);
    assert_eq!(report["schema"], 1);
    assert_eq!(verdict(&report, "corpus-noise"), "ready");
}

#[test]
fn help_documents_the_exit_status() {
    let said = Wsgiaudit::new().arg("--help").run().ended_with(0);
    for words in ["Exit status:", "0 ", "1 ", "2 ", "3 ", "130 "] {
        assert!(said.out.contains(words), "{}", said.out);
    }
    Wsgiaudit::new().arg("--no-such-option").run().ended_with(2);
    Wsgiaudit::new().arg("--timeout").arg("0").run().ended_with(2);
}

#[test]
fn every_module_has_a_row_of_its_own_when_asked() {
    let venv = Venv::new().with("well-behaved").with("plain-library").with("other-abi");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--modules").run().ended_with(0);
    for words in ["well_behaved", "plain library", "other abi"] {
        assert!(said.out.contains(words), "{}", said.out);
    }
}

#[test]
fn a_maintainer_is_told_what_a_module_does_where_nobody_checks_its_declaration() {
    let venv = Venv::new().with("no-slot");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--modules").env("COLUMNS", "200").run().ended_with(1);
    assert!(said.out.contains("blocked") && said.out.contains("declare-slot: passes"), "{}", said.out);
    let said = Wsgiaudit::new().arg(venv.path()).arg("--format").arg("json").run().ended_with(1);
    assert!(said.out.contains("Py_MOD_PER_INTERPRETER_GIL_SUPPORTED"), "{}", said.out);
}

#[test]
fn a_maintainer_is_told_the_declaration_of_the_toolchain() {
    let venv = Venv::new().with("made-with-pybind11").with("made-with-nanobind").with("no-slot");
    let report = json(&venv);
    let finding = |name: &str| {
        let row = report["modules"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
        row["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|each| each["rule"] == "declare-slot")
            .unwrap()
            .clone()
    };
    let pybind11 = finding("made_with_pybind11");
    let line = "PYBIND11_MODULE(NAME, m, py::multiple_interpreters::per_interpreter_gil()) {";
    assert_eq!(pybind11["add"], serde_json::json!([line]), "{pybind11}");
    let nanobind = finding("made_with_nanobind");
    assert!(nanobind["add"].is_null(), "{nanobind}");
    assert!(nanobind["text"].as_str().unwrap().contains("nanobind has no declaration for it"), "{nanobind}");
    assert!(finding("no_slot")["add"][0].as_str().unwrap().starts_with("{Py_mod_multiple_interpreters, "));
}

#[test]
fn a_distribution_that_cannot_be_read_makes_the_audit_incomplete() {
    let venv = Venv::new().with("well-behaved").with_file("broken-1.dist-info/RECORD", "");
    let said = Wsgiaudit::new().arg(venv.path()).run().ended_with(3);
    assert!(said.out.contains("incomplete:") && said.out.contains("METADATA"), "{}", said.out);
}

#[test]
fn an_editable_install_is_found_where_its_sources_are() {
    let venv = Venv::new().with("well-behaved");
    let project = tempfile::tempdir().unwrap();
    let module = fs::read_dir(venv.site_packages()).unwrap().flatten().map(|entry| entry.path());
    let module =
        module.into_iter().find(|path| path.extension().is_some_and(|suffix| suffix == "so")).unwrap();
    fs::rename(&module, project.path().join(module.file_name().unwrap())).unwrap();
    let info = "corpus_well_behaved-1.0.dist-info";
    let url =
        format!("{{\"url\": \"file://{}\", \"dir_info\": {{\"editable\": true}}}}", project.path().display());
    let venv = venv
        .with_file("__editable__.pth", &format!("{}\n", project.path().display()))
        .with_file(&format!("{info}/direct_url.json"), &url)
        .with_file(&format!("{info}/RECORD"), "__editable__.pth,,\n");
    let report = json(&venv);
    let modules = report["modules"].as_array().unwrap();
    assert_eq!(modules.len(), 1, "{report}");
    assert_eq!(modules[0]["distribution"], "corpus-well-behaved");
    assert_eq!(verdict(&report, "corpus-well-behaved"), "ready");
}
