//! `wsgiaudit directive`: what a report supports, and nothing where it supports nothing.

use std::fs;
use std::path::Path;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// A block for these groups.
fn block(selectors: &str) -> String {
    format!("<WSGIInterpreterOptions {selectors}>\n    WSGIPerInterpreterGIL On\n</WSGIInterpreterOptions>\n")
}

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
    assert!(out.starts_with("# What wsgiaudit's report on CPython "), "{out}");
    assert!(out.ends_with(&block("process-group=own-gil")), "{out}");
    assert!(out.contains("\nWSGIDaemonProcess own-gil python-home=\"/"), "{out}");
    assert!(out.contains("%{GLOBAL}"), "{out}");
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
    let root = folder.path().canonicalize().unwrap().display().to_string();
    // The environment is in a folder of its own.
    let (_, home) = out.split_once("python-home=\"").unwrap();
    let (home, _) = home.split_once('"').unwrap();
    let options = format!("python-home=\"{home}\" python-path=\"{root}\" lang=C.UTF-8 threads=15");
    let expected = [
        format!("WSGIDaemonProcess own-gil {options}"),
        format!("WSGIDaemonProcess main-interpreter {options}"),
        format!(
            "WSGIScriptAlias /old \"{root}/bad.py\" process-group=main-interpreter application-group=%{{GLOBAL}}"
        ),
        format!("WSGIScriptAlias / \"{root}/good.py\" process-group=own-gil application-group=good"),
        "WSGIDestroyInterpreter Off".to_owned(),
        "<WSGIInterpreterOptions process-group=own-gil application-group=good>".to_owned(),
        "    WSGIPerInterpreterGIL On".to_owned(),
        "</WSGIInterpreterOptions>".to_owned(),
    ];
    assert_eq!(lines, expected, "{out}");
    assert!(out.contains("# /old: bad:application: blocked: no_slot: refused: no slot 3; imported at the first call of application()"), "{out}");
    let alone = directive(&report, &["bad:application"]).ended_with(1);
    assert_eq!(alone.out, "");
    assert!(alone.err.contains("bad:application: blocked"), "{}", alone.err);
    let out = directive(&report, &["good:application"]).ended_with(0).out;
    assert!(out.ends_with(&block("process-group=own-gil application-group=good")), "{out}");
    // Without names: all that the report is about, and two cannot have the same prefix.
    assert!(directive(&report, &[]).ended_with(2).err.contains("prefix"));
    assert!(directive(&report, &["other:application"]).ended_with(2).err.contains("not about"));
}

#[test]
fn a_factory_is_no_callable_of_mod_wsgi() {
    let folder = tempfile::tempdir().unwrap();
    let source = "def create():\n    return lambda environ, start: []\n";
    fs::write(folder.path().join("made.py"), source).unwrap();
    let venv = Venv::new().with("well-behaved");
    let report = folder.path().join("report.json");
    let audit = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(&report).within(folder.path());
    audit.args(["--app", "made:create()"]).run().ended_with(0);
    let said = directive(&report, &["made:create()"]).ended_with(2);
    assert!(said.err.contains("does not take create() as the name of an application"), "{}", said.err);
    assert!(said.err.contains("hint: write a script with `application = create()`"), "{}", said.err);
}

#[test]
fn mod_wsgi_express_serves_one_application() {
    let folder = tempfile::tempdir().unwrap();
    let all = [("good", "application = None\n"), ("bad", "import no_slot\napplication = None\n")];
    let report = report(folder.path(), &["well-behaved", "no-slot"], &all);
    let express = |applications: &[&str]| {
        let command =
            Wsgiaudit::new().args(["directive", "--for", "mod_wsgi-express", "--report"]).arg(&report);
        applications.iter().fold(command, |command, each| command.arg("--app").arg(each)).run()
    };
    let out = express(&["good:application"]).ended_with(0).out;
    assert!(out.contains("--process-group own-gil --application-group good --python-path /"), "{out}");
    assert!(out.ends_with(&block("process-group=own-gil application-group=good")), "{out}");
    assert!(express(&["bad:application"]).ended_with(1).err.contains("bad:application: blocked"));
    assert!(express(&["good:application", "bad:application=/bad"]).ended_with(2).err.contains("serves one"));
}
