//! A module that its package does without is refused there, and not tried once more: what is said of it is what would be
//! said if it were.

use serde_json::{Value, json};

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

/// A package that imports this module of it, if it can.
fn with_package(venv: Venv, module: &str) -> Venv {
    let source = format!("try:\n    from . import {module}\nexcept ImportError:\n    pass\n");
    venv.with(&module.replace('_', "-"))
        .with_file("shop/__init__.py", &source)
        .with_file("shop-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
        .with_file("shop-1.0.dist-info/RECORD", "shop/__init__.py,,\n")
        .with_copy(module, "shop")
}

fn outcome(report: &Value, module: &str, mode: &str) -> Value {
    let modules = report["modules"].as_array().unwrap();
    let found = modules.iter().find(|entry| entry["name"] == module).unwrap();
    found["modes"][mode]["outcome"].clone()
}

/// In the package and beside it, the same file is refused in this mode, by the same and at the same place.
#[track_caller]
fn is_refused(module: &str, mode: &str, by: &str, place: &str) {
    let venv = with_package(Venv::new(), module);
    let said = Wsgiaudit::new().arg(venv.path()).args(["--format", "json", "--no-cache"]).run();
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let inside = outcome(&report, &format!("shop.{module}"), mode);
    let alone = outcome(&report, module, mode);
    for key in ["kind", "by", "place", "error"] {
        assert_eq!(inside[key], alone[key], "{inside}");
    }
    assert_eq!(
        (&inside["kind"], &inside["by"], &inside["place"]),
        (&json!("refused"), &json!(by), &json!(place))
    );
    assert_eq!((&inside["through"], &alone["through"]), (&json!("shop"), &Value::Null));
    let failed = inside["failed_loads"].as_array().unwrap();
    assert_eq!(failed.len(), 1, "{inside}");
    assert_eq!(failed[0]["chain"], json!(["shop", format!("shop.{module}")]));
}

#[test]
fn by_cpython() {
    is_refused("no_slot", "own-gil", "cpython", "import");
}

#[test]
fn by_itself_in_the_second_interpreter() {
    is_refused("once_per_process", "shared-gil", "module", "second-interpreter");
}
