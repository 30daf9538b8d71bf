//! `wsgiaudit inspect` shows what matters beside the declaration, with evidence, and nothing that is not there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::{c_compiler, demo_environment, pythons};

/// `kind: evidence` of each hazard of a file.
fn hazards(file: &Path) -> Vec<String> {
    let said = Wsgiaudit::new().arg("inspect").arg("--format").arg("json").arg(file).run();
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let hazards = document["files"][0]["declaration"]["hazards"].as_array().unwrap();
    let line = |hazard: &Value| {
        format!("{}: {}", hazard["kind"].as_str().unwrap(), hazard["evidence"].as_str().unwrap())
    };
    hazards.iter().map(line).collect()
}

#[test]
fn hazards_are_shown_with_evidence_on_every_python() {
    for python in pythons::all() {
        let folder = tempfile::tempdir().unwrap();
        let ask = "import sysconfig; print(sysconfig.get_path('include'), end='')";
        let include = Command::new(&python.executable).args(["-c", ask]).output().unwrap().stdout;
        let build = |name: &str| {
            let source =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/hazards/{name}.c"));
            let target = folder.path().join(format!("{name}.so"));
            let mut compiler = c_compiler();
            compiler.args(["-O2", "-fPIC", "-shared", "-I"]).arg(String::from_utf8(include.clone()).unwrap());
            assert!(compiler.arg(source).arg("-o").arg(&target).status().unwrap().success());
            target
        };
        let found = hazards(&build("shown"));
        let expected = [
            "gil-state-api: imports PyGILState_Ensure, PyGILState_Release",
            "static-type: calls PyType_Ready on static types: shown.Plain",
            "state-find-module: imports PyState_FindModule",
            "global-state: m_size is -1",
            "own-interpreter-guard: imports PyInterpreterState_GetID without slot 3 = 2",
        ];
        assert_eq!(found.len(), expected.len(), "{}: {found:?}", python.version);
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{}: {found}, not {expected}", python.version);
        }
        let found = hazards(&build("heap"));
        assert!(
            matches!(&found[..], [one] if one.starts_with("writable-globals: ")),
            "{}: {found:?}",
            python.version
        );
    }
}

#[test]
fn real_modules_show_theirs() {
    let only = |name: &str, kind: &str| {
        let library = demo_environment().join("lib/python3.14/site-packages");
        let found = hazards(&library.join(format!("{name}.cpython-314-x86_64-linux-gnu.so")));
        found.into_iter().find(|line| line.starts_with(kind))
    };
    assert_eq!(only("_brotli", "static-type"), None, "its types are on the heap");
    let regex = only("regex/_regex", "static-type").unwrap();
    assert!(regex.contains("_regex.Match"), "{regex}");
    let cffi = only("_cffi_backend", "gil-state-api").unwrap();
    assert!(cffi.contains("PyGILState_GetThisThreadState"), "{cffi}");
}
