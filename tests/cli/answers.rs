//! One answer: from any report, everything that is printed, stored or returned says the same.

use std::path::{Path, PathBuf};

use jiff::civil::date;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use wsgiaudit::directive::{ApplicationMount, GeneratedConfiguration, render_apache_configuration};
use wsgiaudit::exit::Exit;
use wsgiaudit::gate::{Gate, decide};
use wsgiaudit::model::{Mode, Verdict};
use wsgiaudit::project_files::ProjectFiles;
use wsgiaudit::render::sarif::SarifOptions;
use wsgiaudit::render::style::TextStyle;
use wsgiaudit::render::table::TableOptions;
use wsgiaudit::render::{html, json as document_json, junit, markdown, sarif, table};
use wsgiaudit::report::{DecidingItemKind, Document};

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

const MODES: [Mode; 6] = Mode::ALL;

/// Verdicts of one row, in the order of [`Mode::ALL`].
type Row = [Verdict; 6];

/// A web server's configuration.
#[derive(Clone, Debug)]
struct Configuration {
    /// Which application lands in which mode.
    landings: Vec<(usize, usize)>,
    /// How bad a line is, in which mode.
    findings: Vec<(Verdict, usize)>,
}

/// What a report is made of.
#[derive(Clone, Debug)]
struct Parts {
    distributions: Vec<Row>,
    modules: Vec<Row>,
    applications: Vec<Row>,
    /// Each with the application that answered, where one did.
    exercises: Vec<(Row, Option<usize>)>,
    apache: Option<Configuration>,
    decided_by_modules: bool,
    is_free_threaded: bool,
    has_trouble: bool,
    /// What the file says its answers are, whatever its rows say.
    stored_answer: Verdict,
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        1 => Just(Verdict::Unsafe),
        1 => Just(Verdict::Blocked),
        1 => Just(Verdict::Unknown),
        1 => Just(Verdict::Degraded),
        6 => Just(Verdict::Ready),
        2 => Just(Verdict::NotApplicable),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    [verdict(), verdict(), verdict(), verdict(), verdict(), verdict()]
}

fn parts() -> impl Strategy<Value = Parts> {
    let lines = prop_oneof![Just(Verdict::Blocked), Just(Verdict::Degraded), Just(Verdict::Ready)];
    let apache = (vec((0..3_usize, 0..3_usize), 0..3), vec((lines, 0..3_usize), 0..3));
    let some_apache = prop_oneof![2 => Just(None), 1 => apache.prop_map(|(landings, findings)| Some(Configuration { landings, findings }))];
    let exercises = vec((row(), proptest::option::of(0..3_usize)), 0..3);
    let flags = (any::<bool>(), any::<bool>(), prop_oneof![4 => Just(false), 1 => Just(true)], verdict());
    let applications = prop_oneof![1 => Just(Vec::new()), 1 => vec(row(), 0..3)];
    (vec(row(), 0..4), vec(row(), 0..3), applications, exercises, some_apache, flags).prop_map(
        |(distributions, modules, applications, exercises, apache, flags)| Parts {
            distributions,
            modules,
            applications,
            exercises,
            apache,
            decided_by_modules: flags.0,
            is_free_threaded: flags.1,
            has_trouble: flags.2,
            stored_answer: flags.3,
        },
    )
}

