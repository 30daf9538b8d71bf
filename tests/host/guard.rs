//! `wsgiaudit serve --report`: only what was vetted loads, and the ways around that.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::command::Wsgiaudit;
use crate::support::linked_python::linked_python;
use crate::support::pythons;
use crate::support::server::{Server, command};
use crate::support::venv::Venv;

/// Imports what the path names, and does what else the guard is to stop.
const APPLICATION: &str = include_str!("../fixtures/applications/importing.py");

/// A virtualenv with corpus cases, and its report.
struct Audited {
    venv: Venv,
    report: tempfile::NamedTempFile,
}

impl Audited {
    fn new(python: pythons::Python) -> Self {
        let venv = Venv::on(python)
            .with("well-behaved")
            .with("no-slot")
            .with("lost-accelerator")
            .with("runtime-slots");
        Self::of(venv)
    }

    /// Audits it.
    fn of(venv: Venv) -> Self {
        let report = tempfile::NamedTempFile::new().unwrap();
        let said = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(report.path()).run();
        assert!(said.status == Some(1) || said.status == Some(0), "{}{}", said.out, said.err);
        Self { venv, report }
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let environment = self.venv.path().to_str().unwrap();
        let report = self.report.path().to_str().unwrap();
        [&["-e", environment, "--report", report, "--bind", "127.0.0.1:0", "app"], more].concat()
    }

    #[track_caller]
    fn serve(&self, more: &[&str]) -> Server {
        Server::spawn(folder(), &self.args(more))
    }

