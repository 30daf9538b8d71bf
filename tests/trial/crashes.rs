//! What a report says of a crash: the signal, where it lies, the stack of Python that led there.

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

fn own_gil(case: &str, module: &str) -> Value {
    let venv = Venv::new().with(case);
    let said = Wsgiaudit::new().arg(venv.path()).arg("--format").arg("json").run().ended_with(1);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let modules = report["modules"].as_array().unwrap();
    modules.iter().find(|row| row["name"] == module).unwrap()["modes"]["own-gil"].clone()
}

#[test]
fn a_crash_is_placed_in_a_file_and_a_function_with_the_stack_that_led_there() {
    let tried = own_gil("crash-in-exec", "crash_in_exec");
    let reason = tried["reason"].as_str().unwrap();
    assert!(reason.contains("SIGSEGV in "), "{reason}");
    assert!(reason.contains(" of crash_in_exec."), "{reason}");
    let crash = &tried["outcome"]["crash"];
    assert!(crash["object"].as_str().unwrap().starts_with("crash_in_exec."), "{crash}");
    assert_eq!(crash["symbol"], "setup", "{crash}");
    assert!(crash["address"].is_string(), "{crash}");
    assert!(crash["stack"].as_str().unwrap().contains("<frozen importlib._bootstrap>"), "{crash}");
}

#[test]
fn what_did_not_crash_has_no_crash() {
    assert_eq!(own_gil("no-slot", "no_slot")["outcome"]["crash"], Value::Null);
}

#[test]
fn two_audits_tell_the_same_of_a_crash() {
    assert_eq!(own_gil("crash-in-exec", "crash_in_exec"), own_gil("crash-in-exec", "crash_in_exec"));
}
