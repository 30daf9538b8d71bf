//! `--requests`: an application is asked in each kind of interpreter, and answers as in the main one.

use std::fs;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

fn ask(venv: &Venv, application: &str, requests: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.py"), application).unwrap();
    fs::write(folder.path().join("shop.http"), requests).unwrap();
    Wsgiaudit::new()
        .arg(venv.path())
        .args(["--app", "shop.py:application", "--requests", "shop.http"])
        .within(folder.path())
        .run()
}

/// An application whose body is what this expression of `environ` comes to.
fn answering(body: &str) -> String {
    format!(
        "import sys\n\n\ndef application(environ, start_response):\n    body = {body}\n    \
         start_response('200 OK', [])\n    return [str(body).encode()]\n"
    )
}

#[test]
fn the_same_answers_everywhere_are_ready() {
    let echo = "[environ['PATH_INFO'], environ['QUERY_STRING'], environ['wsgi.input'].read(), \
                environ.get('HTTP_X_SHOP'), environ['HTTP_HOST']]";
    let requests = "GET /a%20b?c=d\n###\nPOST http://shop.test/buy\nX-Shop: one\n\nthe body\n";
    let said = ask(&Venv::new(), &answering(echo), requests).ended_with(0);
    assert!(
        said.out
            .contains("\nExercise shop.http of shop.py:application\n  shared-gil: ready\n  own-gil: ready\n"),
        "{}",
        said.out
    );
}

#[test]
fn what_a_request_imports_first_is_refused_then() {
    let venv = Venv::new().with("no-slot");
    let application = answering("__import__('no_slot').__name__ if environ['PATH_INFO'] == '/report' else 1");
    let said = ask(&venv, &application, "GET /\n").ended_with(1);
    assert!(said.out.contains("application\n  shared-gil: ready\n  own-gil: ready\n"), "{}", said.out);
    let said = ask(&venv, &application, "GET /\n###\nGET /report\n").ended_with(1);
    let reason = "  own-gil: blocked: GET /report needs no_slot, refused: no slot 3\n";
    assert!(said.out.contains(reason), "{}", said.out);
}

#[test]
fn another_answer_than_in_the_main_interpreter_is_told() {
    let application = answering("'main' if __import__('_interpreters').get_current()[0] == 0 else 'another'");
    let said = ask(&Venv::new(), &application, "GET /where\n").ended_with(1);
    assert!(said.out.contains("GET /where answers 200 OK, 7 bytes"), "{}", said.out);
    assert!(said.out.contains("in the main interpreter it answers 200 OK, 4 bytes"), "{}", said.out);
}

#[test]
fn an_answer_that_is_never_the_same_is_compared_by_its_status_and_that_is_told() {
    let said = ask(&Venv::new(), &answering("object()"), "GET /\n").ended_with(0);
    let told = "shop.http of shop.py:application: 1 of 1 responses differ every time: only their status was";
    assert!(said.out.contains(told), "{}", said.out);
}

#[test]
fn what_depends_on_the_requests_before_is_compared_in_a_new_interpreter_alone() {
    let application = format!("SEEN = []\n\n\n{}", answering("SEEN.append(0) or len(SEEN)"));
    let said = ask(&Venv::new(), &application, "GET /\n###\nGET /\n").ended_with(0);
    for told in ["differ every time", "differs each time"] {
        assert!(!said.out.contains(told), "{}", said.out);
    }
}

#[test]
fn an_application_that_fails_in_the_main_interpreter_too_tells_nothing() {
    let said = ask(&Venv::new(), &answering("1 / 0"), "GET /\n").ended_with(3);
    let told = "own-gil: unknown: in the main interpreter too, GET / raises ZeroDivisionError: division by zero; give";
    assert!(said.out.contains(told), "{}", said.out);
    assert!(!said.out.contains("zero at import"), "{}", said.out);
    let application = answering("1").replace("200 OK", "503 Closed");
    let said = ask(&Venv::new(), &application, "GET /\n").ended_with(3);
    assert!(said.out.contains("in the main interpreter too, GET / answers 503 Closed"), "{}", said.out);
    assert!(said.out.contains("explain request-fails"), "{}", said.out);
}

#[test]
fn an_application_that_is_not_imported_is_told_as_an_import() {
    let venv = Venv::new().with("no-slot");
    let said = ask(&venv, &format!("import no_slot\n{}", answering("1")), "GET /\n").ended_with(1);
    assert!(said.out.contains("  own-gil: blocked: needs no_slot, refused: no slot 3\n"), "{}", said.out);
    let fails = format!("raise RuntimeError('no database')\n{}", answering("1"));
    let said = ask(&venv, &fails, "GET /\n").ended_with(3);
    let told = "unknown: fails in the main interpreter too: raises RuntimeError: no database at import";
    assert!(said.out.contains(told), "{}", said.out);
}

