//! `--app`: what an application reaches, how, and the hazards in its source. Two small applications with one of
//! each, the same without any, and three real ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::applications_environment;
use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

const APPLICATIONS: [&str; 7] = [
    "tests/fixtures/applications/flask_shop/wsgi.py:application",
    "tests/fixtures/applications/flask_shop/clean.py:application",
    "tests/fixtures/applications/django_shop/shop/wsgi.py",
    "tests/fixtures/applications/django_shop/shop/clean.py",
    "radicale:application",
    "pypiserver:app",
    "httpbin:app",
];

/// One audit of the environment for all of them.
static REPORT: LazyLock<Value> = LazyLock::new(|| {
    let audit =
        Wsgiaudit::new().within(Path::new(env!("CARGO_MANIFEST_DIR"))).arg(applications_environment());
    let audit = APPLICATIONS.iter().fold(audit, |audit, name| audit.arg("--app").arg(name));
    audit.arg("--format").arg("json").run().ended_with(1).body()
});

fn of(name: &str) -> &'static Value {
    let all = REPORT["applications"].as_array().unwrap();
    all.iter().find(|each| each["name"].as_str().unwrap().contains(name)).unwrap()
}

fn verdict<'a>(application: &'a Value, mode: &str) -> &'a str {
    application["modes"][mode]["verdict"].as_str().unwrap()
}

/// `file:line` of each line of these sources that carries a mark, with the mark.
fn marks(folder: &str) -> BTreeSet<(String, u64, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/applications").join(folder);
    let mut marks = BTreeSet::new();
    for entry in walkdir::WalkDir::new(root).into_iter().map(Result::unwrap) {
        if entry.path().extension().is_none_or(|extension| extension != "py") {
            continue;
        }
        let name = entry.file_name().to_str().unwrap().to_owned();
        for (line, text) in (1..).zip(fs::read_to_string(entry.path()).unwrap().lines()) {
            if let Some((_, mark)) = text.split_once("# mark: ") {
                marks.insert((name.clone(), line, mark.to_owned()));
            }
        }
    }
    marks
}

fn place(value: &Value) -> (String, u64) {
    let file = value["file"].as_str().unwrap();
    (file.rsplit('/').next().unwrap().to_owned(), value["line"].as_u64().unwrap())
}

#[track_caller]
fn reports_each_mark(application: &Value, folder: &str) {
    let mut found: BTreeSet<(String, u64, String)> = BTreeSet::new();
    for hazard in application["hazards"].as_array().unwrap() {
        let (file, line) = place(hazard);
        found.insert((file, line, hazard["rule"].as_str().unwrap().to_owned()));
    }
    let pandas = application["modules"].as_array().unwrap().iter();
    for used in pandas.filter(|used| used["name"].as_str().unwrap().starts_with("pandas._libs")) {
        let (file, line) = place(&used["through"]);
        found.insert((file, line, used["reached"].as_str().unwrap().to_owned()));
    }
    assert_eq!(found, marks(folder), "{:#}", application["hazards"]);
}

#[test]
fn a_flask_application_s_lazy_import_and_hazards_are_reported_by_file_and_line() {
    let shop = of("flask_shop/wsgi.py");
    reports_each_mark(shop, "flask_shop");
    assert_eq!(verdict(shop, "own-gil"), "blocked");
    let reason = shop["modes"]["own-gil"]["reason"].as_str().unwrap();
    assert!(reason.contains("imported at the first call of show_prices(), "), "{reason}");
}

#[test]
fn a_django_project_is_followed_through_its_settings() {
    let shop = of("django_shop/shop/wsgi.py");
    reports_each_mark(shop, "django_shop");
    // What `AppConfig.ready` does happens at import.
    let reason = shop["modes"]["own-gil"]["reason"].as_str().unwrap();
    assert!(reason.contains("daemon threads are disabled"), "{reason}");
}

