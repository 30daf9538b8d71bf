//! `--apache-config`: the exit status, by where applications land. What is found in configurations is tested in
//! `src/apache/tests.rs`.

use std::fs;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// An audit of a small environment with this configuration, in which `{site}` is the scripts' folder.
fn audit(config: &str, status: i32) -> Said {
    let venv = Venv::new().with("no-slot").with("well-behaved");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    write("bad.wsgi", "import no_slot\n");
    write("good.wsgi", "import well_behaved\n");
    write("httpd.conf", &config.replace("{site}", root.to_str().unwrap()));
    let config = root.join("httpd.conf");
    Wsgiaudit::new().arg(venv.path()).arg("--apache-config").arg(config).run().ended_with(status)
}

#[test]
fn the_exit_status_follows_where_applications_land() {
    let serves = |script: &str, group: &str| {
        format!(
            "WSGIDaemonProcess d\nWSGIPerInterpreterGIL On\n\
             WSGIScriptAlias / {{site}}/{script} process-group=d application-group={group}\n"
        )
    };
    let said = audit(&serves("good.wsgi", "own"), 0).out;
    assert!(said.contains("/ -> process group d, application group own: own-gil: ready ("), "{said}");
    let said = audit(&serves("bad.wsgi", "own"), 1).out;
    assert!(said.contains("httpd.conf:3: apache-unfit-interpreter: "), "{said}");
    assert!(said.contains("wsgiaudit explain apache-unfit-interpreter"), "{said}");
    // The same script where it can be imported.
    let said = audit(&serves("bad.wsgi", "%{GLOBAL}").replace("GIL On", "GIL Off"), 0).out;
    assert!(said.contains("/ -> process group d, %{GLOBAL}: main: ready ("), "{said}");
    let said = audit(&serves("absent.wsgi", "own"), 3).out;
    assert!(said.contains("it was not audited: the file does not exist here"), "{said}");
    let said = audit(&("WSGIRestrictProcess e\n".to_owned() + &serves("good.wsgi", "own")), 1).out;
    assert!(said.contains("own-gil: answered with 500 ("), "{said}");
    assert!(said.contains("apache-process-not-allowed: "), "{said}");
    let other = "WSGIPythonHome /elsewhere\n".to_owned() + &serves("good.wsgi", "own");
    let said = audit(&other, 3).out;
    assert!(said.contains("it is served by /elsewhere, not by this environment"), "{said}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_an_error_before_anything_is_tried() {
    let said = audit("Include absent.conf\n", 2);
    assert!(said.err.contains("httpd.conf:1: cannot read "), "{}", said.err);
    let said = audit("<Directory />\n", 2);
    assert!(said.err.contains("httpd.conf:1: <directory> is not closed in this file"), "{}", said.err);
    let said = audit("WSGIScriptAlias / {site}/good.wsgi\nWSGIAplicationGroup x\n", 2);
    assert!(said.err.contains("httpd.conf:2: mod_wsgi has no directive"), "{}", said.err);
    assert!(said.err.contains("(write WSGIApplicationGroup): Apache would not start"), "{}", said.err);
    let said = audit("Include httpd.conf\n", 2);
    assert!(said.err.contains("httpd.conf:1: more than 128 files include each other"), "{}", said.err);
}
