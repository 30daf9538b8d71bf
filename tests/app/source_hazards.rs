//! Hazards in an application's source by name: one row a variable with its places, worst first, and what each interpreter
//! fills for itself apart from it.

use std::fs;

use serde_json::{Value, json};

use crate::render::formats::sarif_errors;
use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

const SHOP: &str = r#"import contextlib
import locale
import os
import signal
import threading

os.environ.setdefault("SHOP_SETTINGS", "shop.settings")
os.umask(0o22)
carts = {}
hits = 0
mode = "quick"
catalog = None
patterns = {}
filling = threading.Lock()
writing = threading.Lock()


class Stock:
    held = {}


def application(environ, start_response):
    global hits
    hits += 1
    carts[environ["REMOTE_ADDR"]] = environ["PATH_INFO"]
    Stock.held.setdefault(environ["PATH_INFO"], []).append(hits)
    start_response("200 OK", [])
    return [repr((carts, hits, mode, Stock.held)).encode()]


def empty(address):
    del carts[address]
    carts.clear()


def set_mode(value):
    global mode
    mode = value


def read_catalog():
    global catalog
    with filling:
        if catalog is None:
            catalog = open("catalog").read()
    return catalog


def pattern(text):
    if text not in patterns:
        patterns[text] = text.lower()
    return patterns[text]


def save(text):
    with writing:
        with open("orders", "a") as orders:
            orders.write(text)


def export(folder, zone):
    old = os.umask(0o77)
    os.environ["TZ"] = zone
    locale.setlocale(locale.LC_ALL, "")
    with contextlib.chdir(folder):
        save("all")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(3)
    os.umask(old)
    del os.environ["TZ"]
"#;

struct Audited {
    application: Value,
    table: String,
    directive: String,
    sarif: Value,
    page: String,
}

/// Audits an application with this source.
fn audit(source: &str) -> Audited {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    fs::write(folder.path().join("shop.py"), source).unwrap();
    let venv = Venv::new().with("well-behaved");
    let audit = Wsgiaudit::new().arg(venv.path()).args(["--app", "shop.py", "--json"]).arg(&report);
    let table = audit.within(folder.path()).run().ended_with(0).out;
    let document: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let directive = Wsgiaudit::new().arg("directive").arg("--report").arg(&report).run().out;
    let render = |format: &str| {
        let render = Wsgiaudit::new().arg("render").arg(&report).args(["--format", format]);
        render.within(folder.path()).run().ended_with(0).out
    };
    let sarif = serde_json::from_str(&render("sarif")).unwrap();
    Audited {
        application: document["applications"][0].clone(),
        table,
        directive,
        sarif,
        page: render("html"),
    }
}

/// Each row as `rule use name: line in function; other lines`.
fn rows(all: &Value) -> Vec<String> {
    let all = all.as_array().unwrap().iter().map(|row| {
        let text = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
        let others = row["places"].as_array().cloned().unwrap_or_default();
        let others: Vec<String> = others.iter().map(|place| place["line"].to_string()).collect();
        let place = format!("{} in {}", row["line"], text("function"));
        format!("{} {} {}: {place}; {}", text("rule"), text("use"), text("name"), others.join(" "))
    });
    all.collect()
}

#[test]
fn a_variable_is_one_row_worst_first_and_caches_are_apart() {
    let Audited { application, table, directive, sarif, page } = audit(SHOP);
    assert_eq!(
        rows(&application["hazards"]),
        [
            "process-wide-global state hits: 24 in application; ",
            "process-wide-global state carts: 25 in application; 32 33",
            "process-wide-global state Stock.held: 26 in application; ",
            "process-state - os.umask: 62 in export; 8 69",
            "environment-variable - TZ: 63 in export; 70",
            "process-state - locale.setlocale: 64 in export; ",
            "process-state - contextlib.chdir: 65 in export; ",
            "process-state - signal.alarm: 68 in export; ",
            "process-wide-global changed mode: 38 in set_mode; ",
            "process-wide-global guards-outside writing: 56 in save; ",
            "signal-handler - -: 67 in export; ",
        ]
    );
    assert_eq!(
        rows(&application["minor_hazards"]),
        [
            "environment-variable - SHOP_SETTINGS: 7 in -; ",
            "per-interpreter-cache filled-once catalog: 45 in read_catalog; ",
            "per-interpreter-cache filled-once patterns: 51 in pattern; ",
        ]
    );
    assert!(
        table.contains("carts (dict): changes with environ: each interpreter has its own; also lines 32, 33"),
        "{table}"
    );
    assert!(table.contains("  filled once in each interpreter: catalog, patterns\n"), "{table}");
    assert!(table.contains("  environment variables that are set at start: SHOP_SETTINGS\n"), "{table}");
    let position = |text: &str| table.find(text).unwrap();
    assert!(position("state") < position("mode (variable)"), "{table}");
    assert!(directive.contains("; 11 hazards in its source"), "{directive}");
    assert_eq!(sarif_errors(&sarif), Vec::<String>::new());
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 11, "{sarif:#}");
    let line = |location: &Value| location["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
    let carts =
        results.iter().find(|each| each["message"]["text"].as_str().unwrap().starts_with("carts ")).unwrap();
    assert_eq!(carts["ruleId"], "process-wide-global");
    assert_eq!(line(&carts["locations"][0]), 25);
    let artifact = &carts["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(*artifact, json!({"uri": "shop.py", "uriBaseId": "%SRCROOT%"}));
    let related: Vec<u64> = carts["relatedLocations"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(related, [32, 33]);
    for text in
        ["shop.py:25 in application(): carts (dict)", "shop.py:33 in empty()", "id=\"rule:process-state\""]
    {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn an_application_with_caches_alone_has_no_hazards() {
    let clean = "import os\nos.environ.setdefault('SHOP', 'a')\ncache = {}\n\n\n\
                 def application(environ, start_response):\n    if 'all' not in cache:\n        cache['all'] = load()\n    \
                 start_response('200 OK', [])\n    return [cache['all']]\n\n\ndef load():\n    return b''\n";
    let Audited { application, table, directive, sarif, page } = audit(clean);
    assert_eq!(sarif["runs"][0]["results"], json!([]));
    assert!(!page.contains("rule:process-"), "{page}");
    assert_eq!(application["hazards"], json!([]));
    assert_eq!(rows(&application["minor_hazards"]).len(), 2, "{application:#}");
    assert!(!table.contains("hazards in its source"), "{table}");
    assert!(!directive.contains("hazard"), "{directive}");
}

#[test]
fn a_document_from_before_these_fields_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    fs::write(folder.path().join("shop.py"), SHOP).unwrap();
    let venv = Venv::new().with("well-behaved");
    let audit = Wsgiaudit::new().arg(venv.path()).args(["--app", "shop.py", "--json"]).arg(&report);
    audit.within(folder.path()).run().ended_with(0);
    let mut document: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let application = document["applications"][0].as_object_mut().unwrap();
    application.retain(|field, _| !field.starts_with("minor_"));
    for hazard in application["hazards"].as_array_mut().unwrap() {
        hazard
            .as_object_mut()
            .unwrap()
            .retain(|field, _| !["name", "use", "places"].contains(&field.as_str()));
    }
    fs::write(&report, document.to_string()).unwrap();
    let table = Wsgiaudit::new().arg("render").arg(&report).run().ended_with(0).out;
    assert!(table.contains("process-wide-global: carts (dict)"), "{table}");
    assert!(!table.contains("filled once"), "{table}");
}
