//! Wrong inputs are errors that say what to type instead.

use std::fs;

use super::Project;

const APPLICATION: &str = "\
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'done']
";

#[test]
fn values_that_are_not_understood_are_named() {
    let project = Project::new(APPLICATION);
    for (args, said) in [
        (["--cores", "0"], "'--cores <N>'"),
        (["--cores", "100000"], "what is not there cannot be measured"),
        (["--target", "fast"], "give a quantile and a time, as p95=50ms"),
        (["--rate", "0"], "give a number of requests per second"),
        (["--memory", "2GB"], "give a number of bytes"),
        (["--requests", "missing.http"], "cannot read missing.http"),
        (["--replay", "missing.log"], "cannot read missing.log"),
    ] {
        let error = project.tune(&args).ended_with(2).err;
        assert!(error.contains(said), "{args:?}: {error}");
    }
}

#[test]
fn requests_that_cannot_be_sent_are_named() {
    let project = Project::new(APPLICATION);
    for (name, text, option, said) in [
        ("empty.http", "", "--requests", "no request found: write one as `GET /path`"),
        ("strange.http", "GET /\nA b: c\n", "--requests", "A b"),
        ("empty.log", "", "--replay", "empty.log has no request to replay: it is empty"),
        ("other.log", "hello\n", "--replay", "1 lines that are not in the combined format"),
    ] {
        fs::write(project.folder().join(name), text).unwrap();
        let error = project.tune(&[option, name]).ended_with(2).err;
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[test]
fn an_application_that_is_not_there_is_named() {
    let project = Project::new(APPLICATION);
    let report = project.audit();
    let other = project.tune(&["--app", "blog:application"]);
    assert!(other.err.contains("cannot be used multiple times"), "{}", other.err);
    fs::rename(project.folder().join("shop.py"), project.folder().join("gone.py")).unwrap();
    let absent = project.tune(&[]).ended_with(2).err;
    assert!(absent.contains("shop"), "{absent}");
    // The report knows it, but the server does not find it.
    let gone = project.tune(&["--report", &report]).ended_with(2).err;
    assert!(gone.contains("the application is not served") && gone.contains("shop"), "{gone}");
}

#[test]
fn less_memory_than_a_process_needs_is_an_error() {
    let project = Project::new(APPLICATION);
    let report = project.audit();
    let error = project.tune(&["--report", &report, "--memory", "1M"]).ended_with(2).err;
    assert!(error.contains("is less than one process of the application needs"), "{error}");
    let other = project.tune(&["--report", "/dev/null"]).ended_with(2).err;
    assert!(other.contains("/dev/null"), "{other}");
}
