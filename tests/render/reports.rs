//! The stored report: read again, the same everywhere, as its schema says.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wsgiaudit::report::Document;

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

/// An audit's JSON, and what the audit printed beside it.
fn audited(venv: &Venv, folder: &Path) -> (PathBuf, String) {
    let report = folder.join("report.json");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(&report).run();
    (report, said.out)
}

fn mixed() -> Venv {
    Venv::new()
        .with("well-behaved")
        .with("no-slot")
        .with("lost-accelerator")
        .with("crash-in-second")
        .with_python("needs_it", "import no_slot\n")
}

fn body(report: &Path) -> Value {
    let mut document: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    document.as_object_mut().unwrap().remove("header").unwrap();
    document
}

#[test]
fn a_stored_report_is_rendered_as_the_audit_did_and_ends_alike() {
    let (venv, folder) = (mixed(), tempfile::tempdir().unwrap());
    let (report, printed) = audited(&venv, folder.path());
    let render = || Wsgiaudit::new().arg("render").arg(&report);
    assert_eq!(render().run().ended_with(1).out, printed);
    render().arg("--require").arg("shared-gil").run().ended_with(1);
    let again = render().arg("--format").arg("json").run().ended_with(1);
    assert_eq!(again.out, fs::read_to_string(&report).unwrap());
}

#[test]
fn a_report_of_what_is_ready_ends_with_0() {
    let (venv, folder) = (Venv::new().with("well-behaved"), tempfile::tempdir().unwrap());
    let (report, _) = audited(&venv, folder.path());
    Wsgiaudit::new().arg("render").arg(report).run().ended_with(0);
}

#[test]
fn the_body_tells_no_folder_of_the_machine_and_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let raises = "\
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
if interpreters.get_current() != interpreters.get_main():
    raise OSError('cannot open ' + __file__)
";
    let [one, other] = [(); 2].map(|()| {
        let venv = Venv::new().with_python("raises", raises);
        let report = audited(&venv, folder.path()).0;
        let body = body(&report);
        assert!(!body.to_string().contains(venv.path().to_str().unwrap()));
        let shown = Wsgiaudit::new().arg("render").arg(&report).run().out.replace(char::is_whitespace, "");
        assert!(shown.contains("cannotopen/"), "{shown}");
        body
    });
    assert_eq!(one, other);
    assert!(one.to_string().contains("cannot open {environment}/lib/"), "{one:#}");
}

#[test]
fn each_extension_module_has_its_digest_and_folder() {
    let (venv, folder) = (Venv::new().with("well-behaved"), tempfile::tempdir().unwrap());
    let report = body(&audited(&venv, folder.path()).0);
    let module = &report["modules"][0];
    assert_eq!(module["sha256"].as_str().unwrap().len(), 64, "{module:#}");
    let place = module["folder"].as_str().unwrap();
    let file = Path::new(&place.replace("{environment}", venv.path().to_str().unwrap()))
        .join(module["file"].as_str().unwrap());
    let digest = std::process::Command::new("sha256sum").arg(file).output().unwrap();
    assert!(String::from_utf8(digest.stdout).unwrap().starts_with(module["sha256"].as_str().unwrap()));
}

/// `WSGIAUDIT_REWRITE=1` writes it.
#[test]
fn the_schema_in_reports_is_that_of_the_types_and_holds_for_a_report() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/schema-v1.json");
    let schema = schemars::schema_for!(Document);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("WSGIAUDIT_REWRITE").is_some() {
        fs::write(&file, &text).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap() == text, "WSGIAUDIT_REWRITE=1 cargo test reports:: writes it");

    let (venv, folder) = (mixed(), tempfile::tempdir().unwrap());
    let report: Value = serde_json::from_slice(&fs::read(audited(&venv, folder.path()).0).unwrap()).unwrap();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let wrong = serde_json::json!({"schema": 1, "answers": {"own-gil": "fine"}});
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn what_is_no_report_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.json");
    let render = || Wsgiaudit::new().arg("render").arg(&file).run().ended_with(2).err;
    assert!(render().contains("cannot read"));
    fs::write(&file, "{\"results\": []}").unwrap();
    assert!(render().contains("is no report of wsgiaudit"));
    assert!(render().contains("hint: `wsgiaudit path/to/venv --json report.json` writes a report"));
}
