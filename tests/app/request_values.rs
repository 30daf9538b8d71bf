//! `--requests`: variables of common `.http` files, cookies, and values that one answer gives to a later request.

use std::fs;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// Asks an application in `shop.py`, beside these files.
fn ask(application: &str, requests: &str, files: &[(&str, &[u8])], options: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.py"), application).unwrap();
    fs::write(folder.path().join("shop.http"), requests).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    Wsgiaudit::new()
        .arg(Venv::new().path())
        .args(["--app", "shop.py:application", "--requests", "shop.http"])
        .args(options)
        .within(folder.path())
        .run()
}

/// The line of a request in the table.
#[track_caller]
fn line<'s>(said: &'s Said, request: &str) -> &'s str {
    let found = said.out.lines().find(|line| line.trim_start().starts_with(request));
    found.unwrap_or_else(|| panic!("no {request}\n{}{}", said.out, said.err))
}

/// A shop behind a login: a form with a token of its own for each session, which no interpreter shares.
const SHOP: &str = r#"
import random
import re

SESSIONS = {}


def application(environ, start_response):
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    cookies = dict(part.strip().split("=", 1) for part in environ.get("HTTP_COOKIE", "").split(";") if "=" in part)
    session = SESSIONS.get(cookies.get("session"))
    if path == "/login" and method == "GET":
        token, name = "%016x/+&" % random.getrandbits(64), "%016x" % random.getrandbits(64)
        SESSIONS[name] = {"token": token, "user": None}
        start_response("200 OK", [("Content-Type", "text/html"), ("Set-Cookie", "session=%s; Path=/; HttpOnly" % name)])
        return [b'<input type="hidden" name="csrf" value="%s">' % token.replace("&", "&amp;").encode()]
    if path == "/login":
        import urllib.parse
        form = dict(urllib.parse.parse_qsl(environ["wsgi.input"].read().decode()))
        if session is None or form.get("csrf") != session["token"]:
            start_response("403 Forbidden", [])
            return [b"no token"]
        session["user"] = form["user"]
        start_response("302 Found", [("Location", "/cart?of=" + form["user"])])
        return [b""]
    if path == "/logout":
        start_response("200 OK", [("Set-Cookie", "session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")])
        return [b"bye"]
    if session is None or session["user"] is None:
        start_response("401 Unauthorized", [])
        return [b"who are you?"]
    start_response("200 OK", [])
    return ["{} {}".format(session["user"], environ["QUERY_STRING"]).encode()]
"#;

const LOGS_IN: &str = r#"@user = anna
### a page that wants a login
GET /cart

###
GET /login
# @capture token = name="csrf" value="([^"]+)"

### login
POST /login
Content-Type: application/x-www-form-urlencoded

user={{user}}
&csrf={{token}}

###
GET {{login.response.headers.Location}}

###
GET /logout

###
GET /cart?again
"#;

#[test]
fn a_login_holds_for_the_requests_after_it_in_each_interpreter() {
    let said = ask(SHOP, LOGS_IN, &[], &[]).ended_with(0);
    let statuses: Vec<&str> = [
        "GET /cart ",
        "GET /login",
        "POST /login",
        "GET {{login.response.headers.Location}}",
        "GET /logout",
        "GET /cart?again",
    ]
    .into_iter()
    .map(|request| line(&said, request).trim_start().trim_start_matches(request).trim_start())
    .map(|rest| &rest[..3])
    .collect();
    assert_eq!(statuses, ["401", "200", "302", "200", "200", "401"], "{}", said.out);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
}

#[test]
fn a_token_that_was_not_taken_is_not_believed() {
    let without = LOGS_IN.replace("# @capture", "# capture").replace("{{token}}", "no");
    let said = ask(SHOP, &without, &[], &[]).ended_with(3);
    let told = "GET {{login.response.headers.Location}}: {{login.response.headers.Location}} has no value";
    assert!(said.out.contains("the answer (403 Forbidden) does not hold it"), "{}", said.out);
    assert!(!said.out.contains(told) || said.out.contains("correct the list of requests"), "{}", said.out);
    let wrong = LOGS_IN.replace("name=\"csrf\" value", "name=\"token\" value");
    let said = ask(SHOP, &wrong, &[], &[]).ended_with(3);
    let told = "GET /login: its answer holds nothing for {{token}} (line 7): 200 OK";
    assert!(said.out.contains(told), "{}", said.out);
    let wrong = LOGS_IN.replace("([^\"]+)", "([^\"+");
    let said = ask(SHOP, &wrong, &[], &[]).ended_with(3);
    assert!(said.out.contains("line 7: not a regular expression for Python"), "{}", said.out);
}

/// Answers with what it was sent.
const ECHO: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "plain=1"),
                              ("Set-Cookie", "safe=1; Secure"), ("Set-Cookie", "below=1; Path=/deep")])
    said = [environ["PATH_INFO"], environ["QUERY_STRING"], environ["wsgi.input"].read().decode("latin-1"),
            environ.get("HTTP_COOKIE", ""), environ.get("HTTP_X_KEY", ""), environ["wsgi.url_scheme"]]
    expected = EXPECTED.get(environ["PATH_INFO"])
    assert expected is None or said[1:] == expected, (said, expected)
    return [b'{"items": [{"id": 7}], "name": "till"}']
"#;

#[test]
fn what_is_sent_is_what_was_typed_with_its_values() {
    let requests = "\
@base = http://shop.test
@kind = till
# @name first
GET {{base}}/first
    ?kind={{kind}}
    &item=1

###
PUT {{base}}/deep/second
X-Key: {{$processEnv SHOP_KEY}}

{\"id\": {{first.response.body.$.items[0].id}}, \"name\": \"{{first.response.body.$['name']}}\"}

###
POST https://shop.test/third

< blob.bin

###
# @no-cookie-jar
GET {{base}}/fourth
";
    let expected = "\
EXPECTED = {
    '/first': ['kind=till&item=1', '', '', '', 'http'],
    '/deep/second': ['', '{\"id\": 7, \"name\": \"till\"}', 'below=1; plain=1', 'key', 'http'],
    '/third': ['', 'a\\x00\\xff', 'plain=1', '', 'https'],
    '/fourth': ['', '', '', '', 'http'],
}
";
    let application = format!("{expected}{ECHO}");
    let files: [(&str, &[u8]); 1] = [("blob.bin", b"a\x00\xff")];
    let said = ask(&application, requests, &files, &["--env", "SHOP_KEY=key"]).ended_with(0);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
    assert!(!said.out.contains("SHOP_KEY=key"), "{}", said.out);
    let said = ask(&application, requests, &files, &[]).ended_with(2);
    assert!(
        said.err
            .contains("shop.http: line 10: trials have no variable SHOP_KEY: pass it on with --env SHOP_KEY"),
        "{}",
        said.err
    );
    let said = ask(&application, requests, &[], &["--env", "SHOP_KEY=key"]).ended_with(2);
    assert!(said.err.contains("shop.http: line 17: cannot read blob.bin"), "{}", said.err);
}

#[test]
fn what_a_client_would_run_is_named_and_not_run() {
    let requests = "GET /\n\n> {%\n  client.global.set('a', 1)\n%}\n";
    let said = ask(&format!("EXPECTED = {{}}\n{ECHO}"), requests, &[], &[]).ended_with(0);
    assert!(said.out.contains("note: shop.http: line 3: the script is not run"), "{}", said.out);
    let said = ask("", "GET /{{a}}\n", &[], &[]).ended_with(2);
    assert!(said.err.contains("line 1: {{a}} is unknown: define it in a line @a = value"), "{}", said.err);
}
