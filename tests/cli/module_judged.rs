//! `wsgiaudit module`: exit status 0 only where every module asked about is ready.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::c_compiler;
use crate::support::command::{Said, Wsgiaudit};
use crate::support::pythons;
use crate::support::venv::Venv;
use crate::support::wheel::pack;

fn module(files: &[&Path]) -> Wsgiaudit {
    let python = pythons::all().remove(0).executable;
    Wsgiaudit::new().arg("module").args(files).arg("--python").arg(python)
}

/// Panics unless the closing line is of this kind: `yes`, `no`, `not known`.
#[track_caller]
fn answers(said: &Said, answer: &str) {
    let line = said.out.lines().find(|line| line.starts_with("WSGIPerInterpreterGIL On"));
    let rest = line.and_then(|line| line.split_once(": ")).unwrap_or_default().1;
    assert!(rest.starts_with(answer), "{answer}\n{}\n{}", said.out, said.err);
}

/// A module with single-phase initialisation, whose init function raises without `SHOP_HOME`.
fn needs_environment(folder: &Path) -> PathBuf {
    let ask = "import sysconfig as s; print(s.get_path('include'), s.get_config_var('EXT_SUFFIX'), end='')";
    let said = Command::new(pythons::all().remove(0).executable).args(["-c", ask]).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let (include, suffix) = said.split_once(' ').unwrap();
    let file = folder.join(format!("needsenv{suffix}"));
    let mut compiler = c_compiler();
    compiler.args([
        "-O2",
        "-fPIC",
        "-shared",
        "-I",
        include,
        "-DNAME=\"needsenv\"",
        "-DINIT=PyInit_needsenv",
    ]);
    compiler
        .arg("-DNEED=1")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/failed-control/single.c"));
    assert!(compiler.arg("-o").arg(&file).status().unwrap().success());
    file
}

#[test]
fn what_fails_in_the_control_is_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let said = module(&[&needs_environment(folder.path())]).run();
    assert_ne!(said.status, Some(0), "{}", said.out);
    assert!(!said.out.contains(": yes"), "{}", said.out);
    assert!(said.out.contains("SHOP_HOME is not set"), "{}", said.out);
    for (case, stem) in [
        ("crash-everywhere", "crash_everywhere"),
        ("hang-in-init", "hang_in_init"),
        ("truncated", "truncated"),
        ("init-raises", "init_raises"),
    ] {
        let venv = Venv::new().with(case);
        let said = module(&[&venv.file(stem)]).args(["--timeout", "3"]).run();
        assert!(matches!(said.status, Some(1 | 3)), "{case}: {:?}\n{}", said.status, said.out);
        assert!(!said.out.contains(": yes"), "{case}: {}", said.out);
    }
}

/// Its distribution does without it, and so is only degraded: the module was asked about.
#[test]
fn an_accelerator_that_is_refused_decides() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = pack(&Venv::new().with("lost-accelerator"), folder.path(), "lost-1.0-py3-none-any.whl", &[]);
    answers(&module(&[&wheel]).run().ended_with(1), "no");
}

#[test]
fn every_module_that_was_named_decides() {
    let (ready, refused) = (Venv::new().with("well-behaved"), Venv::new().with("no-slot"));
    let files = [ready.file("well_behaved"), refused.file("no_slot")];
    answers(&module(&[&files[0]]).run().ended_with(0), "yes");
    answers(&module(&[&files[0], &files[1]]).run().ended_with(1), "no");

    let folder = tempfile::tempdir().unwrap();
    let wheels = [
        pack(&ready, folder.path(), "ready-1.0-py3-none-any.whl", &[]),
        pack(&refused, folder.path(), "refused-1.0-py3-none-any.whl", &[]),
    ];
    answers(&module(&[&wheels[0]]).run().ended_with(0), "yes");
    let said = module(&[&wheels[0], &wheels[1]]).run().ended_with(1);
    answers(&said, "no");
    assert!(said.out.lines().any(|line| line == "no_slot"), "{}", said.out);
    // The same file twice, under two names.
    let twice = pack(&ready, folder.path(), "again-1.0-py3-none-any.whl", &[("well_behaved.py", "")]);
    let said = module(&[&wheels[0], &twice]).run();
    assert_eq!(said.status, Some(0), "{}", said.out);
    // The same name, and another file.
    let other = pack(&refused, folder.path(), "other-1.0-py3-none-any.whl", &[("thing.py", "1")]);
    let one = pack(&ready, folder.path(), "one-1.0-py3-none-any.whl", &[("thing.py", "2")]);
    let said = module(&[&one, &other]).run().ended_with(3);
    answers(&said, "not known");
    assert!(said.out.contains("other-1.0-py3-none-any.whl was not tried"), "{}", said.out);
}

