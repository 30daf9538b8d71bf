//! `wsgiaudit serve`: the same small site in Flask, Django, Bottle, Falcon and Pyramid, all in four interpreters
//! with a GIL each, behind the guard, `wsgiref.validate` around each.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::command::Wsgiaudit;
use crate::support::server::Server;

const FRAMEWORKS: [&str; 5] = ["flask", "django", "bottle", "falcon", "pyramid"];

/// The virtualenv of `make serve-environment`, made once.
fn environment() -> PathBuf {
    if let Some(named) = std::env::var_os("WSGIAUDIT_TEST_SERVE") {
        return named.into();
    }
    let output = Command::new("make")
        .args(["-s", "-C", env!("CARGO_MANIFEST_DIR"), "--no-print-directory", "serve-environment"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().into()
}

#[test]
fn five_frameworks_run_in_four_interpreters_with_a_gil_each() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), include_str!("../fixtures/applications/frameworks.py")).unwrap();
    let report = folder.path().join("report.json");
    // Some of their accelerators are refused, and they do without.
    Wsgiaudit::new().arg(environment()).arg("-q").arg("--json").arg(&report).run();
    let (environment, report) = (environment(), report.to_str().unwrap().to_owned());
    let blob = folder.path().join("blob");
    fs::write(&blob, vec![b'x'; 300_000]).unwrap();
    let args = ["-e", environment.to_str().unwrap(), "--report", &report, "--interpreters", "4"];
    let server = Server::spawn(folder, &[&args[..], &["--bind", "127.0.0.1:0", "app"]].concat());
    let lines: String = (0..10).map(|number| format!("line {number}\n")).collect();
    let form = format!("file=@{}", blob.display());
    for framework in FRAMEWORKS {
        let jar = server.folder().join(framework);
        let jar = jar.to_str().unwrap();
        for count in ["1", "2", "3"] {
            let said = server.curl(&["-c", jar, "-b", jar], &format!("/{framework}/count"));
            assert_eq!(said, count, "{framework}: {}", server.log());
        }
        assert_eq!(
            server.curl(&["-F", &form], &format!("/{framework}/upload")),
            "300000 blob",
            "{framework}"
        );
        assert_eq!(server.get(&format!("/{framework}/stream")), (200, lines.clone()), "{framework}");
    }
    // All interpreters write into one database at the same time, and no row is lost.
    let errors = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for framework in FRAMEWORKS {
            let (server, errors) = (&server, &errors);
            scope.spawn(move || {
                let path = format!("/{framework}/note?text=a");
                errors.fetch_add((0..20).filter(|_| server.get(&path).0 != 200).count(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(errors.into_inner(), 0, "{}", server.log());
    for framework in FRAMEWORKS {
        assert_eq!(server.get(&format!("/{framework}/note?text=b")).1, "21", "{framework}");
    }
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}
