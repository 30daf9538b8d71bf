//! What is audited is what Python would load: editable installs by the real build backends, import hooks, `.pth` files,
//! zip files, files with other names, and what lies beside CPython's own. Each holds a refused module: none is a yes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::editable::{Project, compile, refused};
use crate::support::linked_python::linked_python;
use crate::support::venv::Venv;
use crate::support::wheel::pack_entries;

fn audit(venv: &Venv) -> Said {
    Wsgiaudit::new().arg(venv.path()).arg("--no-cache").run()
}

fn report(venv: &Venv) -> Value {
    let said = Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--format", "json"]).run();
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{}{}", said.out, said.err))
}

/// The row of this name, with its verdict and reason in own-gil.
#[track_caller]
fn module(report: &Value, name: &str) -> (Value, String, String) {
    let all = report["modules"].as_array().unwrap();
    let found: Vec<&Value> = all.iter().filter(|module| module["name"] == name).collect();
    let [one] = found.as_slice() else { panic!("{} of {name}: {:#}", found.len(), report["modules"]) };
    let own = &one["modes"]["own-gil"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ((*one).clone(), text(&own["verdict"]), text(&own["reason"]))
}

/// `till._drawer` is refused, it is the distribution's, and nothing is said to be fine.
#[track_caller]
fn is_found(venv: &Venv, name: &str) {
    let report = report(venv);
    let (row, verdict, reason) = module(&report, name);
    assert_eq!((verdict.as_str(), reason.as_str()), ("blocked", "refused: single-phase initialisation"));
    assert_eq!(row["distribution"], "till", "{row:#}");
    assert_eq!(report["trouble"], Value::Array(Vec::new()));
    let tills = report["distributions"].as_array().unwrap().iter().filter(|row| row["name"] == "till");
    let names: Vec<&Value> = tills.flat_map(|row| row["top_level"].as_array().unwrap()).collect();
    assert_eq!(
        names.iter().map(|row| &row["name"]).collect::<Vec<_>>(),
        [name.strip_suffix("._drawer").unwrap()]
    );
    is_no(venv);
}

const EXTENSION: &str = "\n[[tool.setuptools.ext-modules]]\n";

fn setuptools(package: &str, folder: &str) -> Project {
    let tables = format!(
        "\n[tool.setuptools]\npackages = [{package:?}]\npackage-dir = {{{package:?} = {folder:?}}}\n{EXTENSION}\
         name = \"{package}._drawer\"\nsources = [\"{folder}/_drawer.c\"]\n"
    );
    Project::new("setuptools.build_meta", "setuptools", folder).with("pyproject.toml", &tables)
}

#[test]
fn setuptools_with_a_finder() {
    let project = setuptools("till", "till");
    is_found(&project.installed(&[]), "till._drawer");
}

#[test]
fn setuptools_with_a_folder_of_another_name() {
    let project = setuptools("till", "sources");
    is_found(&project.installed(&[]), "till._drawer");
}

#[test]
fn setuptools_in_a_namespace() {
    let project = setuptools("shop.till", "shop/till");
    is_found(&project.installed(&[]), "shop.till._drawer");
}

#[test]
fn setuptools_with_a_tree_of_links() {
    let project = setuptools("till", "till");
    is_found(&project.installed(&["--config-settings=editable_mode=strict"]), "till._drawer");
}

#[test]
fn setuptools_with_a_source_folder() {
    let tables = format!(
        "\n[tool.setuptools]\npackages = [\"till\"]\npackage-dir = {{\"\" = \"src\"}}\n{EXTENSION}\
         name = \"till._drawer\"\nsources = [\"src/till/_drawer.c\"]\n"
    );
    let project =
        Project::new("setuptools.build_meta", "setuptools", "src/till").with("pyproject.toml", &tables);
    is_found(&project.installed(&[]), "till._drawer");
}

#[test]
fn hatchling() {
    let project = Project::new("hatchling.build", "hatchling", "src/till");
    let venv = project.installed(&[]);
    compile(&venv, &refused("_drawer"), &project.path().join("src/till/_drawer.so"));
    is_found(&venv, "till._drawer");
}

fn meson() -> Project {
    let build = "project('till', 'c', version: '1.0')\n\
                 py = import('python').find_installation(pure: false)\n\
                 py.install_sources('src/till/__init__.py', subdir: 'till')\n\
                 py.extension_module('_drawer', 'src/till/_drawer.c', subdir: 'till', install: true)\n";
    Project::new("mesonpy", "meson-python", "src/till").with("meson.build", build)
}

#[test]
fn meson_python() {
    let project = meson();
    is_found(&project.installed(&[]), "till._drawer");
}

/// What a trial may not build is not a yes either, and nothing is written.
#[test]
fn meson_python_that_has_something_to_build() {
    let project = meson();
    let venv = project.installed(&[]);
    let built = project.path().join("build");
    let listing = || {
        let files = walkdir::WalkDir::new(&built).sort_by_file_name().into_iter().map(Result::unwrap);
        files
            .map(|file| (file.path().to_owned(), file.metadata().unwrap().modified().unwrap()))
            .collect::<Vec<_>>()
    };
    let project = project.with("src/till/_drawer.c", "\n/* newer */\n");
    let before = listing();
    let said = audit(&venv).ended_with(3);
    assert_eq!(listing(), before);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: not known."), "{}", said.out);
    assert!(said.out.contains("build a package that rebuilds at import beforehand"), "{}", said.out);
    drop(project);
}

fn scikit_build(mode: &str) -> Project {
    let table =
        format!("\n[tool.scikit-build]\nwheel.packages = [\"src/till\"]\neditable.mode = \"{mode}\"\n");
    let mut build = "cmake_minimum_required(VERSION 3.15...3.30)\n\
                     project(till LANGUAGES C)\n\
                     find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)\n\
                     python_add_library(_drawer MODULE src/till/_drawer.c WITH_SOABI)\n\
                     install(TARGETS _drawer DESTINATION till)\n"
        .to_owned();
    if mode == "inplace" {
        build += "set_target_properties(_drawer PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_SOURCE_DIR}/src/till)\n";
    }
    Project::new("scikit_build_core.build", "scikit-build-core", "src/till")
        .with("pyproject.toml", &table)
        .with("CMakeLists.txt", &build)
}

#[test]
fn scikit_build_core_that_redirects() {
    let project = scikit_build("redirect");
    is_found(&project.installed(&[]), "till._drawer");
}

#[test]
fn scikit_build_core_in_place() {
    let project = scikit_build("inplace");
    is_found(&project.installed(&[]), "till._drawer");
}

#[test]
fn maturin() {
    let manifest = "[package]\nname = \"till\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                    [lib]\nname = \"_drawer\"\ncrate-type = [\"cdylib\"]\n\n[dependencies]\npyo3 = \"=0.30.1\"\n";
    let source = "#[pyo3::pymodule]\nmod _drawer {}\n";
    let table = "\n[tool.maturin]\npython-source = \"python\"\nmodule-name = \"till._drawer\"\n";
    let project = Project::new("maturin", "maturin", "python/till")
        .with("pyproject.toml", table)
        .with("Cargo.toml", manifest)
        .with("src/lib.rs", source);
    let venv = project.installed(&["--config-settings=build-args=--profile=dev"]);
    let report = report(&venv);
    let (row, verdict, reason) = module(&report, "till._drawer");
    assert_eq!((verdict.as_str(), reason.as_str()), ("blocked", "refused: no slot 3"));
    assert_eq!(row["distribution"], "till");
}

/// The line is what people act on: the status of what Python refuses is 1.
#[track_caller]
fn is_no(venv: &Venv) -> Said {
    let said = audit(venv).ended_with(1);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: no."), "{}", said.out);
    said
}

/// /work/shared's case `pth`.
#[test]
fn a_pth_file_that_imports() {
    let venv = Venv::new().with_file("hooked.pth", "import hooked\n");
    compile(&venv, &refused("hooked"), &venv.site_packages().join("hooked.so"));
    let said = is_no(&venv);
    assert!(said.out.contains("hooked: refused: single-phase initialisation"), "{}", said.out);
    assert_eq!(module(&report(&venv), "hooked").1, "blocked");
}

#[test]
fn a_pth_file_that_imports_a_package() {
    let package = "from . import _inner\n";
    let venv =
        Venv::new().with_file("hooked.pth", "import hooked\n").with_file("hooked/__init__.py", package);
    compile(&venv, &refused("_inner"), &venv.site_packages().join("hooked/_inner.so"));
    is_no(&venv);
    assert_eq!(module(&report(&venv), "hooked._inner").1, "blocked");
}

#[test]
fn a_pth_file_that_adds_a_folder() {
    let venv = Venv::new().with_file("more.pth", "../more\n");
    compile(&venv, &refused("further"), &venv.site_packages().join("../more/further.so"));
    is_no(&venv);
}

/// One that serves a name from a file elsewhere, and another that is asked for anything.
const FINDER: &str = "\
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import spec_from_file_location


class Finder:
    SERVED

    def find_spec(self, name, path=None, target=None):
        file = self.file(name)
        return file and spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


sys.meta_path.append(Finder())
";

/// A file with init functions for two names, neither its own, in a folder that is not on `sys.path`.
fn two_in_one(venv: &Venv, file: &Path) -> String {
    let source =
        refused("left") + &refused("right").replace("definition", "other").replace("#include <Python.h>", "");
    compile(venv, &source, file).display().to_string()
}

#[test]
fn a_finder_that_serves_two_modules_from_one_file() {
    let venv = Venv::new();
    let file = two_in_one(&venv, &venv.path().join("elsewhere/both.bin"));
    let served = format!("FILES = {{'left': {file:?}, 'right': {file:?}}}\n    file = FILES.get");
    let venv =
        venv.with_file("hook.py", &FINDER.replace("SERVED", &served)).with_file("hook.pth", "import hook\n");
    is_no(&venv);
    let report = report(&venv);
    for name in ["left", "right"] {
        assert_eq!(module(&report, name).1, "blocked");
    }
}

#[test]
fn a_finder_that_does_not_tell_what_it_serves() {
    let venv = Venv::new();
    let file = two_in_one(&venv, &venv.path().join("elsewhere/both.bin"));
    let served = format!(
        "def file(self, name):\n        return {file:?} if name in ('le' + 'ft', 'ri' + 'ght') else None"
    );
    let served = served.replace("('le' + 'ft', 'ri' + 'ght')", "map(''.join, [('le', 'ft'), ('ri', 'ght')])");
    let venv =
        venv.with_file("hook.py", &FINDER.replace("SERVED", &served)).with_file("hook.pth", "import hook\n");
    let said = audit(&venv).ended_with(3);
    assert!(
        said.out.contains("the import hook Finder of hook does not show which modules it serves"),
        "{}",
        said.out
    );
    assert!(said.out.contains("WSGIPerInterpreterGIL On: not known."), "{}", said.out);
}

#[test]
fn a_file_with_init_functions_for_other_names() {
    let venv = Venv::new();
    let file = two_in_one(&venv, &venv.site_packages().join("both.so"));
    let said = audit(&venv).ended_with(3);
    assert!(said.out.contains("1 with init functions for other names only"), "{}", said.out);
    let report_ = report(&venv);
    let (row, verdict, reason) = module(&report_, "both");
    assert_eq!((row["kind"].as_str(), verdict.as_str()), (Some("other-names"), "unknown"));
    assert!(reason.contains("PyInit_left"), "{reason}");
    let said = Wsgiaudit::new().arg("inspect").arg(&file).run().ended_with(0);
    for function in ["[PyInit_left]", "[PyInit_right]"] {
        assert!(said.out.contains(function), "{}", said.out);
    }
    // A package that loads it under both names has it tried.
    let loads = "import importlib.util as util, os\n\
                 from importlib.machinery import ExtensionFileLoader as Loader\n\
                 file = os.path.join(os.path.dirname(os.path.dirname(__file__)), 'both.so')\n\
                 for name in ('left', 'right'):\n    \
                     loader = Loader(name, file)\n    \
                     loader.exec_module(util.module_from_spec(util.spec_from_loader(name, loader)))\n";
    let venv = venv
        .with_file("pair/__init__.py", loads)
        .with_file("pair-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pair\nVersion: 1.0\n")
        .with_file("pair-1.0.dist-info/RECORD", "pair/__init__.py,,\n");
    let said = is_no(&venv);
    assert!(!said.out.contains("Found and not tried"), "{}", said.out);
    let (_, verdict, reason) = module(&report(&venv), "both");
    assert_eq!(verdict, "blocked");
    assert!(reason.starts_with("loaded as left by pair"), "{reason}");
}

/// Packs files into a zip file.
fn zip(file: &Path, entries: &[(&str, &[u8])]) {
    pack_entries(fs::File::create(file).unwrap(), entries);
}

#[test]
fn a_module_in_a_zip_file_cannot_be_imported_and_in_an_egg_it_may() {
    let venv = Venv::new().with_file("eggs.pth", "./plain.zip\n./till.egg\n");
    let module_file = compile(&venv, &refused("_drawer"), &venv.path().join("_drawer.so"));
    let bytes = fs::read(&module_file).unwrap();
    // As setuptools writes them, without pkg_resources.
    let stub = "def __bootstrap__():\n    global __bootstrap__, __loader__, __file__\n    \
                import sys, os, importlib.util, zipimport\n    \
                data = __loader__.get_data(os.path.join(os.path.dirname(__file__), '_drawer.so'))\n    \
                __file__ = os.path.join(os.environ['HOME'], '_drawer.so')\n    \
                open(__file__, 'wb').write(data)\n    __loader__ = None; del __bootstrap__, __loader__\n    \
                spec = importlib.util.spec_from_file_location(__name__, __file__)\n    \
                mod = importlib.util.module_from_spec(spec)\n    spec.loader.exec_module(mod)\n    \
                sys.modules[__name__] = mod\n__bootstrap__()\n";
    zip(&venv.site_packages().join("plain.zip"), &[("plain/__init__.py", b""), ("plain/_drawer.so", &bytes)]);
    let entries: [(&str, &[u8]); 3] =
        [("till/__init__.py", b""), ("till/_drawer.py", stub.as_bytes()), ("till/_drawer.so", &bytes)];
    zip(&venv.site_packages().join("till.egg"), &entries);
    let said = is_no(&venv);
    assert!(said.out.contains("Found and not tried: 1 file (1 in zip files)."), "{}", said.out);
    let report = report(&venv);
    assert_eq!(module(&report, "plain._drawer").1, "not-applicable");
    assert_eq!(module(&report, "till._drawer").1, "blocked");
}

#[test]
fn a_stub_that_fails_acquits_nobody() {
    let venv = Venv::new().with_file("eggs.pth", "./till.egg\n");
    let module_file = compile(&venv, &refused("_drawer"), &venv.path().join("_drawer.so"));
    let bytes = fs::read(&module_file).unwrap();
    let entries: [(&str, &[u8]); 3] = [
        ("till/__init__.py", b""),
        ("till/_drawer.py", b"import pkg_resources"),
        ("till/_drawer.so", &bytes),
    ];
    zip(&venv.site_packages().join("till.egg"), &entries);
    let said = audit(&venv).ended_with(3);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: not known."), "{}", said.out);
}

#[test]
fn what_lies_behind_another_file_is_decided() {
    let venv = Venv::new()
        .with_file("counter/__init__.py", "")
        .with_file("window/notes.txt", "")
        .with_file("door.py", "")
        .with_file("more.pth", "../more\n");
    for name in ["counter", "window", "door"] {
        compile(&venv, &refused(name), &venv.site_packages().join(format!("{name}.so")));
    }
    compile(&venv, &refused("door"), &venv.site_packages().join("../more/door.so"));
    let report = report(&venv);
    let (row, verdict, reason) = module(&report, "counter");
    assert_eq!((row["kind"].as_str(), verdict.as_str()), (Some("shadowed"), "not-applicable"));
    assert!(reason.contains("counter/__init__.py is found first"), "{reason}");
    assert_eq!(module(&report, "window").1, "blocked");
    let doors = report["modules"].as_array().unwrap().iter().filter(|module| module["name"] == "door");
    let doors: Vec<&str> = doors.map(|door| door["modes"]["own-gil"]["verdict"].as_str().unwrap()).collect();
    assert_eq!(doors.len(), 2);
    assert!(doors.contains(&"blocked") && doors.contains(&"not-applicable"), "{doors:?}");
    let said = audit(&venv);
    assert!(said.out.contains("2 shadowed by another file of the same name"), "{}", said.out);
}

#[test]
fn every_pythons_suffixes_are_inspected() {
    let venv = Venv::new();
    for suffix in [".abi3-x86_64-linux-gnu.so", ".abi3t.so", ".abi3t-x86_64-linux-gnu.so"] {
        let file = venv.path().join(format!("files/drawer{suffix}"));
        compile(&venv, &refused("drawer"), &file);
        let said = Wsgiaudit::new().arg("inspect").arg(venv.path().join("files")).run().ended_with(0);
        assert!(said.out.contains("single-phase"), "{suffix}: {}", said.out);
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn what_was_copied_beside_cpythons_own_modules() {
    let venv = Venv::new();
    let (copy, python) = linked_python(&venv.python());
    let library = python.file_name().unwrap();
    compile(
        &venv,
        &refused("xxforeign"),
        &copy.path().join("lib").join(library).join("lib-dynload/xxforeign.so"),
    );
    compile(&venv, &refused("beside"), &copy.path().join("lib").join(library).join("beside.so"));
    let said = Wsgiaudit::new().arg(&python).args(["--no-cache", "--format", "json"]).run().ended_with(1);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let names: Vec<&str> =
        report["modules"].as_array().unwrap().iter().map(|module| module["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["beside", "xxforeign"]);
    for name in names {
        assert_eq!(module(&report, name).1, "blocked");
    }
}

#[test]
fn the_users_own_packages_are_told_of() {
    let venv = Venv::new();
    let (copy, python) = linked_python(&venv.python());
    let home = copy.path().join("home");
    let version = python.file_name().unwrap().to_str().unwrap();
    compile(&venv, &refused("mine"), &home.join(".local/lib").join(version).join("site-packages/mine.so"));
    let said = Wsgiaudit::new().arg(&python).arg("--no-cache").env("HOME", &home).run().ended_with(3);
    assert!(said.out.contains("1 in the user's own site-packages"), "{}", said.out);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: not known."), "{}", said.out);
}

#[test]
fn a_virtualenv_that_sees_its_pythons_packages() {
    let venv = Venv::new();
    let (copy, python) = linked_python(&venv.python());
    let system = copy.path().join("lib").join(python.file_name().unwrap()).join("site-packages");
    compile(&venv, &refused("system_wide"), &system.join("system_wide.so"));
    let seeing = copy.path().join("venv");
    let made = Command::new(&python)
        .args(["-I", "-m", "venv", "--without-pip", "--system-site-packages"])
        .arg(&seeing)
        .status()
        .unwrap();
    assert!(made.success());
    let said = Wsgiaudit::new().arg(&seeing).arg("--no-cache").run().ended_with(1);
    assert!(said.out.contains("system_wide: refused: single-phase initialisation"), "{}", said.out);
}
