//! CPython's own extension modules are the known good ones: what it ships may be refused, but what it accepts
//! shares nothing, leaves nothing and does not crash.

use std::process::Command;

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::venv::Venv;

/// Prints the names, one a line. Left out: what needs a terminal or exists for CPython's own tests.
const NAMES: &str = r#"
import os, sys, sysconfig
standard = os.path.join(sys.base_prefix, "lib", os.path.basename(sysconfig.get_path("stdlib")))
files = os.listdir(os.path.join(standard, "lib-dynload"))
names = {file.split(".")[0] for file in files if file.endswith(".so")} | set(sys.builtin_module_names)
print(*sorted(name for name in names if "test" not in name and not name.startswith("xx") and name != "__main__"), sep="\n")
"#;

#[test]
fn none_of_cpythons_own_modules_is_unsafe() {
    for python in pythons::all() {
        let version = python.version.clone();
        let output = Command::new(&python.executable).args(["-I", "-c", NAMES]).output().unwrap();
        let names = String::from_utf8(output.stdout).unwrap();
        assert!(names.lines().count() > 50, "{version}: {names}");
        let venv = names.lines().fold(Venv::on(python), |venv, name| {
            venv.with_python(&format!("uses_{name}"), &format!("import {name}\n"))
        });
        let said = Wsgiaudit::new().arg(venv.path()).arg("--format").arg("json").run();
        let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
        let (mut ready, mut bad) = (0, Vec::new());
        for distribution in report["distributions"].as_array().unwrap() {
            for mode in ["shared-gil", "own-gil"] {
                let found = &distribution["modes"][mode];
                // A Python with a fault of its own is another matter: tests/trial/python_defects.rs.
                if found["cause"]["rule"] == "python-defect" {
                    continue;
                }
                match found["verdict"].as_str().unwrap() {
                    "ready" => ready += 1,
                    "unsafe" | "unknown" => bad.push(format!("{} {mode}: {found}", distribution["name"])),
                    _ => {}
                }
            }
        }
        assert!(bad.is_empty(), "{version}:\n{}", bad.join("\n"));
        assert!(ready > 100, "{version}: only {ready} are ready");
    }
}