#[test]
fn wheels_for_others_are_named_and_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let ready = Venv::new().with("well-behaved");
    let foreign = ["a-1.0-cp38-cp38-linux_x86_64.whl", "a-1.0-cp314-cp314-win_amd64.whl"];
    let foreign = foreign.map(|name| pack(&ready, folder.path(), name, &[]));
    let fits = pack(&ready, folder.path(), "a-1.0-py3-none-any.whl", &[]);
    let said = module(&[&foreign[0], &foreign[1], &fits]).run().ended_with(0);
    answers(&said, "yes");
    for name in ["a-1.0-cp38-cp38-linux_x86_64.whl is for", "a-1.0-cp314-cp314-win_amd64.whl is for"] {
        assert!(said.out.contains(name), "{}", said.out);
    }
    answers(&module(&[&foreign[0], &foreign[1]]).run().ended_with(3), "not known");
}

#[test]
fn a_wheel_without_an_extension_module_is_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let pure = Venv::new().with_python("pure", "answer = 42\n");
    let wheel = pack(&pure, folder.path(), "pure-1.0-py3-none-any.whl", &[]);
    let said = module(&[&wheel]).run().ended_with(3);
    answers(&said, "not known");
    assert!(said.out.contains("pure-1.0-py3-none-any.whl holds no extension module"), "{}", said.out);
    // Beside one that has some it is no obstacle, and is named.
    let ready = pack(&Venv::new().with("well-behaved"), folder.path(), "ready-1.0-py3-none-any.whl", &[]);
    let said = module(&[&wheel, &ready]).run().ended_with(0);
    assert!(said.out.contains("pure-1.0-py3-none-any.whl holds no extension module"), "{}", said.out);
}

/// A module of the limited API.
#[test]
fn a_wheel_for_the_stable_abi_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = pack(&Venv::new().with("limited-api"), folder.path(), "a-1.0-cp38-abi3-any.whl", &[]);
    let said = module(&[&wheel]).run();
    assert!(said.out.contains("  own-gil "), "{}", said.out);
    assert!(!said.out.contains("was not tried"), "{}", said.out);
}

#[test]
fn a_missing_dependency_is_named_and_with_provides_it() {
    let folder = tempfile::tempdir().unwrap();
    let holds = Venv::new()
        .with("well-behaved")
        .with_file("package/__init__.py", "import needed_thing\n")
        .with_copy("well_behaved", "package");
    let metadata = "Metadata-Version: 2.1\nName: package\nVersion: 1.0\nRequires-Dist: needed-thing>=1\n";
    let extra = [("package-1.0.dist-info/METADATA", metadata)];
    let wheel = pack(&holds, folder.path(), "package-1.0-py3-none-any.whl", &extra);
    let said = module(&[&wheel]).run().ended_with(3);
    answers(&said, "not known");
    let needs = "needs needed_thing, which is not installed: add --with 'needed-thing>=1'";
    assert!(said.out.contains(needs), "{}", said.out);

    // What it needs is refused by itself: it was not asked about.
    let tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let info = "needed_thing-1.0.dist-info";
    let files = [
        ("needed_thing/__init__.py", ""),
        (&format!("{info}/METADATA"), "Metadata-Version: 2.1\nName: needed-thing\nVersion: 1.0\n"),
        (&format!("{info}/WHEEL"), tags),
        (&format!("{info}/RECORD"), ""),
    ];
    fs::create_dir(folder.path().join("index")).unwrap();
    let index = folder.path().join("index");
    let refused = Venv::new().with("no-slot");
    let entries = fs::read_dir(refused.site_packages()).unwrap().flatten().map(|entry| entry.path());
    for folder in entries.filter(|path| path.extension().is_some_and(|extension| extension == "dist-info")) {
        fs::remove_dir_all(folder).unwrap();
    }
    let needed = pack(&refused, &index, "needed_thing-1.0-py3-none-any.whl", &files);
    let with = |requirement: &Path| {
        module(&[&wheel]).arg("--no-index").arg("--find-links").arg(&index).arg("--with").arg(requirement)
    };
    for requirement in [Path::new("needed-thing>=1"), &needed] {
        let said = with(requirement).env("HOME", folder.path()).run().ended_with(0);
        answers(&said, "yes");
        assert!(!said.out.contains("no_slot"), "{}", said.out);
    }
    let said = with(Path::new("nowhere")).env("HOME", folder.path()).run().ended_with(2);
    assert!(said.err.contains("cannot install nowhere"), "{}", said.err);
    File::create(folder.path().join("broken.whl")).unwrap();
    module(&[&folder.path().join("broken.whl")]).run().ended_with(2);
}
