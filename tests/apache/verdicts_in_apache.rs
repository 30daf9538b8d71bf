//! mod_wsgi as the judge: every top-level name and every extension module of the demo environment is imported
//! in Apache, in two application groups of one process, and each answer is held against the audit's verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use serde_json::Value;

use crate::support::apache::{Apache, modwsgi};
use crate::support::command::Wsgiaudit;
use crate::support::{demo_environment, pythons};

/// Where Apache and the audit differ: the mode, the name, and why. Each must still differ, or it has no place
/// here. numpy's test modules are single-phase: CPython runs their init function in the main interpreter, which
/// imports numpy there, a second time in this process. The audit says of them that numpy fails in the second
/// interpreter and looks no further; Apache's first interpreter, where numpy imports, gets to them.
const EXPLAINED: [(&str, &str); 4] = [
    ("shared-gil", "numpy._core._operand_flag_tests"),
    ("shared-gil", "numpy._core._rational_tests"),
    ("shared-gil", "numpy._core._struct_ufunc_tests"),
    ("shared-gil", "numpy._core._umath_tests"),
];

/// Process groups in one Apache: one for each subject, so that a crash names it.
const BATCH: usize = 32;

#[test]
fn the_main_interpreter_imports_what_the_control_does() {
    let kind = Kind { mode: "main", version: "3.14", groups: &["%{GLOBAL}"], directives: "" };
    held_against_apache(&kind, 140, 1);
}

#[test]
fn an_own_gil_refuses_what_the_audit_says() {
    let directives = "WSGIPerInterpreterGIL On\n";
    let kind = Kind { mode: "own-gil", version: "3.14", groups: &["first", "second"], directives };
    held_against_apache(&kind, 30, 100);
}

#[test]
fn a_shared_gil_does_what_the_audit_says() {
    let kind = Kind { mode: "shared-gil", version: "3.14", groups: &["first", "second"], directives: "" };
    held_against_apache(&kind, 40, 80);
}

#[test]
fn free_threading_does_what_the_audit_says() {
    let directives = "WSGIFreeThreading On\n";
    let kind = Kind { mode: "free-threaded", version: "3.14t", groups: &["%{GLOBAL}"], directives };
    held_against_apache(&kind, 120, 1);
}

#[test]
fn groups_under_free_threading_do_what_the_audit_says() {
    let directives = "WSGIFreeThreading On\n";
    let kind =
        Kind { mode: "free-threaded-group", version: "3.14t", groups: &["first", "second"], directives };
    held_against_apache(&kind, 30, 80);
}

/// One way to run an application.
struct Kind {
    mode: &'static str,
    version: &'static str,
    /// The application groups, in the order in which they import.
    groups: &'static [&'static str],
    directives: &'static str,
}

/// What one interpreter answered.
#[derive(Debug, Default)]
struct Answer {
    /// `None` where it imported; else the exception's type and text, or how there was no answer.
    error: Option<(String, String)>,
    /// Loads of extension modules that failed.
    failed: BTreeSet<String>,
    /// Extension modules that are loaded.
    loaded: BTreeSet<String>,
    has_gil: bool,
}

/// The audit of the demo environment in all modes, made once.
pub(crate) fn audit() -> &'static Value {
    static REPORT: OnceLock<Value> = OnceLock::new();
    REPORT.get_or_init(|| {
        let free_threaded = pythons::free_threaded().executable;
        let said = Wsgiaudit::new()
            .arg(demo_environment())
            .arg("--free-threaded")
            .arg(free_threaded)
            .args(["--format", "json", "--no-cache"])
            .with_an_index()
            .run()
            .ended_with(1);
        serde_json::from_str(&said.out).unwrap()
    })
}

/// Every subject of the audit: its name and its modes.
fn subjects() -> BTreeMap<&'static str, &'static Value> {
    let report = audit();
    let modules = report["modules"].as_array().unwrap();
    let distributions = report["distributions"].as_array().unwrap();
    let top_level = distributions.iter().flat_map(|row| row["top_level"].as_array().unwrap());
    modules.iter().chain(top_level).map(|row| (row["name"].as_str().unwrap(), &row["modes"])).collect()
}

