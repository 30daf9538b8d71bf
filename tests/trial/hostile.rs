//! Modules that attack who tries them. Whatever one does, the audit's answer for everything else in the
//! environment is the same, to the byte, as without it; no process and no file is left.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::command::program;
use crate::support::running::Running;
use crate::support::venv::Venv;

/// Modules of every kind of verdict, to be left alone.
fn bystanders() -> Venv {
    Venv::new().with("well-behaved").with("no-slot").with("lost-accelerator").with("guard-declared")
}

/// The rows of everything but the distributions named, and what stands in the way of each mode.
fn rows(report: &Value, without: &[&str]) -> Vec<Value> {
    let is_other = |row: &&Value| {
        let owner = row.get("distribution").unwrap_or(&row["name"]).as_str().unwrap_or_default();
        !without.contains(&owner)
    };
    let lists = [&report["distributions"], &report["modules"], &report["blockers"]["own-gil"]];
    let rows = lists.into_iter().flat_map(|list| list.as_array().unwrap());
    rows.filter(is_other).cloned().collect()
}

/// One worker tries all: a package that imports the hostile module and holds two others comes first, and is
/// what the process forks from that tries those two; then the module itself, between the bystanders.
fn costs_only_itself(case: &str, options: &[&str]) -> Value {
    let options: Vec<&str> = ["--jobs", "1", "--timeout", "5"].iter().chain(options).copied().collect();
    let before = shared_files();
    let (_, alone) = Running::start(&bystanders(), &options).end();
    let module = case.replace('-', "_");
    let attacked = bystanders()
        .with(case)
        .with_python("attacked", "")
        .with_file("attacked/__init__.py", &format!("import {module}\n"))
        .with_copy("well_behaved", "attacked")
        .with_copy("no_slot", "attacked");
    let (_, report) = Running::start(&attacked, &options).end();
    let hostile = format!("corpus-{case}");
    assert_eq!(
        rows(&report, &["attacked", &hostile, ""]),
        rows(&alone, &[]),
        "{case} has changed the answer for others"
    );
    assert_eq!(rows(&alone, &[]).len(), 10, "the bystanders are not what they were");
    assert_eq!(shared_files(), before, "{case} has left files");
    report
}

/// Files of the folders that everybody may write to.
fn shared_files() -> BTreeSet<String> {
    let folders = ["/tmp", "/var/tmp", "/dev/shm"].into_iter();
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let names = entries.map(|entry| entry.path().to_string_lossy().into_owned());
    names.filter(|name| name.contains("corpus-")).collect()
}

#[test]
fn one_that_forks() {
    costs_only_itself("forked-child", &[]);
}

#[test]
fn one_that_forks_twice() {
    costs_only_itself("forked-twice", &[]);
}

#[test]
fn one_with_a_session_of_its_own() {
    costs_only_itself("own-session", &[]);
    costs_only_itself("own-session", &["--no-sandbox"]);
}

#[test]
fn one_that_fills_the_disk() {
    costs_only_itself("full-disk", &[]);
    let venv = bystanders().with("full-disk");
    let mut running = Running::start(&venv, &["--jobs", "1"]);
    let mut most = 0;
    while running.child.try_wait().unwrap().is_none() {
        most = most.max(running.bytes_on_disk());
        std::thread::sleep(Duration::from_millis(5));
    }
    running.end();
    // It is looked at many times a second: what a fast disk takes between two looks comes on top.
    assert!((1 << 28..3 << 29).contains(&most), "it wrote {most} bytes");
}

#[test]
fn one_that_closes_every_descriptor() {
    costs_only_itself("closed-descriptors", &[]);
}

#[test]
fn one_that_replaces_every_descriptor() {
    costs_only_itself("replaced-descriptors", &[]);
}

#[test]
fn who_closes_what_others_have_opened_is_named() {
    let venv = Venv::new()
        .with("closed-descriptors")
        .with_python("shop", "import closed_descriptors\n")
        .with_python("daemon", "import os\nos.closerange(3, 1024)\n")
        .with_python("tidy", "import os\nends = os.pipe()\nos.closerange(*sorted(ends))\n");
    let (_, report) = Running::start(&venv, &[]).end();
    let rows = report["distributions"].as_array().unwrap().iter();
    let judged: Vec<_> = rows
        .map(|row| {
            let mode = &row["modes"]["own-gil"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let [name, verdict] = [&row["name"], &mode["verdict"]].map(text);
            (name, verdict, text(&mode["cause"]["rule"]), text(&mode["cause"]["module"]))
        })
        .collect();
    let expected = [
        ("corpus-closed-descriptors", "unknown", "loses-descriptors", "closed_descriptors"),
        ("daemon", "unknown", "loses-descriptors", "daemon"),
        ("shop", "unknown", "loses-descriptors", "closed_descriptors"),
        ("tidy", "ready", "", ""),
    ];
    assert_eq!(judged, expected.map(|(a, b, c, d)| (a.into(), b.into(), c.into(), d.into())));
}

#[test]
fn one_that_attacks_the_terminal() {
    costs_only_itself("terminal-attack", &[]);
    // On a terminal, where there is one to attack.
    let venv = bystanders().with("terminal-attack");
    for options in ["", "--modules", "--format json", "--no-sandbox"] {
        let audit =
            format!("{} {} --color never --quiet {options}", program().display(), venv.path().display());
        let output = Command::new("script").args(["-qec", &audit, "/dev/null"]).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("terminal_attack"), "{shown}");
        let obeyed =
            |letter: char| letter.is_control() && !['\r', '\n'].contains(&letter) || letter == '\u{202e}';
        assert!(!shown.contains(obeyed), "{shown:?}");
    }
}

#[test]
fn one_that_kills_its_parent() {
    costs_only_itself("killed-parent", &[]);
    costs_only_itself("killed-parent", &["--no-sandbox"]);
}

#[test]
fn one_that_kills_its_process_group() {
    costs_only_itself("killed-group", &[]);
    costs_only_itself("killed-group", &["--no-sandbox"]);
}

#[test]
fn one_that_maps_over_the_record() {
    costs_only_itself("mapped-over", &[]);
}

#[test]
fn one_that_sleeps_for_ever() {
    costs_only_itself("hang-in-init", &[]);
    costs_only_itself("hang-in-exec", &[]);
}
