//! Every form of one stored report, held against golden files (`WSGIAUDIT_REWRITE=1` writes them) and against the
//! schemas that readers of these forms use; and what strangers' strings do there: nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use wsgiaudit::model::{Mode, Verdict};
use wsgiaudit::report::Document;

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;
use crate::support::{demo_environment, pythons};

const FORMS: [(&str, &str); 6] = [
    ("details", "report.details.txt"),
    ("html", "report.html"),
    ("sarif", "report.sarif"),
    ("junit", "report.junit.xml"),
    ("markdown", "report.md"),
    ("github", "report.annotations.txt"),
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

/// What a folder that is no project prints of a report.
fn rendered(report: &Path, format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let said =
        Wsgiaudit::new().arg("render").arg(report).arg("--format").arg(format).within(folder.path()).run();
    assert!(matches!(said.status, Some(0 | 1 | 3)), "{}", said.err);
    said.out
}

/// `WSGIAUDIT_REWRITE_REPORT=1` makes it anew, from cases of the corpus.
#[test]
fn the_stored_report_has_every_verdict() {
    if std::env::var_os("WSGIAUDIT_REWRITE_REPORT").is_some() {
        let cases = ["well-behaved", "no-slot", "lost-accelerator", "crash-in-second", "shared-dict"];
        let more = ["gil-undeclared", "missing-library", "hang-in-exec", "guard-pyo3", "single-phase"];
        let fill = |venv: Venv| {
            let venv = cases.into_iter().chain(more).fold(venv, Venv::with);
            venv.with_python("needs_it", "import no_slot\n")
                .with_python("needs_both", "import no_slot, single_phase\n")
        };
        let (venv, free) = (fill(Venv::new()), fill(Venv::on(pythons::free_threaded())));
        let audit = Wsgiaudit::new().arg(venv.path()).arg("--free-threaded").arg(free.path());
        let mut report =
            audit.arg("--timeout").arg("5").arg("--format").arg("json").run().ended_with(1).body();
        report["header"] = json!({
            "started": "2026-01-01T00:00:00Z",
            "seconds": 12.5,
            "places": {"environment": "/srv/app/venv", "free-threaded environment": "/srv/app/venv-t", "python": "/usr"},
        });
        fs::write(golden("report.json"), serde_json::to_string_pretty(&report).unwrap() + "\n").unwrap();
    }
    let text = fs::read_to_string(golden("report.json")).unwrap();
    assert!(text.len() < 200_000, "{}", text.len());
    let report: Document = serde_json::from_str(&text).unwrap();
    let all = report.modules.iter().flat_map(|module| module.modes.values());
    let found: BTreeSet<Verdict> = all.map(|tried| tried.judged.verdict).collect();
    for verdict in [Verdict::Unsafe, Verdict::Blocked, Verdict::Ready, Verdict::NotApplicable] {
        assert!(found.contains(&verdict), "{verdict}");
    }
    assert!(report.count_distributions(Mode::OwnGil, Verdict::Degraded) > 0);
}

#[test]
fn every_form_of_the_stored_report_is_as_it_was() {
    for (format, name) in FORMS {
        let text = rendered(&golden("report.json"), format);
        if std::env::var_os("WSGIAUDIT_REWRITE").is_some() {
            fs::write(golden(name), &text).unwrap();
        }
        let kept = fs::read_to_string(golden(name)).unwrap();
        assert!(text == kept, "{name}: look at the change, then WSGIAUDIT_REWRITE=1 writes it:\n{text}");
    }
}

/// The table at the widths of terminals, and where there is nothing but ASCII.
#[test]
fn the_table_fits_its_terminal() {
    let variables = |width: &'static str| [("COLUMNS", width)];
    for (name, width, more) in [
        ("report.txt", "120", &[][..]),
        ("report.80.txt", "80", &[]),
        ("report.60.txt", "60", &[]),
        ("report.ascii.txt", "80", &[("LC_ALL", "C")]),
        ("report.ascii.txt", "80", &[("TERM", "dumb"), ("LANG", "en_US.UTF-8")]),
    ] {
        let command = Wsgiaudit::new().arg("render").arg(golden("report.json"));
        let command = if name == "report.ascii.txt" { command.arg("--modules") } else { command };
        let all = variables(width).into_iter().chain(more.iter().copied());
        let text =
            all.fold(command, |command, (name, value)| command.env(name, value)).run().ended_with(1).out;
        if std::env::var_os("WSGIAUDIT_REWRITE").is_some() {
            fs::write(golden(name), &text).unwrap();
        }
        let kept = fs::read_to_string(golden(name)).unwrap();
        assert!(text == kept, "{name}: look at the change, then WSGIAUDIT_REWRITE=1 writes it:\n{text}");
        let width: usize = width.parse().unwrap();
        let too_wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > width).collect();
        assert!(too_wide.is_empty(), "{name}: {too_wide:#?}");
        assert!(name != "report.ascii.txt" || text.is_ascii(), "{text}");
    }
}

