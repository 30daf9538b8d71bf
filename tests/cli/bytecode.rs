//! Bytecode for environments that have none: compiled once, outside of trials, and read by later ones.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use walkdir::WalkDir;

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

/// A user's cache.
struct Cache(tempfile::TempDir);

impl Cache {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Audits an environment, and returns the verdict on the distribution `shop` for an own GIL.
    fn audit(&self, venv: &Venv, options: &[&str]) -> String {
        self.judge(venv, options, "shop")["verdict"].as_str().unwrap().to_owned()
    }

    /// Audits an environment, and returns the judgement of a distribution for an own GIL.
    fn judge(&self, venv: &Venv, options: &[&str], distribution: &str) -> serde_json::Value {
        // A file that changed a moment ago may change again unseen: nothing is kept of it.
        std::thread::sleep(Duration::from_millis(50));
        let command = Wsgiaudit::new().arg(venv.path()).args(["--format", "json"]).args(options);
        let said = command.env("XDG_CACHE_HOME", self.0.path()).run();
        let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let rows = report["distributions"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == distribution).unwrap();
        row["modes"]["own-gil"].clone()
    }

    /// The bytecode of a module of the environment.
    fn find_bytecode(&self, module: &str) -> Option<PathBuf> {
        let entries = WalkDir::new(self.0.path()).into_iter().map(|entry| entry.unwrap().into_path());
        let is_it = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&format!("{module}.cpython-")) && name.ends_with(".pyc")
        };
        entries.filter(|path| path.to_str().unwrap().contains("site-packages")).find(is_it)
    }

    /// Audits again until the bytecode is there: the process that compiles ends with the audit, whether it is done or not.
    fn audit_until_compiled(&self, venv: &Venv, modules: &[&str]) {
        let started = Instant::now();
        while modules.iter().any(|module| self.find_bytecode(module).is_none()) {
            assert!(started.elapsed() < Duration::from_secs(60), "not compiled");
            self.audit(venv, &[]);
            for file in WalkDir::new(self.0.path()).into_iter().map(|entry| entry.unwrap().into_path()) {
                if file.extension().is_some_and(|ending| ending == "json") {
                    fs::remove_file(file).unwrap();
                }
            }
        }
    }
}

/// Can be imported only where `till` needs no compiling.
const NEEDS_BYTECODE: &str = "\
import sys
def audit(event, arguments):
    if event == 'compile' and str(arguments[1]).endswith('till.py'):
        raise ImportError('compiled')
sys.addaudithook(audit)
import till
";

#[test]
fn later_trials_read_what_was_compiled_once() {
    let cache = Cache::new();
    let venv = Venv::new().with_python("shop", NEEDS_BYTECODE).with_python("till", "");
    let before = venv.listing();
    cache.audit_until_compiled(&venv, &["till"]);
    assert_eq!(cache.audit(&venv, &[]), "ready");
    // Not where a trial could have forged it.
    assert_ne!(cache.audit(&venv, &["--no-sandbox"]), "ready");
    assert_eq!(venv.listing(), before);
}

#[test]
fn bytecode_of_an_older_source_is_not_run() {
    let cache = Cache::new();
    let shop = "import till\nif till.is_open != 1:\n    import faulthandler\n";
    let venv = Venv::new().with_python("shop", shop).with_python("till", "is_open = 1\n");
    cache.audit_until_compiled(&venv, &["till", "shop"]);
    assert_eq!(cache.audit(&venv, &[]), "ready");
    let source = venv.site_packages().join("till.py");
    let changed = fs::metadata(&source).unwrap().modified().unwrap();
    let venv = venv.with_file("till.py", "is_open = 2\n");
    fs::File::options().write(true).open(&source).unwrap().set_modified(changed).unwrap();
    assert_eq!(cache.audit(&venv, &[]), "blocked");
}

#[test]
fn an_environment_with_bytecode_is_tried_with_its_own() {
    let cache = Cache::new();
    let venv = Venv::new().with_python("shop", "");
    let mut compile = Command::new(venv.python());
    let status = compile.args(["-I", "-m", "compileall", "-q"]).arg(venv.site_packages()).status().unwrap();
    assert!(status.success());
    assert_eq!(cache.audit(&venv, &[]), "ready");
    assert_eq!(cache.find_bytecode("shop"), None);
}

#[test]
fn a_source_that_cannot_be_compiled_is_shown_by_its_trial() {
    let cache = Cache::new();
    let deep = format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000));
    let venv = Venv::new().with_python("shop", "").with_python("deep", &deep).with_python("till", "def (:\n");
    let started = Instant::now();
    for _ in 0..2 {
        assert_eq!(cache.audit(&venv, &["--no-cache"]), "ready");
    }
    assert!(started.elapsed() < Duration::from_secs(60));
    let till = cache.judge(&venv, &["--no-cache"], "till");
    assert_eq!(till["verdict"], "unknown");
    assert!(till["reason"].as_str().unwrap().contains("SyntaxError"), "{till}");
}
