//! The loader of private copies, against CPython's own: in the probes' library as the extension module that the guard
//! uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::c_compiler;
use crate::support::pythons::{self, Python};

/// The probes' library, which `probes/embed.rs` has built.
const LIBRARY: &str = env!("WSGIAUDIT_PROBES");

/// The modules of `cases.c` that lie in files of their own. `missing` and, before 3.15, the exported ones are not in it.
const MODULES: [&str; 45] = [
    "single",
    "repeatable",
    "with_state",
    "adds_itself",
    "warns",
    "looks",
    "importer",
    "helped",
    "multi",
    "stateless",
    "one_gil",
    "refusing",
    "supporting",
    "with-hyphen",
    "exec_fails",
    "exec_silent",
    "exec_unreported",
    "unknown_slot",
    "negative",
    "bare",
    "été",
    "zkouška",
    "creates_list",
    "creates_named",
    "creates_null",
    "creates_raises",
    "creates_unreported",
    "outer",
    "mixed",
    "returns_null",
    "raises",
    "unreported",
    "uninitialized",
    "number",
    "without_definition",
    "once",
    "exported",
    "with_token",
    "declares_nested",
    "exports_created",
    "exports_null",
    "exports_error",
    "exports_lacking",
    "both",
    "missing",
];

/// Every module, imported, imported again, reloaded, from one file, under odd names and specs, and failing: what a main
/// interpreter shows is what an interpreter with private copies shows.
#[test]
fn a_copy_loads_like_the_file() {
    for python in pythons_with_interpreters() {
        let site = Site::new(&python);
        let plain = Command::new(&python.executable)
            .args(["-I", "-B", "-c"])
            .arg("import sys; exec(compile(open(sys.argv[2]).read(), 'observe.py', 'exec'), {'SITE': sys.argv[1]})")
            .arg(site.path())
            .arg(fixture("observe.py"))
            .output()
            .unwrap();
        let copied = site.run_with_copies(&python, &["observe.py"]);
        let (plain, copied) = (printed_lines(&plain), printed_lines(&copied));
        for (expected, found) in plain.iter().zip(&copied) {
            assert_eq!(found, expected, "{}", python.version);
        }
        assert_eq!(copied.len(), plain.len());
        assert!(plain.len() > 200, "{} has only {} cases", python.version, plain.len());
    }
}

#[test]
fn copies_are_isolated_and_other_modules_are_checked() {
    for python in pythons_with_interpreters() {
        let run = Site::new(&python).run_with_copies(&python, &["isolation.py", "isolation.py"]);
        assert_eq!(printed_lines(&run), ["isolated"; 2], "{}", python.version);
    }
}

/// A second interpreter must not get the tree of the first, not even after that one has ended.
#[test]
fn a_tree_serves_one_interpreter() {
    for python in pythons_with_interpreters() {
        let site = Site::new(&python);
        let (tree, file) = (site.tree(0), fixture("isolation.py"));
        let run = Command::new(&python.executable)
            .args(["-I", "-B"])
            .arg(fixture("with_copies.py"))
            .args([Path::new(LIBRARY), &site.path(), &tree, &file, &tree, &file])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success(), "{}", python.version);
        assert!(complaint.contains("they have served another interpreter of this process"), "{complaint}");
    }
}

#[test]
fn a_python_without_a_gil_is_refused() {
    let python = pythons::free_threaded();
    let import = "import sys, importlib.machinery as m, _imp; \
                  _imp.create_dynamic(m.ModuleSpec('wsgiaudit_copies', None, origin=sys.argv[1]))";
    let run = Command::new(&python.executable).args(["-I", "-c", import, LIBRARY]).output().unwrap();
    let complaint = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(complaint.contains("ImportError: private copies need a Python with a GIL"), "{complaint}");
}

fn pythons_with_interpreters() -> Vec<Python> {
    let mut pythons = pythons::all();
    pythons.retain(|python| !python.is_free_threaded() && python.version != "3.11");
    assert!(!pythons.is_empty(), "no Python with own-GIL interpreters to test with");
    pythons
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/copies").join(name)
}

fn printed_lines(run: &Output) -> Vec<String> {
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

/// A folder `site` with the package of the cases, and trees of copies of it.
struct Site(TempDir);

impl Site {
    fn new(python: &Python) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let package = site.path().join("package");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("__init__.py"), "").unwrap();
        let ask = "import sysconfig; print(sysconfig.get_path('include'), end='')";
        let include = Command::new(&python.executable).args(["-I", "-c", ask]).output().unwrap().stdout;
        let cases = package.join("cases.so");
        compile(&fixture("cases.c"), &cases, &String::from_utf8(include).unwrap());
        for module in MODULES {
            fs::copy(&cases, package.join(format!("{module}.so"))).unwrap();
        }
        fs::write(package.join("broken.so"), "not ELF\n").unwrap();
        let unresolved = site.0.path().join("unresolved.c");
        fs::write(&unresolved, "int nowhere(void); int here(void) { return nowhere(); }\n").unwrap();
        compile(&unresolved, &package.join("unresolved.so"), ".");
        // A module without a copy.
        let other = site.0.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::copy(&cases, other.join("foreign.so")).unwrap();
        for number in 0..2 {
            site.make_tree(number);
        }
        site
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap().join("site")
    }

    fn tree(&self, number: usize) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(format!("tree-{number}"))
    }

    fn make_tree(&self, number: usize) {
        let package = self.path().join("package");
        let copies = self.tree(number).join(package.strip_prefix("/").unwrap());
        fs::create_dir_all(&copies).unwrap();
        for file in fs::read_dir(&package).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copies.join(file.file_name())).unwrap();
        }
    }

    /// Runs each file in an interpreter with a tree of its own.
    fn run_with_copies(&self, python: &Python, files: &[&str]) -> Output {
        let mut run = Command::new(&python.executable);
        run.args(["-I", "-B"]).arg(fixture("with_copies.py")).arg(LIBRARY).arg(self.path());
        for (number, file) in files.iter().enumerate() {
            run.arg(self.tree(number)).arg(fixture(file));
        }
        run.output().unwrap()
    }
}

fn compile(source: &Path, target: &Path, include: &str) {
    let mut compiler = c_compiler();
    compiler.args(["-shared", "-fPIC", "-w", "-I", include]).arg(source).arg("-o").arg(target);
    assert!(compiler.status().unwrap().success(), "{} does not compile", source.display());
}
