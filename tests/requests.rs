//! `--requests`: an application is asked in each kind of interpreter, and answers as in the main one.

use std::fs;

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
    assert!(said.out.contains("  own-gil: blocked: needs no_slot, refused: no slot 3\n"), "{}", said.out);
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
    let told =
        "shop.http of shop.py:application: 1 of 1 answers are never the same twice: their status alone was";
    assert!(said.out.contains(told), "{}", said.out);
}

#[test]
fn what_depends_on_the_requests_before_is_compared_in_a_new_interpreter_alone() {
    let application = format!("SEEN = []\n\n\n{}", answering("SEEN.append(0) or len(SEEN)"));
    let said = ask(&Venv::new(), &application, "GET /\n###\nGET /\n").ended_with(0);
    assert!(!said.out.contains("never the same"), "{}", said.out);
}

#[test]
fn an_application_that_fails_in_the_main_interpreter_too_tells_nothing() {
    let said = ask(&Venv::new(), &answering("1 / 0"), "GET /\n").ended_with(3);
    assert!(said.out.contains("own-gil: unknown: fails in the main interpreter too"), "{}", said.out);
    assert!(said.out.contains("ZeroDivisionError"), "{}", said.out);
    let application = answering("1").replace("200 OK", "503 Closed");
    let said = ask(&Venv::new(), &application, "GET /\n").ended_with(3);
    assert!(said.out.contains("GET / answers 503 Closed"), "{}", said.out);
}

#[test]
fn requests_that_cannot_be_read_are_an_error() {
    let said = ask(&Venv::new(), &answering("1"), "GET /a\nGET /b\n").ended_with(2);
    assert!(
        said.err.contains("shop.http: line 2: no header (### goes between two requests)"),
        "{}",
        said.err
    );
    let said = Wsgiaudit::new().args([".", "--requests", "none.http"]).run().ended_with(2);
    assert!(said.err.contains("--app"), "{}", said.err);
}