/// What SARIF's schema finds wrong with a log.
pub(crate) fn sarif_errors(log: &Value) -> Vec<String> {
    let mut schema: Value =
        serde_json::from_str(include_str!("../fixtures/schemas/sarif-2.1.0.json")).unwrap();
    // No regular expression, in the official schema (corrected in its errata); nothing of ours.
    for object in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][object]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern").unwrap();
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(log).map(|error| error.to_string()).collect()
}

#[test]
fn sarif_is_as_its_schema_says_and_counts_each_root_once() {
    for report in [golden("report.json"), hostile().1] {
        let log: Value = serde_json::from_str(&rendered(&report, "sarif")).unwrap();
        assert_eq!(sarif_errors(&log), Vec::<String>::new());
        let results = log["runs"][0]["results"].as_array().unwrap();
        let mut prints: Vec<String> =
            results.iter().map(|result| result["partialFingerprints"]["wsgiaudit/v2"].to_string()).collect();
        prints.sort();
        let count = prints.len();
        prints.dedup();
        assert_eq!(prints.len(), count, "two results with one fingerprint");
        assert!(count > 0);
    }
}

/// What GitHub needs of a result to show it: a file of the project, and a line. Levels follow what is required.
#[test]
fn sarif_is_as_code_scanning_takes_it() {
    let project = tempfile::tempdir().unwrap();
    let list = "# all\ncorpus-no-slot==1.0\ncorpus_single.phase>=1\n";
    fs::write(project.path().join("requirements.txt"), list).unwrap();
    let render = |more: &[&str]| {
        let command = Wsgiaudit::new().arg("render").arg(golden("report.json")).args(["--format", "sarif"]);
        let said = command.args(more).within(project.path()).run();
        let log: Value = serde_json::from_str(&said.out).unwrap();
        log["runs"][0]["results"].as_array().unwrap().clone()
    };
    let find = |results: &[Value], rule: &str, module: &str| {
        let is_it = |each: &&Value| {
            each["ruleId"] == rule
                && each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == module
        };
        let found: Vec<Value> = results.iter().filter(is_it).cloned().collect();
        assert_eq!(found.len(), 1, "{rule} {module}: {found:#?}");
        let line = found[0]["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
        let (level, text) =
            (found[0]["level"].as_str().unwrap(), found[0]["message"]["text"].as_str().unwrap());
        format!("{level} at {line}: {text}")
    };
    let results = render(&[]);
    for result in &results {
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "requirements.txt", "{result:#}");
        assert!(place["region"]["startLine"].as_u64() >= Some(1), "{result:#}");
        assert!(result["partialFingerprints"]["primaryLocationLineHash"].is_string(), "{result:#}");
        assert!(!result["message"]["text"].as_str().unwrap().contains("{environment}"), "{result:#}");
    }
    let blocks = "It also blocks needs_both, needs_it";
    assert_eq!(
        find(&results, "refused", "no_slot"),
        format!("error at 2: own-gil: no_slot refused: no slot 3. {blocks}")
    );
    let both = find(&results, "refused", "single_phase");
    assert!(both.starts_with("error at 3: own-gil, free-threaded-group: single_phase refused"), "{both}");
    let other = find(&render(&["--require", "shared-gil"]), "refused", "no_slot");
    assert!(other.starts_with("note at 2: "), "{other}");
}