/// Compares all subjects, of which at least so many import everywhere and so many do not. Panics over a
/// difference that nobody explained.
#[track_caller]
fn held_against_apache(kind: &Kind, least_imported: usize, least_failed: usize) {
    let subjects = subjects();
    let asked: Vec<&str> = subjects
        .iter()
        // No outcome: a file that is no module, or is not in the free-threaded environment.
        .filter(|(_, modes)| modes[kind.mode]["outcome"].is_object())
        .map(|(name, _)| *name)
        .collect();
    // What imports only after something else is given that first.
    let first = |name: &&str| {
        let tried = &subjects[*name][kind.mode];
        let said = tried["reason"].as_str().and_then(|reason| reason.strip_prefix("needs "));
        let said = said.and_then(|said| said.strip_suffix(" imported first"));
        tried["outcome"]["after"].as_str().or(said)
    };
    let queries: Vec<String> = asked
        .iter()
        .map(|name| first(name).map_or((*name).to_owned(), |first| format!("{first}+{name}")))
        .collect();
    let answers: BTreeMap<&str, Vec<Answer>> = asked.iter().copied().zip(in_apache(kind, &queries)).collect();
    let explained: BTreeSet<&str> =
        EXPLAINED.iter().filter(|(mode, _)| *mode == kind.mode).map(|(_, name)| *name).collect();
    let mut differ = BTreeMap::new();
    let (mut imported, mut failed) = (0, 0);
    for name in asked {
        let answers = &answers[name];
        match answers.iter().all(|answer| answer.error.is_none()) {
            true => imported += 1,
            false => failed += 1,
        }
        if let Err(why) = compare(kind, name, subjects[name], &subjects, answers) {
            differ.insert(name, why);
        }
    }
    let found: BTreeSet<&str> = differ.keys().copied().collect();
    let text: String = differ.iter().fold(String::new(), |mut text, (name, why)| {
        write!(
            text,
            "\n{name}: {why}\n  audit: {}\n  Apache: {:?}",
            subjects[*name][kind.mode], answers[*name]
        )
        .unwrap();
        text
    });
    assert_eq!(found, explained, "{}: {} differ{text}", kind.mode, differ.len());
    let is_enough = imported >= least_imported && failed >= least_failed;
    assert!(is_enough, "{}: {imported} import, {failed} do not", kind.mode);
}