impl Parts {
    fn modes(&self) -> &'static [Mode] {
        if self.is_free_threaded { &MODES } else { &Mode::WITH_GIL }
    }

    /// The modes of a row, with each verdict as `wrap` has it.
    fn row(&self, row: &Row, wrap: impl Fn(Value) -> Value) -> Value {
        let cell = |(mode, verdict): (&Mode, &Verdict)| {
            (self.modes().contains(mode)).then(|| (mode.to_string(), wrap(judged(*verdict))))
        };
        MODES.iter().zip(row).filter_map(cell).collect()
    }

    fn document(&self) -> Document {
        let tried = |judged: Value| merged(json!({"outcome": null}), judged);
        let application = |index: usize| format!("app{index}:application");
        let applications = self.applications.iter().enumerate().map(|(index, row)| {
            json!({
                "name": application(index), "file": format!("/srv/app{index}.py"), "files": 1,
                "modes": self.row(row, tried), "modules": [], "hazards": [], "hazards_elsewhere": [],
                "not_followed": [], "not_followed_elsewhere": [],
            })
        });
        let exercises = self.exercises.iter().enumerate().map(|(index, (row, asked))| {
            let asked = asked.filter(|asked| *asked < self.applications.len()).map(application);
            json!({"file": format!("use{index}.py"), "application": asked, "modes": self.row(row, tried)})
        });
        let modules = self.modules.iter().enumerate().map(|(index, row)| {
            json!({
                "name": format!("m{index}"), "file": format!("m{index}.so"), "distribution": null,
                "kind": "extension-module", "declaration": null, "modes": self.row(row, tried), "findings": [],
            })
        });
        let distributions = self.distributions.iter().enumerate().map(|(index, row)| {
            json!({
                "name": format!("d{index}"), "version": "1", "extension_modules": 1, "declaration": "",
                "modes": self.row(row, |judged| judged), "top_level": [],
            })
        });
        let apache = self.apache.as_ref().map(|Configuration { landings, findings }| {
            let landings = landings.iter().filter(|(index, _)| *index < self.applications.len());
            let landings = landings.map(|(index, mode)| {
                json!({
                    "host": "", "url": "/", "script": "s", "callable": "application", "process_group": "",
                    "application_group": "", "mode": MODES[*mode], "application": application(*index),
                    "file": "a.conf", "line": 1,
                })
            });
            let findings = findings.iter().map(|(verdict, mode)| {
                let place = json!({"mode": MODES[*mode], "file": "a.conf", "line": 2});
                merged(place, judged(*verdict))
            });
            json!({
                "file": "a.conf", "landings": landings.collect::<Value>(),
                "findings": findings.collect::<Value>(), "not_told": [],
            })
        });
        let trouble: &[&str] = if self.has_trouble { &["a folder cannot be read"] } else { &[] };
        let document = json!({
            "schema": 1, "tool": {"name": "wsgiaudit", "version": "0"}, "environment": null,
            "modes": self.modes(),
            "answers": {"own-gil": self.stored_answer, "shared-gil": self.stored_answer},
            "decided_by": if self.decided_by_modules { "modules" } else { "distributions" },
            "distributions": distributions.collect::<Value>(), "modules": modules.collect::<Value>(),
            "blockers": {}, "applications": applications.collect::<Value>(),
            "exercises": exercises.collect::<Value>(), "apache": apache, "notes": [], "trouble": trouble,
        });
        Document::parse(&document.to_string(), "generated").unwrap()
    }
}

fn judged(verdict: Verdict) -> Value {
    let cause = json!({"rule": "refused", "module": "m", "chain": ["m"], "what": "refused: no slot 3"});
    json!({
        "verdict": verdict, "reason": "why", "lost": [],
        "cause": if verdict == Verdict::Ready { Value::Null } else { cause },
    })
}

fn merged(mut one: Value, other: Value) -> Value {
    let fields = other.as_object().unwrap().clone();
    one.as_object_mut().unwrap().extend(fields);
    one
}

/// The four answers, as words that every rendering has.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unsafe | Verdict::Blocked => "no",
        Verdict::Unknown | Verdict::NotApplicable => "not known",
        Verdict::Degraded => "yes, with accelerators lost",
        Verdict::Ready => "yes",
    }
}

/// What follows the first `: ` of the closing line that begins with a mode's directive, up to where its details begin.
fn closing(text: &str, mode: Mode) -> Option<String> {
    let directive = match mode {
        Mode::Main => "WSGIApplicationGroup %{GLOBAL}",
        Mode::SharedGil => "Application groups with a shared GIL",
        Mode::OwnGil => "WSGIPerInterpreterGIL On",
        Mode::OwnGilCopies => "WSGIPerInterpreterGIL On, with private copies",
        Mode::FreeThreaded => "WSGIFreeThreading On",
        Mode::FreeThreadedGroup => "WSGIFreeThreading On, in application groups",
    };
    let begins = |line: &&str| {
        let rest = line.trim_start_matches("- ").strip_prefix(directive);
        let is_of_another_mode = |rest: &str| {
            [", in application groups", ", with private copies"].iter().any(|other| rest.starts_with(other))
        };
        rest.is_some_and(|rest| !is_of_another_mode(rest))
    };
    let line = text.lines().rfind(begins)?;
    let line = line.split(" With private copies").next()?;
    let (_, said) = line.rsplit_once(": ")?;
    Some(said.split(['.', '(']).next()?.trim().to_owned())
}

