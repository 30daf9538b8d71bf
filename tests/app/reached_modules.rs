//! What an application reaches beside its plain imports: through requests, conditions, computed names, its framework, and
//! threads that an interpreter with its own GIL refuses. In each environment `no_slot` is refused.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

fn environment() -> Venv {
    Venv::new().with("no-slot").with("well-behaved")
}

/// Audits the application in `shop.py`, beside these files.
fn audit(venv: &Venv, files: &[(&str, &str)], arguments: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let report = folder.path().join("report.json");
    let audit =
        Wsgiaudit::new().arg(venv.path()).args(["--app", "shop.py:application", "--json"]).arg(&report);
    let said = audit.args(arguments).within(folder.path()).run();
    let directive = Wsgiaudit::new().arg("directive").arg(&report).run();
    let is_on = directive.out.lines().any(|line| line.trim() == "WSGIPerInterpreterGIL On");
    assert!(!is_on || said.status == Some(0), "{}\n{}", said.out, directive.out);
    said
}

/// An application whose function has these lines.
fn answering(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "import importlib, os, platform, sys, threading\n\n\ndef application(environ, start_response):\n{lines}    \
         start_response('200 OK', [])\n    return [b'']\n"
    )
}

/// Audits an application with these lines in its function.
fn ends_with(status: i32, lines: &str) -> Said {
    audit(&environment(), &[("shop.py", &answering(lines))], &[]).ended_with(status)
}

#[test]
fn what_a_request_fails_on_decides_the_application_s_own_verdict() {
    let source = answering("importlib.import_module(environ['PATH_INFO'][1:])");
    let files = [("shop.py", source.as_str()), ("shop.http", "GET /well_behaved\n###\nGET /no_slot\n")];
    let said = audit(&environment(), &files, &["--requests", "shop.http", "--format", "json"]).ended_with(1);
    let report: Value = said.body();
    let application = &report["applications"][0];
    let own = &application["modes"]["own-gil"];
    assert_eq!(own["verdict"], "blocked", "{own}");
    assert_eq!(own["reason"], "GET /no_slot needs no_slot, refused: no slot 3");
    let modules = application["modules"].as_array().unwrap();
    let reached = modules.iter().find(|module| module["name"] == "no_slot").unwrap();
    assert_eq!(reached["reached"], "lazy", "{reached}");
}

#[test]
fn a_computed_import_is_open_until_something_has_run_it() {
    let source = answering("importlib.import_module(environ['PATH_INFO'][1:] or 'well_behaved')");
    let said = audit(&environment(), &[("shop.py", &source)], &[]).ended_with(3);
    assert!(said.out.contains("shop.py:5 loads no_slot (blocked: refused: no slot 3) is not known: importlib.import_module() with a computed name"), "{}", said.out);
    let files = [("shop.py", source.as_str()), ("shop.http", "GET /\n")];
    audit(&environment(), &files, &["--requests", "shop.http"]).ended_with(0);
    // Its import has run it, and the control has seen what that loads.
    let at_import = "import importlib\nfor name in ['well_behaved']:\n    importlib.import_module(name)\ndef application(environ, start_response):\n    return []\n";
    audit(&environment(), &[("shop.py", at_import)], &[]).ended_with(0);
    // There is nothing bad that it could load.
    audit(&Venv::new().with("well-behaved"), &[("shop.py", &source)], &[]).ended_with(0);
}

#[test]
fn every_kind_of_computed_import_is_open() {
    for lines in [
        "importlib.import_module(f'shop_{environ}')",
        "__import__(environ['PATH_INFO'])",
        "exec(environ['PATH_INFO'])",
        "import importlib.metadata\nimportlib.metadata.entry_points(group='shop')",
        "import runpy\nrunpy.run_path(environ['PATH_INFO'])",
        "import pkgutil\npkgutil.resolve_name(environ['PATH_INFO'])",
        "from werkzeug.utils import import_string\nimport_string(environ['PATH_INFO'])",
    ] {
        let source = answering(lines);
        let venv = environment()
            .with_file("werkzeug/__init__.py", "")
            .with_file("werkzeug/utils.py", "def import_string(name): pass\n");
        let said = audit(&venv, &[("shop.py", &source)], &[]).ended_with(3);
        assert!(said.out.contains("loads no_slot"), "{lines}: {}", said.out);
    }
}

