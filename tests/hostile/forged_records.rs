//! Modules that write the record of their own trial.

use super::compile::{with_library, with_module, with_module_in};
use super::{audit_attacked, innocents, verdicts};

#[track_caller]
fn is_not_believed(name: &str, options: &[&str]) {
    let report = audit_attacked(&with_module(innocents(), name), options);
    assert_eq!(verdicts(&report, name), ["unsafe", "unsafe"], "{report}");
}

#[test]
fn a_crash_whose_handler_writes_a_pass_is_a_crash() {
    is_not_believed("forges_when_it_crashes", &[]);
    is_not_believed("forges_when_it_crashes", &["--no-sandbox"]);
}

#[test]
fn handlers_on_other_threads_write_no_pass() {
    is_not_believed("forges_on_other_threads", &[]);
}

#[test]
fn a_forked_child_writes_no_pass() {
    is_not_believed("forges_in_a_child", &[]);
}

#[test]
fn the_control_of_a_package_cannot_be_forged() {
    let venv = with_module_in(innocents(), "forges_at_import", "parcel", &[]);
    let venv = venv
        .with_file("parcel/__init__.py", "import parcel.forges_at_import\n")
        .with_copy("well_behaved", "parcel")
        .with_copy("no_slot", "parcel");
    let report = audit_attacked(&venv, &[]);
    let row = report["distributions"].as_array().unwrap().iter().find(|row| row["name"] == "parcel").unwrap();
    for mode in ["main", "shared-gil", "own-gil"] {
        assert_eq!(row["modes"][mode]["verdict"], "unknown", "{mode}: {row}");
    }
}

#[test]
fn an_init_function_in_a_library_that_the_file_needs_is_found() {
    let venv = with_library(innocents(), "library_with_init.c", "libwithinit.so");
    let library = venv.site_packages().join("libwithinit.so");
    let options = ["-Wl,--no-as-needed", library.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"];
    let venv = with_module_in(venv, "stub_of_a_library", "", &options);
    let report = audit_attacked(&venv, &[]);
    assert_eq!(verdicts(&report, "stub_of_a_library"), ["unsafe", "unsafe"], "{report}");
}