/// The card's headline.
fn headline(page: &str, mode: Mode) -> Option<String> {
    let (_, card) = page.split_once(&format!("<p class=\"mode\"><b>{mode}</b>"))?;
    let (_, card) = card.split_once("<p class=\"headline\">")?;
    let (_, text) = card.split_once("\">")?;
    Some(text.split('<').next()?.to_lowercase())
}

/// Whether the mode's suite has a failure or an error.
fn fails(report: &str, mode: Mode) -> bool {
    let (_, suite) = report.split_once(&format!("<testsuite name=\"{mode}\"")).unwrap();
    let suite = suite.split("</testsuite>").next().unwrap();
    suite.contains("<failure") || suite.contains("<error")
}

fn exit(document: &Document, mode: Mode) -> Exit {
    let gate =
        Gate { required: vec![mode], is_strict: false, accepted: &[], since: None, today: date(2026, 1, 1) };
    decide(document, &gate).exit
}

fn agree(parts: &Parts) {
    let document = parts.document();
    let style = TableOptions { style: TextStyle::plain(1000), modules: false };
    let files = ProjectFiles::default();
    let options = SarifOptions { required: &MODES, is_strict: false, files: &files };
    let sarif: Value = serde_json::from_str(&sarif::render(&document, &options).unwrap()).unwrap();
    let stored: Value = serde_json::from_str(&document_json::render(&document).unwrap()).unwrap();
    let page = html::render(&document).unwrap();
    let junit = junit::render(&document, false).unwrap();
    for mode in MODES {
        let terminal = table::render(&document, &[mode], style);
        let Some(answer) = document.compute_answer(mode) else {
            assert_ne!(closing(&terminal, mode).as_deref(), Some("yes"), "{terminal}");
            continue;
        };
        let said = word(answer.verdict());
        assert_eq!(closing(&terminal, mode).as_deref(), Some(said), "{terminal}");
        let comment = markdown::render(&document, &[mode]);
        assert_eq!(closing(&comment, mode).as_deref(), Some(said), "{comment}");
        let json = stored["answers"][mode.name()].as_str().unwrap();
        assert_eq!(json, answer.verdict().name());
        assert_eq!(headline(&page, mode).as_deref(), Some(said), "{page}");
        assert_eq!(sarif["runs"][0]["properties"]["answers"][mode.name()], said);
        assert_eq!(fails(&junit, mode), !said.starts_with("yes"), "{junit}");
        if document.apache.is_none() {
            let expected = match said {
                "no" => Exit::InTheWay,
                "not known" => Exit::Incomplete,
                _ => Exit::Ready,
            };
            assert_eq!(exit(&document, mode), expected, "{terminal}");
        }
        let bad = answer.deciders.iter().filter(|each| each.judged.verdict <= Verdict::Unknown).count();
        assert!(!said.starts_with("yes") || (bad == 0 && !answer.deciders.is_empty() && !parts.has_trouble));
    }
    if document.apache.is_some() {
        let worst = document.compute_answers().map(|answer| word(answer.verdict()));
        let all: Vec<&str> = worst.collect();
        let expected = match () {
            () if all.contains(&"no") => Exit::InTheWay,
            () if all.contains(&"not known") || all.is_empty() => Exit::Incomplete,
            () => Exit::Ready,
        };
        assert_eq!(exit(&document, Mode::OwnGil), expected);
    }
    directive_agrees(&document);
}

