//! `wsgiaudit directive`: what a report supports, and nothing where it supports nothing.

use std::fs;
use std::path::Path;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

const BLOCK: &str = "<WSGIInterpreterOptions>\n    WSGIPerInterpreterGIL On\n</WSGIInterpreterOptions>\n";

/// The report on these cases, with applications of these names and sources.
fn report(folder: &Path, cases: &[&str], applications: &[(&str, &str)]) -> std::path::PathBuf {
    let venv = cases.iter().copied().fold(Venv::new(), Venv::with);
    let report = folder.join("report.json");
    let mut audit = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(&report).within(folder);
    for (name, source) in applications {
        fs::write(folder.join(format!("{name}.py")), source).unwrap();
        audit = audit.arg("--app").arg(format!("{name}:application"));
    }
    audit.run();
    report
}

fn directive(report: &Path, applications: &[&str]) -> Said {
    let command = Wsgiaudit::new().arg("directive").arg("--report").arg(report);
    applications.iter().fold(command, |command, each| command.arg("--app").arg(each)).run()
}

#[test]
fn an_environment_that_is_ready_gets_the_block_and_another_one_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = directive(&report(folder.path(), &["well-behaved"], &[]), &[]).ended_with(0).out;
    assert!(out.starts_with("# What wsgiaudit's report on CPython ") && out.ends_with(BLOCK), "{out}");
    let said = directive(&report(folder.path(), &["well-behaved", "no-slot"], &[]), &[]).ended_with(1);
    assert_eq!(said.out, "");
    assert!(said.err.contains("corpus-no-slot: blocked: "), "{}", said.err);
}

#[test]
fn applications_are_split_where_one_must_stay_in_main() {
    let folder = tempfile::tempdir().unwrap();
    let pool = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\n";
    let all = [("good", pool), ("bad", "def application(environ, start):\n    import no_slot\n")];
    let report = report(folder.path(), &["well-behaved", "no-slot"], &all);
    let out = directive(&report, &["good:application=/", "bad:application=/old"]).ended_with(0).out;
    let lines: Vec<&str> = out.lines().filter(|line| !line.starts_with('#')).collect();
    let file = |name: &str| folder.path().canonicalize().unwrap().join(name).display().to_string();
    let expected = [
        "WSGIDaemonProcess own-gil".to_owned(),
        "WSGIDaemonProcess main-interpreter".to_owned(),
        format!(
            "WSGIScriptAlias \"/old\" \"{}\" process-group=main-interpreter application-group=%{{GLOBAL}}",
            file("bad.py")
        ),
        format!("WSGIScriptAlias \"/\" \"{}\" process-group=own-gil application-group=good", file("good.py")),
        "WSGIDestroyInterpreter Off".to_owned(),
        "<WSGIInterpreterOptions process-group=own-gil>".to_owned(),
        "    WSGIPerInterpreterGIL On".to_owned(),
        "</WSGIInterpreterOptions>".to_owned(),
    ];
    assert_eq!(lines, expected, "{out}");
    assert!(out.contains("# /old: bad:application: blocked: no_slot: refused: no slot 3; imported at the first call of application()"), "{out}");
    let alone = directive(&report, &["bad:application"]).ended_with(1);
    assert_eq!(alone.out, "");
    assert!(alone.err.contains("bad:application: blocked"), "{}", alone.err);
    assert!(directive(&report, &["good:application"]).ended_with(0).out.ends_with(BLOCK));
    // Without names: all that the report is about, and two cannot have the same prefix.
    assert!(directive(&report, &[]).ended_with(2).err.contains("prefix"));
    assert!(directive(&report, &["other:application"]).ended_with(2).err.contains("not about"));
}