#[test]
fn a_computed_import_of_a_name_that_is_written_down_is_followed() {
    for lines in [
        "from werkzeug.utils import import_string\nimport_string('no_slot:NAME')",
        "import pkgutil\npkgutil.resolve_name('no_slot:NAME')",
        "import lazy_loader\nlazy_loader.load('no_slot').NAME",
    ] {
        let venv = environment()
            .with_file("werkzeug/__init__.py", "")
            .with_file("werkzeug/utils.py", "def import_string(name): pass\n")
            .with_file(
                "lazy_loader.py",
                "def load(name): pass\ndef attach(*arguments): return None, None, None\n",
            );
        audit(&venv, &[("shop.py", &answering(lines))], &[]).ended_with(1);
    }
    let venv = environment()
        .with_file("lazy_loader.py", "def attach(*arguments): return None, None, None\n")
        .with_file("goods/__init__.py", "import lazy_loader\n__getattr__, _, _ = lazy_loader.attach(__name__, ['other'], {'shelf': ['Shelf']})\n")
        .with_file("goods/other.py", "")
        .with_file("goods/shelf.py", "import no_slot\n");
    let said = audit(&venv, &[("shop.py", &answering("import goods\ngoods.Shelf"))], &[]).ended_with(1);
    assert!(said.out.contains("no_slot"), "{}", said.out);
}

#[test]
fn branches_that_this_platform_never_takes_are_not_followed() {
    for never in [
        "sys.platform == 'win32'",
        "os.name == 'nt'",
        "platform.system() == 'Windows'",
        "sys.platform.startswith('win')",
    ] {
        ends_with(0, &format!("if {never}:\n    import no_slot"));
        ends_with(1, &format!("if {never}:\n    pass\nelse:\n    import no_slot"));
        ends_with(1, &format!("if not ({never}):\n    import no_slot"));
    }
}

#[test]
fn a_daemon_thread_in_a_handler_is_refused_for_certain() {
    for lines in [
        "threading.Thread(target=print, daemon=True).start()",
        "thread = threading.Thread(target=print)\nthread.daemon = True\nthread.start()",
        "thread = threading.Timer(1, print)\nthread.setDaemon(True)\nthread.start()",
    ] {
        let said = ends_with(1, lines);
        assert!(said.out.contains("own-gil: blocked: "), "{lines}: {}", said.out);
        assert!(
            said.out.contains("daemon threads are disabled in this interpreter"),
            "{lines}: {}",
            said.out
        );
        assert!(said.out.contains("shop.py:"), "{lines}: {}", said.out);
    }
    let guarded =
        "try:\n    threading.Thread(target=print, daemon=True).start()\nexcept RuntimeError:\n    pass";
    assert!(ends_with(0, guarded).out.contains("own-gil: degraded"), "{guarded}");
    // Not certain: it may be anything's attribute, and a server does not take the branch.
    ends_with(0, "environ['shop.service'].daemon = True");
    ends_with(0, "if sys.platform == 'win32':\n    threading.Thread(target=print, daemon=True).start()");
    ends_with(0, "threading.Thread(target=print).start()");
}

#[test]
fn django_is_asked_what_it_loads_at_a_first_request() {
    let applications = PathBuf::from(std::env::var("WSGIAUDIT_TEST_APPLICATIONS").unwrap());
    let settings =
        "SECRET_KEY = 'x'\nROOT_URLCONF = 'pages'\nCACHES = {'default': {'BACKEND': 'stored.Cache'}}\n";
    let start = "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'conf'\n\
                 from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n";
    let plain = "urlpatterns = []\n";
    let refused = "import no_slot\nurlpatterns = []\n";
    let cache = "from django.core.cache.backends.dummy import DummyCache\nclass Cache(DummyCache): pass\n";
    let cases = [
        (plain, cache.to_owned(), 0),
        (refused, cache.to_owned(), 1),
        (plain, format!("import no_slot\n{cache}"), 1),
    ];
    for (pages, cache, status) in cases {
        let venv = ["django", "asgiref", "sqlparse"]
            .into_iter()
            .fold(environment().with_file("stored.py", &cache), |venv, name| {
                venv.with_distribution(&applications, name)
            });
        let files = [("shop.py", start), ("conf.py", settings), ("pages.py", pages)];
        audit(&venv, &files, &[]).ended_with(status);
    }
}
