//! `wsgiaudit top` reads what mod_wsgi itself sends.

use std::fs;

use serde_json::Value;

use crate::support::apache::{Apache, modwsgi};
use crate::support::command::{Said, Wsgiaudit};
use crate::support::demo_environment;

const SCRIPT: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"done"]
"#;

#[test]
fn top_reads_the_telemetry_of_mod_wsgi() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    fs::write(folder.path().join("app.wsgi"), SCRIPT).unwrap();
    let socket = folder.path().join("telemetry.sock");
    let target = format!("unix:{}", socket.display());
    // Apache's processes have another user's number, and nobody else reaches the folder.
    let args = ["top", "--once", "--format", "json", "--wait", "60", "--socket-mode", "666", &target];
    let child = Wsgiaudit::new().args(args).start_until(&socket);
    let config = format!(
        "WSGIPythonHome {}\nWSGITelemetryService {target} interval=2\n\
         <Directory {here}>\nRequire all granted\n</Directory>\n\
         WSGIDaemonProcess shop processes=1 threads=3 home={{here}}\n\
         WSGIScriptAlias / {here}/app.wsgi process-group=shop application-group=shop\n",
        demo_environment().display()
    );
    let apache = Apache::start(&modwsgi("3.14"), &config);
    for _ in 0..50 {
        assert_eq!(apache.get("/").status, 200, "{}", apache.log());
    }
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.status, Some(0), "{}\n{}", said.err, apache.log());
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&shown["damaged"], &shown["missing"]), (&0.into(), &0.into()), "{shown}");
    let processes = shown["processes"].as_array().unwrap();
    let daemon = processes.iter().find(|process| process["group"] == "shop");
    let daemon = daemon.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!((&daemon["threads"], &daemon["state"]), (&3.into(), &"serving".into()), "{shown}");
    assert!(daemon["server"].as_str().unwrap().starts_with("Apache/"), "{shown}");
    assert_eq!(daemon["requests"], 50, "{shown}");
    assert!(daemon["response"]["p50"].as_f64().is_some(), "{shown}");
    let events = shown["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["event"] == "started" && event["group"] == "shop"), "{shown}");
}