/// Whether what Apache did is what the audit says of it.
fn compare(
    kind: &Kind,
    name: &str,
    modes: &Value,
    all: &BTreeMap<&str, &Value>,
    answers: &[Answer],
) -> Result<(), String> {
    let judged = &modes[kind.mode];
    let cause = &judged["cause"];
    let failing: Vec<&Answer> = answers.iter().filter(|answer| answer.error.is_some()).collect();
    let expect = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
    if kind.version.ends_with('t') {
        expect(answers.iter().all(|answer| !answer.has_gil), "the GIL is on")?;
    }
    match judged["verdict"].as_str().unwrap() {
        "ready" => {
            expect(failing.is_empty(), "ready, and fails")?;
            // What a package does without in the control too is not lost.
            let failed: Vec<_> = answers.iter().flat_map(|answer| &answer.failed).collect();
            expect(failed.is_empty(), "ready, and has lost something")
        }
        "degraded" => {
            expect(failing.is_empty(), "degraded, and fails")?;
            let lost: BTreeSet<&str> =
                judged["lost"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let is_lost = |name: &&str| answers.iter().any(|answer| !answer.loaded.contains(*name));
            expect(lost.iter().all(is_lost), "what the audit says is lost is loaded")?;
            let failed: BTreeSet<&str> =
                answers.iter().flat_map(|answer| &answer.failed).map(String::as_str).collect();
            expect(failed.is_subset(&lost), "loses what the audit does not name")
        }
        // mod_wsgi forces the GIL off, so CPython neither refuses nor warns: the verdict is the only signal.
        "blocked" if cause["rule"] == "switches-gil-on" => expect(failing.is_empty(), "fails"),
        // What is unsafe goes wrong by luck, or in use: that it imports says nothing against the verdict.
        "unsafe" if failing.is_empty() => Ok(()),
        // No claim to compare; that there are not too many of them, the counts tell.
        "unknown" => Ok(()),
        "blocked" | "unsafe" => {
            expect(!failing.is_empty(), "blocked, and imports")?;
            if let Some(place) = place(kind.mode, name, judged, all) {
                expect(answers[0].error.is_some() == (place == "import"), &format!("audit: at {place}"))?;
            }
            let errors: BTreeSet<_> = failing.iter().filter_map(|answer| answer.error.as_ref()).collect();
            let environment = home(kind);
            let what = cause["what"].as_str().unwrap();
            let what = what.replace("{environment}", environment.to_str().unwrap());
            if ["refused", "refuses-by-itself"].contains(&cause["rule"].as_str().unwrap()) {
                // What the main interpreter does not import was judged by its declaration alone, and Apache stops at
                // whatever comes first.
                if modes["main"]["outcome"]["kind"] != "imported" {
                    return expect(failing.len() == answers.len(), "refused by declaration, and imports");
                }
                let module = cause["module"].as_str().unwrap();
                let is_refused = failing.iter().any(|answer| answer.failed.contains(module));
                return expect(is_refused, &format!("Apache does not refuse {module}"));
            }
            let same = errors
                .iter()
                .any(|(kind, text)| what.contains(kind.as_str()) && what.contains(text.as_str()));
            expect(same, "another exception")
        }
        "not-applicable" => expect(failing.len() == answers.len(), "fails in the control, and imports here"),
        other => Err(format!("{other}: no verdict to compare")),
    }
}

/// In which of the interpreters the audit saw it fail: of its own trial, or of the package it lies in.
fn place<'a>(mode: &str, name: &str, judged: &'a Value, all: &BTreeMap<&str, &'a Value>) -> Option<&'a str> {
    if let Some(place) = judged["outcome"]["place"].as_str() {
        return Some(place);
    }
    let parents = name.match_indices('.').map(|(at, _)| &name[..at]);
    parents.filter_map(|parent| all.get(parent)?[mode]["outcome"]["place"].as_str()).next()
}

/// Sends each query to Apache: one process group for each, and in it one interpreter for each application group.
fn in_apache(kind: &Kind, queries: &[String]) -> Vec<Vec<Answer>> {
    let module = modwsgi(kind.version);
    let home = home(kind);
    let mut answers = Vec::new();
    for batch in queries.chunks(BATCH) {
        let mut config = format!("WSGIPythonHome {}\n{}", home.display(), kind.directives);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/apache-scripts/judge.wsgi");
        writeln!(
            config,
            "<Directory {}/tests/apache>\nRequire all granted\n</Directory>",
            env!("CARGO_MANIFEST_DIR")
        )
        .unwrap();
        for subject in 0..batch.len() {
            writeln!(config, "WSGIDaemonProcess subject{subject} processes=1 threads=1 home={{here}}")
                .unwrap();
            for (number, group) in kind.groups.iter().enumerate() {
                writeln!(
                    config,
                    "WSGIScriptAlias /{subject}/{number} {script} \
                     process-group=subject{subject} application-group={group}"
                )
                .unwrap();
            }
        }
        let apache = Apache::start(&module, &config);
        let next = AtomicUsize::new(0);
        let found = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let subject = next.fetch_add(1, Ordering::Relaxed);
                        let Some(query) = batch.get(subject) else { break };
                        let ask = |number| answer(&apache, &format!("/{subject}/{number}?{query}"));
                        let said: Vec<Answer> = (0..kind.groups.len()).map(ask).collect();
                        found.lock().unwrap().insert(subject, said);
                    }
                });
            }
        });
        answers.extend(found.into_inner().unwrap().into_values());
        let log = apache.stop();
        if kind.mode == "own-gil" {
            let own = log.matches("with own GIL.").count();
            assert_eq!(own, batch.len() * kind.groups.len(), "{log}");
        }
    }
    answers
}

fn home(kind: &Kind) -> PathBuf {
    match kind.version.ends_with('t') {
        true => Path::new(audit()["header"]["places"]["free-threaded environment"].as_str().unwrap()).into(),
        false => demo_environment(),
    }
}

fn answer(apache: &Apache, path: &str) -> Answer {
    let response = apache.get(path);
    let mut answer = Answer::default();
    if response.status != 200 {
        answer.error = Some(("no answer".to_owned(), format!("status {}", response.status)));
        return answer;
    }
    for line in response.body.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["raised", kind, text] => answer.error = Some((kind.to_owned(), text.to_owned())),
            ["failed", name, ..] => _ = answer.failed.insert(name.to_owned()),
            ["loaded", name] => _ = answer.loaded.insert(name.to_owned()),
            ["gil", is_on] => answer.has_gil = is_on == "True",
            ["imported"] | ["group", _] => {}
            _ => panic!("{line}"),
        }
    }
    answer
}
