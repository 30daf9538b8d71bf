//! SIGINT and SIGTERM end an audit within a second, whatever it is doing, with what it has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

/// A second, and what a busy machine needs besides.
const MOST: Duration = Duration::from_millis(1500);

/// Starts a command, sends it a signal after a while, and returns its status and standard error.
#[track_caller]
fn interrupt(command: Wsgiaudit, signal: &str, after: Duration) -> (Option<i32>, String) {
    let temporary = tempfile::tempdir().unwrap();
    let errors = temporary.path().join("errors");
    let scratch = temporary.path().join("tmp");
    fs::create_dir(&scratch).unwrap();
    let mut command = command.env("TMPDIR", &scratch).into_command();
    command.stdin(Stdio::null()).stderr(fs::File::create(&errors).unwrap());
    // Nobody reads it: what does not fit into the pipe blocks.
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(after);
    assert!(child.try_wait().unwrap().is_none(), "it has ended: {}", fs::read_to_string(&errors).unwrap());
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end: {}", fs::read_to_string(&errors).unwrap());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(started.elapsed() < MOST, "it took {:?}", started.elapsed());
    let left: Vec<_> = fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    (status.code(), fs::read_to_string(&errors).unwrap())
}

#[test]
fn while_it_waits_for_the_report_of_another_command() {
    let venv = Venv::new();
    let environment = venv.path().to_str().unwrap();
    for args in [&["render", "/dev/fd/0"][..], &[environment, "--baseline", "/dev/fd/0"]] {
        // The pipe stays open, and nothing is written to it.
        let mut command = Wsgiaudit::new().args(args).into_command();
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(WHILE);
        assert!(child.try_wait().unwrap().is_none(), "{args:?}: it has ended");
        // Not SIGINT: a shell lets commands that it runs in the background ignore it, and so the tests' children.
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let (pipe, started) = (child.stdin.take(), Instant::now());
        child.wait().unwrap();
        assert!(started.elapsed() < MOST, "{args:?}: it took {:?}", started.elapsed());
        drop(pipe);
    }
}

const WHILE: Duration = Duration::from_millis(1500);

#[test]
fn while_its_python_starts() {
    // `site` runs it, before anything is confined.
    let venv = Venv::new().with_file("slow.pth", "import time; time.sleep(25)\n");
    for signal in ["INT", "TERM"] {
        let audit = Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--format", "json"]);
        assert_eq!(interrupt(audit, signal, WHILE).0, Some(130));
    }
}

#[test]
fn while_it_tries() {
    let venv = Venv::new().with_python(
        "sleeps",
        "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(60)\n",
    );
    for options in [&[][..], &["--no-sandbox"]] {
        let audit = Wsgiaudit::new().arg(venv.path()).arg("--no-cache").args(options);
        assert_eq!(interrupt(audit, "TERM", 2 * WHILE).0, Some(130));
    }
}

#[test]
fn while_an_installer_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let uv = folder.path().join("uv");
    fs::write(&uv, "#!/bin/sh\ntrap '' INT TERM HUP\nsleep 50 & wait\nsleep 50\n").unwrap();
    fs::set_permissions(&uv, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let venv = Venv::new().with("no-slot");
    let module = venv.file("no_slot");
    for args in [
        vec![venv.path().to_str().unwrap(), "--upgrades", "--no-cache"],
        vec![
            "module",
            module.to_str().unwrap(),
            "--with",
            "nothing",
            "--python",
            venv.path().to_str().unwrap(),
        ],
    ] {
        let audit = Wsgiaudit::new().args(&args).env("PATH", &path).env("HOME", folder.path());
        assert_eq!(interrupt(audit, "INT", 4 * WHILE).0, Some(130), "{args:?}");
    }
}

#[test]
fn while_nobody_reads_its_report() {
    // A page with as many has more bytes than a pipe holds.
    let venv = (0..100)
        .fold(Venv::new(), |venv, number| venv.with_python(&format!("with_a_long_name_{number}"), ""));
    let audit = Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--quiet", "--format", "html"]);
    assert_eq!(interrupt(audit, "INT", Duration::from_secs(15)).0, Some(130));
}