#[test]
fn a_view_that_a_framework_answers_for_names_what_was_refused() {
    let venv = Venv::new().with("no-slot");
    let application = "\
def application(environ, start_response):
    try:
        import no_slot
    except ImportError:
        start_response('500 Oops', [])
        return [b'sorry']
    start_response('200 OK', [])
    return [b'fine']
";
    let said = ask(&venv, application, "GET /fine\n").ended_with(1);
    let told = "own-gil: blocked: GET /fine answers 500 Oops, 5 bytes: 'sorry'; in the main interpreter it answers \
                200 OK, 4 bytes: 'fine'; without no_slot (refused: no slot 3)";
    assert!(said.out.contains(told), "{}", said.out);
    assert!(said.out.contains("own-gil differs: 500 Oops"), "{}", said.out);
    for format in ["json", "sarif", "junit", "markdown", "html"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shop.py"), application).unwrap();
        fs::write(folder.path().join("shop.http"), "GET /fine\n").unwrap();
        let audit = Wsgiaudit::new().arg(venv.path()).args([
            "--app",
            "shop.py:application",
            "--requests",
            "shop.http",
        ]);
        let said = audit.args(["--format", format]).within(folder.path()).run().ended_with(1);
        assert!(said.out.contains("GET /fine answers 500 Oops"), "{format}: {}", said.out);
        // SARIF and the page have the pages of all rules.
        let has_pages = ["sarif", "html"].contains(&format);
        assert!(has_pages || !said.out.contains("import it"), "{format}: {}", said.out);
    }
}

#[test]
fn an_exception_says_which_request_raised_it() {
    let raises = "1 if __import__('_interpreters').get_current()[0] == 0 else environ['nothing']";
    let said = ask(&Venv::new(), &answering(raises), "GET /a\n###\nGET /b\n").ended_with(1);
    let told =
        "own-gil: blocked: GET /a raises KeyError: 'nothing'; in the main interpreter it answers 200 OK";
    assert!(said.out.contains(told), "{}", said.out);
    assert!(said.out.contains("shared-gil raised, own-gil raised"), "{}", said.out);
}

#[test]
fn each_request_is_told_with_its_status_digest_and_time() {
    let application = answering("'abc' if environ['PATH_INFO'] == '/same' else object()");
    let requests = "@item = 7\nGET /same?item={{item}}\n###\nPOST /other\n";
    let said = ask(&Venv::new(), &application, requests).ended_with(0);
    let line = said.out.lines().find(|line| line.contains("GET /same?item=7  ")).unwrap();
    // The SHA-256 of `abc` (FIPS 180-4).
    assert!(
        line.contains("200 OK") && line.contains("3 bytes") && line.contains("SHA-256 ba7816bf8f01"),
        "{line}"
    );
    assert!(line.contains(" ms"), "{line}");
    let other = said.out.lines().find(|line| line.contains("POST /other")).unwrap();
    assert!(other.contains("body differs each time"), "{other}");

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.py"), &application).unwrap();
    fs::write(folder.path().join("shop.http"), requests).unwrap();
    let venv = Venv::new();
    let audit = || {
        Wsgiaudit::new()
            .arg(venv.path())
            .args(["--app", "shop.py:application", "--requests", "shop.http", "--format", "json"])
            .within(folder.path())
            .run()
            .ended_with(0)
    };
    let said = audit();
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let asked = &report["exercises"][0]["requests"];
    assert_eq!(asked[0]["target"], "/same?item=7");
    assert_eq!(asked[0]["status"], "200 OK");
    assert_eq!(asked[0]["bytes"], 3);
    assert_eq!(asked[0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(asked[0]["modes"]["own-gil"], serde_json::json!({"result": "same"}));
    assert_eq!(asked[1]["sha256"], Value::Null);
    let times = &report["header"]["requests"][0];
    assert_eq!(times["exercise"], 0);
    assert!(times["milliseconds"][1].as_f64().unwrap() >= 0.0, "{times}");
    assert_eq!(said.body(), audit().body(), "times are the header's");
    fs::write(folder.path().join("report.json"), &said.out).unwrap();
    let page =
        Wsgiaudit::new().args(["render", "report.json", "--format", "html"]).within(folder.path()).run();
    for text in ["GET /same?item=7", "SHA-256 ba7816bf8f01", " ms, ", "body differs each time"] {
        assert!(page.out.contains(text), "{text}");
    }
}

#[test]
fn a_list_that_nothing_answers_with_success_is_no_evidence() {
    for status in ["404 Not Found", "302 Found", "401 Unauthorized"] {
        let application = answering("1").replace("200 OK", status);
        let said = ask(&Venv::new(), &application, "GET /a\n###\nGET /b\n").ended_with(3);
        let told = format!(
            "own-gil: unknown: no request was answered with success (2xx) in the main interpreter (2 x {status})"
        );
        assert!(said.out.contains(&told), "{}", said.out);
        assert!(said.out.contains("wsgiaudit explain no-success"), "{}", said.out);
    }
}

#[test]
fn requests_that_cannot_be_read_are_an_error() {
    let said = ask(&Venv::new(), &answering("1"), "GET /a\nGET /b\n").ended_with(2);
    assert!(
        said.err.contains("shop.http: line 2: not a header (separate requests with ###)"),
        "{}",
        said.err
    );
    let said = Wsgiaudit::new().args([".", "--requests", "none.http"]).run().ended_with(2);
    assert!(said.err.contains("--app"), "{}", said.err);
}
