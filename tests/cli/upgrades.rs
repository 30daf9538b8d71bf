//! The way out by upgrading: what newer wheels declare, from a folder of wheels in place of an index.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::c_compiler;
use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::venv::Venv;

/// Writes `corpus-no-slot` of this version into a folder.
fn wheel(folder: &Path, version: &str, declares: bool) {
    let python = pythons::all().remove(0).executable;
    let ask = "import sysconfig as s; print(s.get_path('include'), s.get_config_var('EXT_SUFFIX'), end='')";
    let said = Command::new(python).args(["-c", ask]).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let (include, suffix) = said.split_once(' ').unwrap();
    let object = folder.join("object.so");
    let mut compiler = c_compiler();
    compiler.args(["-O2", "-fPIC", "-shared", "-I", include]).args(declares.then_some("-DDECLARES"));
    compiler
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/upgrades/no_slot.c"))
        .arg("-o")
        .arg(&object);
    assert!(compiler.status().unwrap().success());

    let info = format!("corpus_no_slot-{version}.dist-info");
    let file = File::create(folder.join(format!("corpus_no_slot-{version}-py3-none-any.whl"))).unwrap();
    let mut archive = ZipWriter::new(file);
    let mut add = |name: String, bytes: &[u8]| {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    };
    add(format!("no_slot{suffix}"), &fs::read(&object).unwrap());
    let metadata = format!("Metadata-Version: 2.1\nName: corpus-no-slot\nVersion: {version}\n");
    add(format!("{info}/METADATA"), metadata.as_bytes());
    add(format!("{info}/WHEEL"), b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    add(format!("{info}/RECORD"), b"");
    archive.finish().unwrap();
    fs::remove_file(object).unwrap();
}

/// An audit of `corpus-no-slot` 1.0 that may ask this folder.
fn audit(venv: &Venv, wheels: &Path, cache: &Path) -> Wsgiaudit {
    let audit =
        Wsgiaudit::new().arg(venv.path()).arg("--upgrades").arg("--no-index").arg("--find-links").arg(wheels);
    audit.env("XDG_CACHE_HOME", cache).arg("--format").arg("json")
}

fn upgrade(report: &Value) -> &Value {
    &report["blockers"]["own-gil"][0]["upgrade"]
}

#[test]
fn the_first_version_that_declares_it_is_named() {
    let venv = Venv::new().with("no-slot").with("well-behaved");
    let (wheels, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (version, declares) in [("1.0", false), ("1.1", false), ("2.0", true), ("2.1", true), ("3.0", true)] {
        wheel(wheels.path(), version, declares);
    }
    let said = audit(&venv, wheels.path(), cache.path()).run().ended_with(1);
    let report = said.body();
    let found = upgrade(&report);
    assert_eq!(found["newest"], "3.0", "{found}");
    assert_eq!(found["since"], "2.0", "{found}");
    assert_eq!(found["words"], "2.0 declares slot 3 = 2: upgrade, and audit again");

    // The same from memory; nothing is asked, and the folder may be gone.
    fs::remove_dir_all(wheels.path()).unwrap();
    let offline = audit(&venv, wheels.path(), cache.path()).arg("--offline").run().ended_with(1);
    assert_eq!(upgrade(&offline.body())["newest"], "3.0");
    assert!(
        upgrade(&offline.body())["words"]
            .as_str()
            .unwrap()
            .ends_with("declares slot 3 = 2: upgrade, and audit again")
    );
}

#[test]
fn a_newest_version_that_does_not_declare_it_is_no_way_out() {
    let venv = Venv::new().with("no-slot");
    let (wheels, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    wheel(wheels.path(), "1.4", false);
    let report = audit(&venv, wheels.path(), cache.path()).run().ended_with(1).body();
    assert_eq!(upgrade(&report)["words"], "1.4, the newest version, does not either: no slot 3");
    assert_eq!(upgrade(&report)["since"], Value::Null);
}

#[test]
fn what_cannot_be_asked_is_not_known() {
    let venv = Venv::new().with("no-slot");
    let (wheels, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let report = audit(&venv, wheels.path(), cache.path()).run().ended_with(1).body();
    let words = upgrade(&report)["words"].as_str().unwrap().to_owned();
    assert_eq!(words, "newer versions could not be checked: the index has no wheel for this Python");
    let report = audit(&venv, wheels.path(), cache.path()).arg("--offline").run().ended_with(1).body();
    assert!(upgrade(&report)["words"].as_str().unwrap().contains("not in the cache"), "{report}");
    // Nothing of the sort without being asked.
    let plain = Wsgiaudit::new().arg(venv.path()).arg("--format").arg("json").run().ended_with(1).body();
    assert_eq!(*upgrade(&plain), Value::Null);
}