#[test]
fn an_application_that_is_blocked_is_in_every_form_for_ci() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.py"), "import no_slot\napplication = None\n").unwrap();
    let (venv, report) = (Venv::new().with("no-slot"), folder.path().join("report.json"));
    let audit = Wsgiaudit::new().arg(venv.path()).args(["--app", "shop:application", "--json"]).arg(&report);
    audit.within(folder.path()).run().ended_with(1);
    let form = |format: &str| {
        let render = Wsgiaudit::new().arg("render").arg(&report).args(["--format", format]);
        render.within(folder.path()).run().ended_with(1).out
    };
    let log: Value = serde_json::from_str(&form("sarif")).unwrap();
    assert_eq!(sarif_errors(&log), Vec::<String>::new());
    let results = log["runs"][0]["results"].as_array().unwrap();
    let is_it = |each: &&Value| {
        each["message"]["text"].as_str().unwrap().starts_with("own-gil: shop:application is blocked: ")
    };
    let own = results.iter().find(is_it).unwrap_or_else(|| panic!("{log:#}"));
    assert_eq!(own["level"], "error");
    assert_eq!(own["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "shop.py");
    let junit = form("junit");
    assert!(junit.contains("name=\"shop:application\""), "{junit}");
    let annotations = form("github");
    let start = "::error file=shop.py,line=1,title=wsgiaudit%3A shop%3Aapplication is blocked::own-gil: ";
    assert!(annotations.contains(start), "{annotations}");
}

#[test]
fn junit_is_as_its_schema_says() {
    for report in [golden("report.json"), hostile().1] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("junit.xml");
        fs::write(&file, rendered(&report, "junit")).unwrap();
        // lxml is one of the demo's distributions.
        let check = "import sys; from lxml import etree; \
                     etree.XMLSchema(file=sys.argv[1]).assertValid(etree.parse(sys.argv[2]))";
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schemas/junit-10.xsd");
        let python = demo_environment().join("bin/python");
        let said = Command::new(python).args(["-I", "-c", check]).arg(schema).arg(file).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
}

/// A report whose every string is hostile, in a folder that goes away.
fn hostile() -> (tempfile::TempDir, PathBuf) {
    const STRING: &str =
        "<script>alert(1)</script>|@everyone`*_#1\u{202e}gnp\u{1b}[31m\n::error::x\r]]>&amp;";
    fn spoil(value: &mut Value, key: &str) {
        match value {
            Value::String(text)
                if ["name", "reason", "what", "text", "module", "version", "declaration"].contains(&key) =>
            {
                text.push_str(STRING);
                text.push_str(&"a".repeat(10_000));
            }
            Value::Array(all) => all.iter_mut().for_each(|each| spoil(each, key)),
            Value::Object(fields) => fields.iter_mut().for_each(|(key, each)| spoil(each, key)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut report: Value = serde_json::from_slice(&fs::read(golden("report.json")).unwrap()).unwrap();
    for field in ["distributions", "modules", "blockers"] {
        spoil(&mut report[field], "");
    }
    report["notes"] = json!([STRING]);
    report["trouble"] = json!([STRING]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.json");
    fs::write(&file, report.to_string()).unwrap();
    (folder, file)
}

#[test]
fn strings_of_strangers_do_no_harm_in_any_form() {
    let (_folder, report) = hostile();
    for (format, _) in FORMS {
        let text = rendered(&report, format);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{format}");
    }
    let annotations = rendered(&report, "github");
    assert!(annotations.lines().all(|line| line.starts_with("::")), "{annotations}");
    assert_eq!(annotations.lines().filter(|line| line.starts_with("::error::")).count(), 0);
    let markdown = rendered(&report, "markdown");
    assert!(!markdown.contains("<script") && !markdown.contains("@everyone"), "{markdown}");
    assert!(markdown.len() < 65_536, "a comment holds no more");
}

#[test]
fn annotations_stand_beside_the_table_in_an_action() {
    let render = || Wsgiaudit::new().arg("render").arg(golden("report.json"));
    let (plain, action) = (render().run().out, render().env("GITHUB_ACTIONS", "true").run().out);
    assert!(action.starts_with(&plain) && action.contains("\n::error file="), "{action}");
    assert!(action.contains(",line=1,title=wsgiaudit "), "{action}");
    assert!(!plain.contains("::error"));
}