    /// What a start says that must not succeed.
    #[track_caller]
    fn refuses_to_start(&self, more: &[&str]) -> String {
        let folder = folder();
        let status = command(folder.path(), &self.args(more)).spawn().unwrap().wait().unwrap();
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(status.code(), Some(2), "{log}");
        log
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_ready_loads_and_what_is_not_is_refused_with_the_reason() {
    for python in pythons::all() {
        let audited = Audited::new(python.clone());
        let own = audited.serve(&["--interpreters", "2"]);
        for _ in 0..4 {
            let (_, said) = own.get("/import/well_behaved");
            assert_eq!(said, text(&audited.venv.file("well_behaved")), "{}", python.version);
        }
        let (_, said) = own.get("/import/no_slot");
        for part in
            ["ImportError", "no_slot is blocked for own-gil", "no slot 3", "a group in the main interpreter"]
        {
            assert!(said.contains(part), "{}: {part:?} in {said}", python.version);
        }
        // A package that can do without its accelerator does so.
        assert!(own.get("/import/lost_accelerator").1.contains("lost_accelerator/__init__.py"));
        assert!(own.log().contains("guard: lost_accelerator._speedups is blocked for own-gil"));
        drop(own);
        let main = audited.serve(&["--mode", "main"]);
        assert_eq!(main.get("/import/no_slot").1, text(&audited.venv.file("no_slot")), "{}", python.version);
        let (status, log) = main.stop();
        assert_eq!(status, 0, "{log}");
    }
}

#[test]
fn a_file_that_changed_after_the_start_does_not_load() {
    let audited = Audited::new(pythons::all().remove(0));
    let server = audited.serve(&["--interpreters", "2"]);
    // In place, as an upgrade would not: even the inode is the one that was audited.
    let file = audited.venv.file("well_behaved");
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    let (_, said) = server.get("/import/well_behaved");
    assert!(
        said.contains("has changed since the audit") && said.contains("audit the environment again"),
        "{said}"
    );
    // By a link to one that is vetted for nothing.
    let other = audited.venv.file("runtime_slots");
    fs::rename(&other, other.with_extension("aside")).unwrap();
    std::os::unix::fs::symlink(audited.venv.file("no_slot"), &other).unwrap();
    let (_, said) = server.get("/import/runtime_slots");
    assert!(said.contains("runtime_slots is blocked for own-gil"), "{said}");
}

#[test]
fn a_change_after_the_load_reaches_no_interpreter() {
    let audited = Audited::new(pythons::all().remove(0));
    let server = audited.serve(&["--interpreters", "2"]);
    assert!(server.get("/import/well_behaved").1.ends_with(".so"));
    // What is mapped is a private copy: the file can be emptied, and both interpreters go on.
    fs::write(audited.venv.file("well_behaved"), b"").unwrap();
    for _ in 0..40 {
        assert!(server.get("/import/well_behaved").1.ends_with(".so"));
    }
}

#[test]
fn a_copy_elsewhere_and_a_new_file_are_not_vetted() {
    let audited = Audited::new(pythons::all().remove(0));
    let file = audited.venv.file("well_behaved");
    let elsewhere = audited.venv.site_packages().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(&file, elsewhere.join(file.file_name().unwrap())).unwrap();
    let server = audited.serve(&["--interpreters", "2"]);
    let (_, said) = server.get("/import/elsewhere.well_behaved");
    assert!(said.contains("is not vetted for own-gil") && said.contains("is not in the report"), "{said}");
    let warned = audited.serve(&["--interpreters", "2", "--unvetted", "warn"]);
    assert!(warned.get("/import/elsewhere.well_behaved").1.ends_with(".so"));
    assert!(warned.log().contains("is not in the report") && warned.log().contains("loaded anyway"));
}

#[test]
fn pythons_own_modules_load_as_they_were_at_the_audit() {
    let (copy, python) = linked_python(&pythons::all().remove(0).executable);
    let library = copy.path().join("lib").join(python.file_name().unwrap()).join("lib-dynload");
    let venv = Venv::new().with("well-behaved");
    let foreign = venv.file("well_behaved");
    let name = foreign.file_name().unwrap().to_str().unwrap();
    // A link to the real one, which a test does not change, becomes a copy.
    let bisect = library.join(name.replace("well_behaved", "_bisect"));
    let content = fs::read(&bisect).unwrap();
    fs::remove_file(&bisect).unwrap();
    fs::write(&bisect, &content).unwrap();
    let report = tempfile::NamedTempFile::new().unwrap();
    let said = Wsgiaudit::new().arg(&python).args(["--no-cache", "--json"]).arg(report.path()).run();
    assert!(said.status.is_some_and(|status| status != 2), "{}{}", said.out, said.err);
    let args = |more: &[&str]| {
        let all = ["-e", text(&python), "--report", text(report.path()), "--bind", "127.0.0.1:0", "app"];
        [&all, more].concat().iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>()
    };
    for mode in [&["--interpreters", "2"][..], &["--mode", "main"]] {
        let args = args(mode);
        let server = Server::spawn(folder(), &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(server.get("/import/_zoneinfo").1.contains("/_zoneinfo."), "{mode:?}");
        // Foreign files, copied there after the audit: one of a new name, and in place of one of Python's own.
        fs::copy(&foreign, library.join(name)).unwrap();
        fs::copy(&foreign, &bisect).unwrap();
        let (_, said) = server.get("/import/well_behaved");
        assert!(said.contains("is not in the report"), "{mode:?}: {said}");
        let (_, said) = server.get("/import/_bisect");
        assert!(said.contains("has changed since the audit"), "{mode:?}: {said}");
        for file in [&bisect, &library.join(name)] {
            let (_, said) = server.get(&format!("/fresh-imp?{}", text(file)));
            assert!(said.contains("is not loaded by wsgiaudit"), "{mode:?}: {said}");
        }
        fs::remove_file(library.join(name)).unwrap();
        fs::write(&bisect, &content).unwrap();
        assert!(server.get("/import/_bisect").1.contains("/_bisect."), "{mode:?}");
    }
    // A report of before has no digests of them.
    let mut old: serde_json::Value = serde_json::from_slice(&fs::read(report.path()).unwrap()).unwrap();
    assert!(old["environment"].as_object_mut().unwrap().remove("standard_modules").is_some());
    fs::write(report.path(), old.to_string()).unwrap();
    let place = folder();
    let args = args(&["--mode", "main"]);
    let status =
        command(place.path(), &args.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap().wait();
    assert_eq!(status.unwrap().code(), Some(2));
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    assert!(log.contains("digests of Python's own extension modules"), "{log}");
}

#[test]
fn ways_around_the_import_system_end_at_the_loader() {
    let audited = Audited::new(pythons::all().remove(0));
    let unvetted = audited.venv.file("no_slot");
    for mode in [&["--interpreters", "2"][..], &["--mode", "main"]] {
        let server = audited.serve(mode);
        let ways = ["original-function", "fresh-imp", "loader", "lying-origin", "other-interpreter"];
        for way in ways {
            // In main it is vetted: there it is a copy in another folder that must not load.
            let copy = server.folder().join(unvetted.file_name().unwrap());
            fs::copy(&unvetted, &copy).unwrap();
            let (_, said) = server.get(&format!("/{way}?{}", text(&copy)));
            let is_refused =
                said.contains("is not loaded by wsgiaudit") || said.contains("is not in the report");
            assert!(is_refused, "{mode:?} {way}: {said}");
        }
    }
}

#[test]
fn a_stale_report_stops_the_start_and_says_what_changed() {
    let audited = Audited::new(pythons::all().remove(0));
    let file = audited.venv.file("well_behaved");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, [whole.as_slice(), b"0"].concat()).unwrap();
    let said = audited.refuses_to_start(&["--interpreters", "2"]);
    assert!(said.contains("well_behaved") && said.contains("has changed"), "{said}");
    fs::remove_file(&file).unwrap();
    assert!(audited.refuses_to_start(&[]).contains("No such file"));
    fs::write(&file, whole).unwrap();
    let report = fs::read_to_string(audited.report.path()).unwrap();
    let other = report.replacen("\"python\": \"3.", "\"python\": \"3.9", 1);
    assert_ne!(report, other);
    fs::write(audited.report.path(), other).unwrap();
    assert!(audited.refuses_to_start(&[]).contains("the Python was 3.9"));
    fs::write(audited.report.path(), "{}").unwrap();
    assert!(audited.refuses_to_start(&[]).contains("is no report of wsgiaudit"));
}

#[test]
fn what_runs_at_every_start_runs_behind_the_guard() {
    let mut audited = Audited::new(pythons::all().remove(0));
    let copy = audited.venv.site_packages().join("early");
    fs::create_dir(&copy).unwrap();
    let file = audited.venv.file("no_slot");
    fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    audited.venv = audited.venv.with_file("early.pth", "import early.no_slot\n");
    let server = audited.serve(&["--mode", "main"]);
    assert!(server.log().contains("guard: early.no_slot is not vetted for main"), "{}", server.log());
}

/// Compiles a shared object in this folder.
fn compile(python: &pythons::Python, folder: &Path, args: &[&str]) {
    let include = Command::new(&python.executable)
        .args(["-c", "import sysconfig; print(sysconfig.get_path('include'))"])
        .output()
        .unwrap();
    let include = format!("-I{}", String::from_utf8(include.stdout).unwrap().trim());
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", &include]).args(args).current_dir(folder);
    assert!(compiler.status().unwrap().success());
}

#[test]
fn what_is_degraded_loads_where_that_is_admitted() {
    // Does without no_slot, which an interpreter with its own GIL refuses.
    let python = pythons::all().remove(0);
    let venv = Venv::on(python.clone()).with("no-slot");
    let site = venv.site_packages();
    let source = VENDORED.replace("_inner", "half").replace(
        "return PyModule_AddIntConstant(module, \"answer\", vendored_answer());",
        "Py_XDECREF(PyImport_ImportModule(\"no_slot\")); PyErr_Clear(); return 0;",
    );
    fs::write(site.join("half.c"), source).unwrap();
    compile(&python, &site, &["half.c", "-o", "half.abi3.so"]);
    let audited = Audited::of(venv);
    let strict = audited.serve(&["--interpreters", "2"]);
    let (_, said) = strict.get("/import/half");
    assert!(said.contains("half is degraded for own-gil"), "{said}");
    let loose = audited.serve(&["--interpreters", "2", "--admit", "degraded"]);
    assert!(loose.get("/import/half").1.ends_with("half.abi3.so"));
    // What is blocked stays out.
    assert!(loose.get("/import/no_slot").1.contains("no_slot is blocked for own-gil"));
}

#[test]
fn a_module_finds_the_libraries_beside_it() {
    // A library that the module needs by `$ORIGIN/../vendored.libs`, as auditwheel leaves it.
    let python = pythons::all().remove(0);
    let venv = Venv::on(python.clone());
    let site = venv.site_packages();
    fs::create_dir_all(site.join("vendored.libs")).unwrap();
    fs::create_dir_all(site.join("vendored")).unwrap();
    fs::write(site.join("vendored/__init__.py"), "").unwrap();
    fs::write(site.join("answer.c"), "int vendored_answer(void) { return 42; }").unwrap();
    fs::write(site.join("vendored/_inner.c"), VENDORED).unwrap();
    compile(&python, &site, &["answer.c", "-o", "vendored.libs/libanswer.so"]);
    let rpath = "-Wl,-rpath,$ORIGIN/../vendored.libs";
    let libraries = ["-Lvendored.libs", "-lanswer", rpath, "-o", "vendored/_inner.abi3.so"];
    compile(&python, &site, &[&["vendored/_inner.c"][..], &libraries].concat());
    let audited = Audited::of(venv);
    let server = audited.serve(&["--interpreters", "2"]);
    let (_, said) = server.get("/import/vendored._inner");
    assert!(said.ends_with("vendored/_inner.abi3.so"), "{said}");
}

const VENDORED: &str = "
#include <Python.h>
extern int vendored_answer(void);
static int execute(PyObject *module) { return PyModule_AddIntConstant(module, \"answer\", vendored_answer()); }
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, \"_inner\", NULL, 0, NULL, slots, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__inner(void) { return PyModuleDef_Init(&definition); }
";
