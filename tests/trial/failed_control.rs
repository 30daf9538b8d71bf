//! What the main interpreter cannot import is never part of a "yes": it is refused for its declaration alone, or it is
//! unknown, and the reason says what was missing and what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wsgiaudit::model::RULES;

use crate::support::c_compiler;
use crate::support::command::{Said, Wsgiaudit};
use crate::support::pythons::{self, Python};
use crate::support::venv::Venv;

const YES: &str = "WSGIPerInterpreterGIL On: yes";

/// An environment with extension modules compiled for it.
struct Shop {
    venv: Venv,
    python: Python,
}

impl Shop {
    fn new() -> Self {
        Self::on(pythons::all().remove(0))
    }

    fn on(python: Python) -> Self {
        Self { venv: Venv::on(python.clone()), python }
    }

    fn asked(&self, expression: &str) -> String {
        let script = format!("import sysconfig; print({expression})");
        let output = Command::new(&self.python.executable).args(["-I", "-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Compiles a source of `tests/fixtures/failed-control` to a dotted name, with these macros and further arguments.
    fn with(self, name: &str, source: &str, args: &[&str]) -> Self {
        let include = self.asked("sysconfig.get_path('include')");
        let suffix = self.asked("sysconfig.get_config_var('EXT_SUFFIX')");
        let file = self.venv.site_packages().join(format!("{}{suffix}", name.replace('.', "/")));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/failed-control").join(source);
        let status = c_compiler()
            .args(["-shared", "-fPIC", "-O1", "-I", &include])
            .arg(source)
            .arg("-o")
            .arg(&file)
            .args(args)
            .status()
            .unwrap();
        assert!(status.success());
        self
    }

    /// A module that declares all that can be asked for, and needs something.
    fn needing(self, name: &str, need: &str) -> Self {
        let last = name.rsplit('.').next().unwrap();
        self.with(name, "needs.c", &[&format!("-DNAME={last}"), &format!("-DNEEDS={need}")])
    }

    /// The same, linked with a library that is gone.
    fn lacking_a_library(self, name: &str, source: &str, macros: &[&str]) -> Self {
        let library = self.venv.path().join("libshop-absent.so.7");
        let made = c_compiler()
            .args(["-shared", "-x", "c", "/dev/null", "-Wl,-soname,libshop-absent.so.7", "-o"])
            .arg(&library)
            .status()
            .unwrap();
        assert!(made.success());
        let link = library.to_str().unwrap().to_owned();
        let args = [macros, &["-Wl,--no-as-needed", &link]].concat();
        let shop = self.with(name, source, &args);
        fs::remove_file(library).unwrap();
        shop
    }

    /// Metadata of one distribution that holds all that is here, called `shop`.
    fn installed(self) -> Self {
        let site = self.venv.site_packages();
        let files = walkdir::WalkDir::new(&site).into_iter().flatten();
        let record: String = files
            .filter(|entry| entry.path().is_file())
            .map(|entry| format!("{},,\n", entry.path().strip_prefix(&site).unwrap().display()))
            .collect();
        let metadata = "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n";
        let venv = self
            .venv
            .with_file("shop-1.0.dist-info/METADATA", metadata)
            .with_file("shop-1.0.dist-info/RECORD", &record);
        Self { venv, ..self }
    }

    fn with_file(self, name: &str, text: &str) -> Self {
        Self { venv: self.venv.with_file(name, text), ..self }
    }

    fn file(&self, module: &str) -> PathBuf {
        self.venv.file(module)
    }

    fn audit(&self, options: &[&str]) -> Audit {
        let json = self.venv.path().join("report.json");
        let command = Wsgiaudit::new().arg(self.venv.path()).arg("--json").arg(&json);
        let said = command.args(options).args(["--quiet"]).run();
        let report = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        fs::remove_file(json).unwrap();
        Audit { said, report }
    }

    fn module(&self, name: &str) -> Said {
        let command = Wsgiaudit::new().arg("module").arg(self.file(name)).arg("--python");
        command.arg(self.venv.path()).args(["--quiet", "--timeout", "20"]).run()
    }
}

struct Audit {
    said: Said,
    report: Value,
}

impl Audit {
    #[track_caller]
    fn ended_with(self, status: i32) -> Self {
        assert_eq!(self.said.status, Some(status), "{}{}", self.said.out, self.said.err);
        assert_eq!(self.said.out.contains(YES), status == 0, "{}", self.said.out);
        self
    }

    fn find<'v>(&'v self, list: &str, name: &str, mode: &str) -> &'v Value {
        let mut rows = self.report[list].as_array().unwrap().iter();
        &rows.find(|row| row["name"] == name).unwrap()["modes"][mode]
    }

    /// Verdict, id and words of a module's reason.
    fn of(&self, module: &str, mode: &str) -> [String; 3] {
        let judged = self.find("modules", module, mode);
        ["verdict", "reason_id", "reason"].map(|key| judged[key].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn is(&self, module: &str, mode: &str, verdict: &str, id: &str, words: &str) {
        let [found, found_id, reason] = self.of(module, mode);
        assert_eq!((found.as_str(), found_id.as_str()), (verdict, id), "{reason}");
        assert!(reason.contains(words), "{reason}");
    }

    fn distribution(&self, mode: &str) -> &str {
        self.find("distributions", "shop", mode)["verdict"].as_str().unwrap()
    }
}

const NEEDY: [&str; 3] = ["-DNAME=\"needsenv\"", "-DINIT=PyInit_needsenv", "-DNEED=1"];

#[test]
fn what_cpython_refuses_by_declaration_needs_no_trial() {
    let shop = Shop::new().with("needsenv", "single.c", &NEEDY).installed();
    let audit = shop.audit(&[]).ended_with(1);
    assert!(audit.said.out.contains("WSGIPerInterpreterGIL On: no."), "{}", audit.said.out);
    audit.is("needsenv", "own-gil", "blocked", "", "refused: single-phase initialisation");
    assert_eq!(audit.find("modules", "needsenv", "own-gil")["cause"]["rule"], "refused");
    audit.is("needsenv", "shared-gil", "unknown", "missing-variable", "--env SHOP_HOME=VALUE");
    assert_eq!((audit.distribution("own-gil"), audit.distribution("shared-gil")), ("blocked", "unknown"));
    assert!(shop.module("needsenv").ended_with(1).out.contains("what to do (refused)"));

    let audit = shop.audit(&["--env", "SHOP_HOME=/srv/shop"]).ended_with(1);
    audit.is("needsenv", "own-gil", "blocked", "", "refused: single-phase initialisation");
    audit.is("needsenv", "shared-gil", "ready", "", "");
}

#[test]
fn what_needs_a_refused_module_is_refused_with_it() {
    let shop = Shop::new()
        .lacking_a_library("_till", "single.c", &["-DNAME=\"_till\"", "-DINIT=PyInit__till", "-DNEED=0"])
        .with_file("shop/__init__.py", "import _till\n")
        .installed();
    let audit = shop.audit(&[]).ended_with(1);
    let names = &audit.report["distributions"][0]["top_level"];
    let name = names.as_array().unwrap().iter().find(|name| name["name"] == "shop").unwrap();
    let own = &name["modes"]["own-gil"];
    assert_eq!((&own["verdict"], &own["cause"]["module"]), (&"blocked".into(), &"_till".into()), "{own}");
    assert_eq!(name["modes"]["shared-gil"]["reason_id"], "missing-library");
}

#[test]
fn a_variable_is_named_and_can_be_given() {
    let shop = Shop::new().needing("till", "VARIABLE").installed();
    let audit = shop.audit(&[]).ended_with(3);
    for mode in ["own-gil", "shared-gil"] {
        audit.is("till", mode, "unknown", "missing-variable", "--env SHOP_HOME=VALUE");
    }
    assert!(audit.said.out.contains("wsgiaudit explain missing-variable"), "{}", audit.said.out);
    assert!(shop.module("till").ended_with(3).out.contains("what to do (missing-variable)"));

    let audit = shop.audit(&["--env", "SHOP_HOME=/srv/shop"]).ended_with(0);
    audit.is("till", "own-gil", "ready", "", "");
    assert_eq!(audit.report["notes"][0], "trials were given --env SHOP_HOME", "and the value stays secret");
    // What an earlier audit has found holds for the same value alone.
    let audit = shop.audit(&["--env", "SHOP_HOME=/srv/till"]).ended_with(3);
    audit.is("till", "own-gil", "unknown", "missing-variable", "SHOP_HOME must be set well");
    shop.audit(&[]).ended_with(3);
    shop.audit(&["--env", "SHOP_HOME=/srv/shop"]).ended_with(0);
}

#[test]
fn a_file_is_named_and_a_copy_of_it_can_be_given() {
    let shop = Shop::new().needing("till", "CONFIGURATION").installed();
    shop.audit(&[]).ended_with(3).is("till", "own-gil", "unknown", "missing-file", "--file PATH=shop.ini");

    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("production.ini");
    fs::write(&original, "original").unwrap();
    let given = format!("{}=shop.ini", original.display());
    shop.audit(&["--file", &given]).ended_with(0).is("till", "own-gil", "ready", "", "");
    assert_eq!(fs::read_to_string(original).unwrap(), "original", "a trial has a copy");
}

#[test]
fn what_would_change_the_trial_cannot_be_given() {
    let shop = Shop::new();
    for (option, value) in [
        ("--env", "PYTHONPATH=/srv"),
        ("--env", "LD_PRELOAD=/srv/lib.so"),
        ("--env", "HOME=/srv"),
        ("--env", "SHOP_HOME"),
        ("--file", "/nowhere/shop.ini"),
        ("--file", "/etc/hostname=../hostname"),
    ] {
        let said = Wsgiaudit::new().arg(shop.venv.path()).args([option, value]).run().ended_with(2);
        assert!(said.err.contains(option), "{}", said.err);
    }
}

#[test]
fn a_library_is_named() {
    let shop =
        Shop::new().lacking_a_library("till", "needs.c", &["-DNAME=till", "-DNEEDS=NOTHING"]).installed();
    let audit = shop.audit(&[]).ended_with(3);
    audit.is("till", "own-gil", "unknown", "missing-library", "install the library libshop-absent.so.7");
    shop.module("till").ended_with(3);
}

#[test]
fn too_little_time_is_told() {
    let shop = Shop::new().needing("till", "TIME").installed();
    let audit = shop.audit(&["--timeout", "1"]).ended_with(3);
    audit.is("till", "own-gil", "unknown", "too-slow", "--timeout SECONDS");
    shop.audit(&[]).ended_with(0);
}

#[test]
fn a_crash_and_an_assertion_everywhere_are_no_yes() {
    for (need, id) in [("SANITY", "crashes-in-control"), ("TRUTH", "fails-in-control")] {
        let shop = Shop::new().needing("till", need).installed();
        shop.audit(&[]).ended_with(3).is(
            "till",
            "own-gil",
            "unknown",
            id,
            "fails in the main interpreter too",
        );
        shop.module("till").ended_with(3);
    }
}

#[test]
fn a_service_that_the_sandbox_keeps_away_and_one_that_is_not_there() {
    let connects = "import socket\nsocket.create_connection(('127.0.0.1', 9), 2)\n";
    let shop = Shop::new().with_file("shop.py", connects).installed();
    for (options, id) in [(&[][..], "sandbox"), (&["--no-sandbox"][..], "missing-service")] {
        let audit = shop.audit(options).ended_with(3);
        let judged = audit.find("distributions", "shop", "own-gil");
        assert_eq!(judged["reason_id"], id, "{judged}");
        assert!(judged["reason"].as_str().unwrap().contains("--no-sandbox"), "{judged}");
    }
}

#[test]
fn a_module_that_its_distribution_does_without_everywhere_is_no_obstacle() {
    let does_without = "try:\n    from . import _fast\nexcept ImportError:\n    _fast = None\n";
    let declared: &[&str] = &["-DNAME=_fast", "-DNEEDS=NOTHING"];
    let refused: &[&str] = &["-DNAME=\"_fast\"", "-DINIT=PyInit__fast", "-DNEED=0"];
    for (source, macros, verdict, id, words) in [
        (
            "needs.c",
            declared,
            "not-applicable",
            "done-without",
            "works without it in the main interpreter too",
        ),
        ("single.c", refused, "blocked", "", "refused: single-phase initialisation"),
    ] {
        let shop = Shop::new()
            .with_file("shop/__init__.py", does_without)
            .lacking_a_library("shop._fast", source, macros)
            .installed();
        let audit = shop.audit(&[]).ended_with(0);
        audit.is("shop._fast", "own-gil", verdict, id, words);
        assert_eq!(audit.distribution("own-gil"), "ready");
    }
    // That nothing tried to load it at import shows nothing: a request may.
    let lazily = "def fast():\n    from . import _fast\n    return _fast\n";
    let shop = Shop::new()
        .with_file("shop/__init__.py", lazily)
        .lacking_a_library("shop._fast", "needs.c", declared)
        .installed();
    shop.audit(&[]).ended_with(3).is("shop._fast", "own-gil", "unknown", "missing-library", "libshop-absent");
}

#[test]
fn a_package_that_fails_does_not_speak_for_the_module_in_it() {
    let fails = "import os\nos.environ['SHOP_HOME']\n";
    let shop = Shop::new().with_file("shop/__init__.py", fails).needing("shop._fast", "NOTHING").installed();
    shop.audit(&[]).ended_with(3).is("shop._fast", "own-gil", "unknown", "missing-variable", "SHOP_HOME");
    shop.audit(&["--env", "SHOP_HOME="]).ended_with(0);

    let quiet = ["-DNAME=_fast", "-DNEEDS=NOTHING", "-DQUIET"];
    let shop =
        Shop::new().with_file("shop/__init__.py", fails).with("shop._fast", "needs.c", &quiet).installed();
    shop.audit(&[]).ended_with(1).is("shop._fast", "own-gil", "blocked", "", "refused: no slot 3");
}

#[test]
fn a_damaged_file_is_no_yes() {
    let shop = Shop::new().needing("till", "NOTHING").installed();
    for length in [0, 700, 5000] {
        let file = fs::File::options().write(true).open(shop.file("till")).unwrap();
        file.set_len(length).unwrap();
        let audit = shop.audit(&[]).ended_with(3);
        audit.is("till", "own-gil", "unknown", "damaged-file", "install it again");
        shop.module("till").ended_with(3);
    }
}

#[test]
fn a_free_threaded_build_refuses_by_declaration_too() {
    let quiet = ["-DNAME=till", "-DNEEDS=VARIABLE", "-DQUIET"];
    let shop = Shop::on(pythons::free_threaded())
        .with("needsenv", "single.c", &NEEDY)
        .with("till", "needs.c", &quiet)
        .installed();
    let audit = shop.audit(&[]).ended_with(1);
    for mode in ["shared-gil", "own-gil", "free-threaded-group"] {
        audit.is("needsenv", mode, "blocked", "", "refused: single-phase initialisation");
    }
    // By a call it may declare that it needs no GIL, which its file does not tell.
    audit.is("needsenv", "free-threaded", "unknown", "missing-variable", "SHOP_HOME");
    for mode in ["free-threaded", "free-threaded-group"] {
        audit.is("till", mode, "blocked", "", "switches the GIL on: no slot 4");
    }
    audit.is("till", "shared-gil", "unknown", "missing-variable", "SHOP_HOME");
}

#[test]
fn every_reason_is_explained() {
    let listed = Wsgiaudit::new().arg("rules").run().ended_with(0).out;
    for id in RULES.iter().filter(|rule| rule.is_reason()).map(|rule| rule.id) {
        let page = Wsgiaudit::new().arg("explain").arg(id).run().ended_with(0).out;
        assert!(page.starts_with(&format!("# {id}\n")) && page.contains("## What to do"), "{page}");
        assert!(listed.contains(id), "{listed}");
    }
}
