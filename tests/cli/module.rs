//! `wsgiaudit module`: one extension module, or a wheel, with every detail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit, program};
use crate::support::venv::Venv;
use crate::support::wheel::pack;

fn module(file: &Path, python: &Venv) -> Wsgiaudit {
    Wsgiaudit::new().arg("module").arg(file).arg("--python").arg(python.path())
}

/// The file of a corpus case in an environment.
fn file(venv: &Venv, stem: &str) -> PathBuf {
    let entries = fs::read_dir(venv.site_packages()).unwrap().map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(&format!("{stem}.")) && name.ends_with(".so")
    };
    entries.into_iter().find(is_it).unwrap()
}

/// A wheel of all that is in an environment.
fn wheel(of: &Venv, folder: &Path, extra: &[(&str, &str)]) -> PathBuf {
    pack(of, folder, "thing-1.0-py3-none-any.whl", extra)
}

#[test]
fn a_file_is_told_what_it_declares_what_it_did_and_what_to_change() {
    let (holds, empty) = (Venv::new().with("no-slot").with("crash-in-second"), Venv::new());
    let said = module(&file(&holds, "no_slot"), &empty).run().ended_with(1);
    for line in [
        "no_slot",
        "  declares multi-phase (PyInit_no_slot, m_size 0)",
        "    slot 3 absent",
        "  main ready",
        "  own-gil blocked: refused: no slot 3",
        "    trial refused (import)",
        "    add {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},",
        "  what to do (refused)",
    ] {
        assert!(said.out.lines().any(|each| each == line), "{line}\n{}", said.out);
    }
    assert!(!said.out.contains("crash_in_second"), "only what was named: {}", said.out);

    let said = module(&file(&holds, "crash_in_second"), &empty).run().ended_with(1);
    assert!(said.out.contains("    crash "), "{}", said.out);
}

#[test]
fn a_file_in_a_package_is_tried_as_its_package_imports_it_with_what_the_python_has() {
    let package = Venv::new()
        .with("well-behaved")
        .with_file("package/__init__.py", "import needed\n")
        .with_copy("well_behaved", "package");
    let inner = fs::read_dir(package.site_packages().join("package"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "so"))
        .unwrap();
    let has_it = Venv::new().with_python("needed", "");
    let said = module(&inner, &has_it).arg("--format").arg("json").run().ended_with(0);
    assert_eq!(said.body()["modules"][0]["name"], "package.well_behaved");
    let lacks_it = Venv::new();
    let said = module(&inner, &lacks_it).run();
    assert!(said.out.contains("No module named 'needed'"), "{}", said.out);
}

#[test]
fn a_wheel_is_unpacked_and_tried() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), Venv::new());
    let path = wheel(&Venv::new().with("well-behaved"), folder.path(), &[]);
    let report = folder.path().join("report.json");
    let said = module(&path, &empty).arg("--json").arg(&report).run().ended_with(0);
    assert!(said.out.contains("  own-gil ready"), "{}", said.out);
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["distributions"][0]["name"], "corpus-well-behaved");
    assert_eq!(report["distributions"].as_array().unwrap().len(), 1);
}

#[test]
fn the_step_in_readme_tests_the_wheel_that_was_built() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let step = readme.lines().find_map(|line| line.strip_prefix("- run: pip install wsgiaudit && ")).unwrap();
    let (folder, empty) = (tempfile::tempdir().unwrap(), Venv::new());
    fs::create_dir(folder.path().join("dist")).unwrap();
    for (case, status) in [("well-behaved", 0), ("no-slot", 1)] {
        wheel(&Venv::new().with(case), &folder.path().join("dist"), &[]);
        let path = format!("{}:/usr/bin:/bin", program().parent().unwrap().display());
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", step]).env("PATH", path).env("VIRTUAL_ENV", empty.path());
        Said::from(bash.current_dir(folder.path()).output().unwrap()).ended_with(status);
    }
}

#[test]
fn a_wheel_without_a_module_for_this_python_is_no_success() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), Venv::new());
    let path = wheel(&Venv::new().with("other-abi"), folder.path(), &[]);
    let said = module(&path, &empty).run().ended_with(3);
    assert!(
        said.out.contains("none of the files is an extension module that this Python can load"),
        "{}",
        said.out
    );
}

#[test]
fn a_wheel_that_leaves_its_folder_is_refused_and_leaves_nothing() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), Venv::new());
    let temporary = tempfile::tempdir().unwrap();
    let path = wheel(&Venv::new().with("well-behaved"), folder.path(), &[("../../../../escaped.py", "x")]);
    let said = module(&path, &empty).env("TMPDIR", temporary.path()).run();
    assert_eq!(said.status, Some(2), "{}{}", said.out, said.err);
    assert!(said.err.contains("cannot be unpacked"), "{}", said.err);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn what_is_neither_is_an_error() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), Venv::new());
    let said = module(&folder.path().join("absent.so"), &empty).run().ended_with(2);
    assert!(said.err.contains("cannot read"), "{}", said.err);
    let text = folder.path().join("thing.whl");
    fs::write(&text, "no zip").unwrap();
    let said = module(&text, &empty).run().ended_with(2);
    assert!(said.err.contains("is it a wheel?"), "{}", said.err);
    fs::write(folder.path().join("setup.py"), "").unwrap();
    for (other, expected) in [
        (folder.path().join("setup.py"), "is neither an extension module nor a wheel"),
        (folder.path().to_owned(), "is a folder, not an extension module or a wheel"),
    ] {
        let said = module(&other, &empty).run().ended_with(2);
        assert!(said.err.contains(expected), "{}", said.err);
    }
}