/// The block is printed where the answer is yes; else for those applications alone that are fit by themselves.
fn directive_agrees(document: &Document) {
    let mounts = document.applications.iter().enumerate().map(|(index, each)| ApplicationMount {
        application: each.name.clone(),
        prefix: format!("/{index}"),
    });
    let mounts: Vec<ApplicationMount> = mounts.collect();
    let switches_on =
        |mounts: &[ApplicationMount]| match render_apache_configuration(document, mounts).unwrap() {
            GeneratedConfiguration::Lines(text) => text.contains("WSGIPerInterpreterGIL On"),
            GeneratedConfiguration::Fallback(text) => {
                assert!(text.lines().all(|line| line.starts_with('#') || !line.contains("GIL On")), "{text}");
                false
            }
            GeneratedConfiguration::Nothing(_) => false,
        };
    let Some(answer) = document.compute_answer(Mode::OwnGil).filter(|_| document.apache.is_none()) else {
        return;
    };
    let is_yes = word(answer.verdict()).starts_with("yes");
    match mounts.is_empty() {
        true if document.decided_by() == wsgiaudit::report::DecidedBy::Modules => {
            assert!(!switches_on(&mounts));
        }
        true => assert_eq!(switches_on(&mounts), is_yes),
        false if is_yes => assert!(switches_on(&mounts)),
        false => {
            for mount in mounts {
                let own = document.application_verdict(&mount.application, Mode::OwnGil);
                let is_fit = own.is_some_and(|own| matches!(own.verdict, Verdict::Ready | Verdict::Degraded));
                let fails = |each: &&wsgiaudit::report::DecidingItem<'_>| {
                    each.kind == DecidingItemKind::Exercise && each.judged.verdict <= Verdict::Unknown
                };
                let on = switches_on(std::slice::from_ref(&mount));
                assert!(!on || is_fit, "{mount:?}");
                let is_vetoed =
                    !document.trouble.is_empty() || answer.deciders.iter().any(|each| fails(&each));
                assert!(on || !is_fit || is_vetoed, "{mount:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_says_the_same_of_any_report(parts in parts()) {
        agree(&parts);
    }
}

/// A report with its rows changed.
fn changed(folder: &Path, change: impl Fn(&mut Value)) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/report.json");
    let mut report: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    change(&mut report);
    let file = folder.join("report.json");
    std::fs::write(&file, report.to_string()).unwrap();
    file
}

#[test]
fn a_stored_answer_that_its_rows_contradict_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let report = changed(folder.path(), |report| report["answers"]["own-gil"] = json!("ready"));
    let said = Wsgiaudit::new().arg("render").arg(&report).run().ended_with(1);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: no."), "{}", said.out);
}

#[test]
fn nothing_tried_is_no_yes() {
    let said = Wsgiaudit::new().arg(Venv::new().path()).run().ended_with(3);
    assert!(
        said.out.contains("WSGIPerInterpreterGIL On: not known. Nothing here was tried."),
        "{}",
        said.out
    );
    let folder = tempfile::tempdir().unwrap();
    let report = changed(folder.path(), |report| report["distributions"] = json!([]));
    Wsgiaudit::new().arg("render").arg(&report).run().ended_with(3);
}

#[test]
fn a_required_mode_has_its_closing_line() {
    let venv = Venv::new().with("no-slot");
    let said = Wsgiaudit::new().arg(venv.path()).args(["--require", "shared-gil"]).run().ended_with(0);
    assert!(said.out.contains("Application groups with a shared GIL: yes (1 ready)."), "{}", said.out);
    let said = Wsgiaudit::new().arg(venv.path()).args(["--require", "free-threaded"]).run().ended_with(3);
    assert!(said.out.contains("WSGIFreeThreading On: not known. It was not tried."), "{}", said.out);
}

#[test]
fn with_an_application_the_answer_is_about_it() {
    let venv = Venv::new().with("no-slot").with("well-behaved");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.py"), "import no_slot\ndef application(e, s): pass\n").unwrap();
    std::fs::write(folder.path().join("good.py"), "import well_behaved\ndef application(e, s): pass\n")
        .unwrap();
    let audit =
        |app: &str| Wsgiaudit::new().arg(venv.path()).args(["--app", app]).within(folder.path()).run();
    let said = audit("bad:application").ended_with(1);
    let line = "WSGIPerInterpreterGIL On for bad:application: no. 1 application is in the way (1 blocked).";
    assert!(said.out.contains(line), "{}", said.out);
    let said = audit("good:application").ended_with(0);
    let line = "WSGIPerInterpreterGIL On for good:application: yes (1 ready).";
    assert!(said.out.contains(line), "{}", said.out);
}