#[test]
fn nothing_is_reported_of_clean_applications() {
    for name in ["flask_shop/clean.py", "django_shop/shop/clean.py"] {
        let shop = of(name);
        assert_eq!(shop["hazards"], serde_json::json!([]), "{name}");
        assert_eq!(shop["not_followed"], serde_json::json!([]), "{name}");
        assert_eq!(verdict(shop, "own-gil"), "ready", "{name}: {:#}", shop["modes"]);
        let modules = shop["modules"].as_array().unwrap();
        let blocked = modules.iter().filter(|used| {
            let name = used["name"].as_str().unwrap();
            name.starts_with("pandas") || name.starts_with("numpy")
        });
        assert!(blocked.into_iter().all(|used| used["reached"] == "not-reached"), "{name}");
    }
}

#[test]
fn real_applications_get_what_their_sources_and_their_import_deserve() {
    let httpbin = of("httpbin");
    assert_eq!(verdict(httpbin, "own-gil"), "blocked");
    assert_eq!(httpbin["modes"]["own-gil"]["cause"]["module"], "brotlicffi._brotlicffi");
    let loaded = httpbin["modules"].as_array().unwrap().iter().filter(|used| used["loaded"] == true);
    assert!(loaded.into_iter().any(|used| used["name"] == "_cffi_backend"), "C code imports it");
    for (name, file, rule) in [
        ("radicale", "radicale/pathutils.py", "ctypes-load"),
        ("pypiserver", "bottle.py", "process-wide-global"),
    ] {
        let application = of(name);
        // Both import by a name from their configuration: it may be one that needs a refused module.
        assert_eq!(verdict(application, "own-gil"), "unknown", "{:#}", application["modes"]);
        let hazards = application["hazards"].as_array().unwrap();
        let is_it = |each: &Value| {
            each["file"].as_str().unwrap().ends_with(file) && each["rule"].as_str() == Some(rule)
        };
        let hazard = hazards.iter().find(|each| is_it(each)).unwrap();
        let path = hazard["file"].as_str().unwrap();
        let path = path.replace("{environment}", applications_environment().to_str().unwrap());
        let line = usize::try_from(hazard["line"].as_u64().unwrap()).unwrap();
        let text = fs::read_to_string(path).unwrap();
        let text = text.lines().nth(line - 1).unwrap();
        let name = hazard["name"].as_str().unwrap_or("CDLL(");
        assert!(text.contains(name.rsplit('.').next().unwrap()), "{text}: {hazard}");
    }
}

/// An application in a small environment, and how the audit ends.
fn small(venv: Venv, source: &str, status: i32) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.wsgi");
    fs::write(&file, source).unwrap();
    let said = Wsgiaudit::new().arg(venv.path()).arg("--app").arg(&file).run().ended_with(status);
    said.out.split("\nApplication ").nth(1).unwrap().to_owned()
}

#[test]
fn the_exit_status_follows_what_is_reached() {
    let venv = || Venv::new().with("no-slot").with("well-behaved");
    small(venv(), "import well_behaved\n", 0);
    small(venv(), "import no_slot\n", 1);
    small(venv(), "import importlib\nimportlib.import_module('no_slot')\n", 1);
    let lazily = small(venv(), "def application(environ, start):\n    import no_slot\n", 1);
    assert!(lazily.contains("site.wsgi:2 in application()"), "{lazily}");
    let guarded = "def application(environ, start):\n    try:\n        import no_slot\n    except ImportError:\n        pass\n";
    let guarded = small(venv(), guarded, 0);
    assert!(guarded.contains("own-gil: degraded"), "{guarded}");
    small(venv(), "if __name__ == '__main__':\n    import no_slot\n", 0);
}

#[test]
fn what_does_not_import_in_the_control_is_unknown_and_computed_names_are_told() {
    let fails = small(Venv::new().with("well-behaved"), "raise RuntimeError('no database')\n", 3);
    assert!(fails.contains("own-gil: unknown: fails in the main interpreter too"), "{fails}");
    let computed = "import importlib\ndef load(name):\n    return importlib.import_module(name)\n";
    let computed = small(Venv::new().with("well-behaved"), computed, 0);
    assert!(
        computed.contains("site.wsgi:3 in load(): importlib.import_module() with a computed name"),
        "{computed}"
    );
}

#[test]
fn an_application_that_is_not_there_is_an_error() {
    let venv = Venv::new().with("well-behaved");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--app").arg("absent:app").run().ended_with(2);
    assert!(said.err.contains("no module absent"), "{}", said.err);
}
