//! Whatever happens to its processes, an audit ends with what it has, and leaves nothing behind.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::running::Running;
use crate::support::venv::Venv;

fn signal(process: u32, name: &str) {
    let _gone_already =
        Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).output().unwrap();
}

fn verdict(report: &serde_json::Value, module: &str) -> String {
    let all = report["modules"].as_array().unwrap().iter();
    let tops = report["distributions"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row["top_level"].as_array().unwrap());
    let row =
        all.chain(tops).find(|row| row["name"] == module).unwrap_or_else(|| panic!("{module}: {report}"));
    row["modes"]["own-gil"]["verdict"].as_str().unwrap().to_owned()
}

const SLEEPS: &str = "import time\ntime.sleep(600)\n";

#[test]
fn ctrl_c_reports_what_there_is_and_leaves_nothing() {
    let venv = Venv::new().with_python("dozes", SLEEPS).with_python("sleeps", SLEEPS);
    let running = Running::start(&venv, &["--jobs", "2"]);
    running.wait_for("its zygotes with guardians and children", |running| running.processes().len() >= 6);
    signal(running.child.id(), "INT");
    let (status, report) = running.end();
    assert_eq!(status, 130);
    assert_eq!(["dozes", "sleeps"].map(|name| verdict(&report, name)), ["unknown"; 2]);
}

#[test]
fn a_trial_that_is_killed_once_is_tried_again() {
    let venv = Venv::new().with("well-behaved").with_python("dawdles", "import time\ntime.sleep(1)\n");
    let running = Running::start(&venv, &[]);
    running.wait_for("a child", |running| running.processes().len() >= 3);
    running.processes().into_iter().for_each(|process| signal(process, "KILL"));
    let (status, report) = running.end();
    assert_eq!((status, verdict(&report, "well_behaved").as_str()), (0, "ready"));
    assert_eq!(verdict(&report, "dawdles"), "ready");
}

#[test]
fn all_killed_again_and_again_is_unknown_and_ends_with_3() {
    let venv = Venv::new().with_python("sleeps", SLEEPS);
    let mut running = Running::start(&venv, &[]);
    let started = Instant::now();
    while running.child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(100), "it does not end");
        running.processes().into_iter().for_each(|process| signal(process, "KILL"));
        std::thread::sleep(Duration::from_millis(30));
    }
    let (status, report) = running.end();
    assert_eq!((status, verdict(&report, "sleeps").as_str()), (3, "unknown"));
}

#[test]
fn a_module_that_kills_its_parent_costs_only_itself() {
    let kills = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time\ntime.sleep(30)\n";
    let venv = Venv::new().with("well-behaved").with("no-slot").with_python("aa_kills", kills);
    // In the sandbox it does not get that far, and there is no doubt who did it; either way it is not known how it does.
    for (options, id) in [(&[][..], "crashes-in-control"), (&["--no-sandbox"][..], "killed")] {
        let (status, report) = Running::start(&venv, options).end();
        assert_eq!(status, 1);
        assert_eq!(verdict(&report, "aa_kills"), "unknown");
        let mut rows = report["distributions"].as_array().unwrap().iter();
        let kills = rows.find(|row| row["name"] == "aa_kills").unwrap();
        assert_eq!(kills["modes"]["own-gil"]["reason_id"], id);
        assert_eq!(verdict(&report, "well_behaved"), "ready");
        assert_eq!(verdict(&report, "no_slot"), "blocked");
    }
}

#[test]
fn what_a_trial_starts_does_not_outlive_it() {
    let forks = "import os, sys, time\n\
        if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\n";
    let venv = Venv::new().with("well-behaved").with_python("forks", forks);
    let (status, report) = Running::start(&venv, &[]).end();
    // An own-GIL interpreter allows no fork: CPython raises.
    assert_eq!((status, verdict(&report, "forks").as_str()), (1, "blocked"));
    assert_eq!(verdict(&report, "well_behaved"), "ready");
}

#[test]
fn a_trial_that_hangs_is_ended_at_its_deadline() {
    let venv = Venv::new().with("well-behaved").with_python("sleeps", SLEEPS);
    let (status, report) = Running::start(&venv, &["--timeout", "1"]).end();
    // It hangs in the main interpreter too: how it does elsewhere is not known.
    assert_eq!((status, verdict(&report, "sleeps").as_str()), (3, "unknown"));
}
