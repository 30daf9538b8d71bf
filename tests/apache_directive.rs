//! What `wsgiaudit directive` prints, loaded into Apache: the interpreters that it promises, and the guard in
//! them.

use std::fmt::Write as _;
use std::fs;

use crate::support::apache::{Apache, modwsgi};
use crate::support::command::Wsgiaudit;
use crate::support::demo_environment;

/// Behind the guard, an application that imports what the query names, in a way that nobody sees in its source, and tells
/// where it runs.
fn script(first: &str) -> String {
    format!(
        "import builtins, sys\nsys.path.insert(0, {:?})\nimport wsgiaudit_guard\nimport _interpreters\n{first}\n\n\n\
         def application(environ, start_response):\n    \
             where = _interpreters.get_current()[0], _interpreters.get_config(_interpreters.get_current()[0]).gil\n    \
             try:\n        vars(builtins)['__import__'](environ['QUERY_STRING'] or 'sys')\n        said = 'imported'\n    \
             except ImportError as error:\n        said = str(error)\n    \
             start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
             return [('%s %s %s: %s' % (where[0] == 0, where[1], wsgiaudit_guard.mode, said)).encode()]\n",
        concat!(env!("CARGO_MANIFEST_DIR"), "/probes/guard/purelib")
    )
}

#[test]
fn the_directives_serve_each_application_in_the_interpreter_they_promise() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::write(root.join("shop.py"), script("import markupsafe")).unwrap();
    fs::write(root.join("reports.py"), script("import numpy")).unwrap();
    // Beside the scripts, where the guard looks for it.
    let report = root.join("wsgiaudit.json");
    let audit = Wsgiaudit::new().arg(demo_environment()).args(["--app", "shop:application"]);
    let audit = audit.args(["--app", "reports:application", "--json"]).arg(&report).within(&root);
    audit.run().ended_with(1);
    let directive = Wsgiaudit::new().args(["directive", "--report"]).arg(&report);
    let directive = directive.args(["--app", "shop:application=/", "--app", "reports:application=/reports"]);
    let block = directive.run().ended_with(0).out;

    // The user that the tests' Apache runs as has no home.
    let home = |line: &str| match line.starts_with("WSGIDaemonProcess ") {
        true => format!("{line} home={}\n", root.display()),
        false => format!("{line}\n"),
    };
    let block: String = block.lines().map(home).collect();
    let mut config = format!("WSGIPythonHome {}\n", demo_environment().display());
    writeln!(config, "<Directory {}>\nRequire all granted\n</Directory>\n{block}", root.display()).unwrap();
    let apache = Apache::start(&modwsgi("3.14"), &config);
    let said = |path: &str| {
        let response = apache.get(path);
        assert_eq!(response.status, 200, "{path}: {}\n{}", response.body, apache.log());
        response.body
    };
    assert_eq!(said("/?wrapt"), "False own own-gil: imported", "{block}");
    assert_eq!(said("/reports?lxml.etree"), "True own main: imported", "{block}");
    let refused = said("/?numpy");
    assert!(refused.starts_with("False own own-gil: "), "{refused}");
    assert!(
        refused.contains("wsgiaudit_guard: numpy._core._multiarray_umath is not vetted for own-gil: blocked"),
        "{refused}"
    );
    let log = apache.stop();
    assert_eq!(log.matches("with own GIL.").count(), 1, "{log}");
}
