//! Every rule has a page, and everything in a report that names a rule names one that is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use walkdir::WalkDir;
use wsgiaudit::model::{RULES, RuleId};

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

#[test]
fn rules_are_listed_for_people_and_machines() {
    let table = Wsgiaudit::new().arg("rules").run().ended_with(0).out;
    let json = Wsgiaudit::new().arg("rules").arg("--format").arg("json").run().ended_with(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    let ids: Vec<&str> = json.as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, RULES.iter().map(|rule| rule.id).collect::<Vec<_>>());
    for id in ids {
        assert!(table.contains(id), "{table}");
    }
}

#[test]
fn a_rule_is_explained_and_an_unknown_one_is_an_error() {
    let page = Wsgiaudit::new().arg("explain").arg("refused").run().ended_with(0).out;
    assert!(page.starts_with("# refused\n") && page.contains("## What to do"), "{page}");
    let said = Wsgiaudit::new().arg("explain").arg("refusd").run().ended_with(2);
    assert!(said.err.contains("'refused'"), "{}", said.err);
    let explain = |words: &[&str]| Wsgiaudit::new().arg("explain").args(words).run().ended_with(0).out;
    // As the table prints it, and as older versions did.
    let both = explain(&["refused", "crashes"]);
    assert!(both.starts_with("# refused\n") && both.contains("\n# crashes\n"), "{both}");
    assert_eq!(explain(&["refused|crashes"]), both);
}

/// The words of a table: verdicts, modes, and what a module declares.
#[test]
fn every_word_of_a_report_is_explained() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/report.json");
    let report: Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    let mut words: BTreeSet<String> = BTreeSet::new();
    for row in report["distributions"].as_array().unwrap() {
        for (mode, judged) in row["modes"].as_object().unwrap() {
            words.extend([mode.clone(), judged["verdict"].as_str().unwrap().to_owned()]);
        }
        let declaration = row["declaration"].as_str().unwrap();
        words.extend(declaration.split(" = ").next().map(str::to_owned).filter(|word| !word.is_empty()));
    }
    assert!(words.len() >= 12 && words.contains("slot 3") && words.contains("no slot 3"), "{words:?}");
    for word in words.iter().map(String::as_str).chain(["n/a", "slot 4", "m_size"]) {
        let page = Wsgiaudit::new().arg("explain").arg(word).run().ended_with(0).out;
        assert!(page.starts_with("# ") && page.lines().count() > 2, "{word}: {page}");
    }
}

/// A test provokes a rule if it names the rule: as text in `tests/`, as a key in the corpus, as the name of an Apache
/// configuration, or as `RuleId`, `ReasonId` or `FindingRule` in a unit test.
#[test]
fn every_rule_is_provoked_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = |folder: &str| {
        let files = WalkDir::new(root.join(folder)).into_iter();
        // What `make fuzz` has built is not ours.
        let files = files.filter_entry(|entry| entry.file_name() != "target").map(Result::unwrap);
        let files = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rs"));
        files
            .map(|file| (file.path().to_owned(), fs::read_to_string(file.path()).unwrap()))
            .collect::<Vec<_>>()
    };
    let mut tests: Vec<String> = sources("tests").into_iter().map(|(_, text)| text).collect();
    tests.push(fs::read_to_string(root.join("corpus/expected.toml")).unwrap());
    let units = ["src", "probes/core/src"].map(sources).into_iter().flatten().filter_map(|(path, text)| {
        match path.ends_with("tests.rs") {
            true => Some(text),
            false => Some(text.split_once("#[cfg(test)]\nmod tests {")?.1.to_owned()),
        }
    });
    let units: Vec<String> = units.collect();
    let has_word = |text: &String, word: &str| {
        let ends = |(at, _): (usize, &str)| !text[at + word.len()..].starts_with(char::is_alphanumeric);
        text.match_indices(word).any(ends)
    };
    let unprovoked = RuleId::ALL.iter().filter(|rule| {
        let id = rule.id();
        let texts = [format!("\"{id}\""), format!("\"{id}: "), format!("\n{id} = ")];
        let names = ["RuleId", "ReasonId", "FindingRule"].map(|kind| format!("{kind}::{rule:?}"));
        let is_named = tests.iter().any(|test| texts.iter().any(|text| test.contains(text)))
            || units.iter().any(|unit| names.iter().any(|name| has_word(unit, name)))
            || root.join(format!("tests/fixtures/apache-config/{id}.conf")).exists();
        !is_named
    });
    let unprovoked: Vec<&RuleId> = unprovoked.collect();
    assert!(unprovoked.is_empty(), "no test provokes these rules: {unprovoked:?}");
}

#[test]
fn every_rule_that_a_report_names_is_there_and_the_table_names_the_way_out() {
    let cases =
        ["no-slot", "gil-refuses", "crash-in-second", "lost-accelerator", "shared-dict", "daemon-thread"];
    let venv = cases.into_iter().fold(Venv::new(), Venv::with);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(&file).run().ended_with(1);
    let report: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut named = BTreeSet::new();
    rules_in(&report, &mut named);
    let known: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert!(named.iter().all(|rule| known.contains(rule.as_str())), "{named:?}");
    for rule in ["refused", "crashes", "lost-accelerator", "shares-objects", "declare-slot"] {
        assert!(named.contains(rule), "{rule}: {named:?}");
    }
    assert!(said.out.contains("  What to do: wsgiaudit explain refused raises "), "{}", said.out);
}

/// Every `rule` of causes and findings, and the `kind` of hazards.
fn rules_in(value: &Value, named: &mut BTreeSet<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|each| rules_in(each, named)),
        Value::Object(fields) => {
            named.extend(fields.get("rule").and_then(Value::as_str).map(str::to_owned));
            if let Some(hazards) = fields.get("hazards").and_then(Value::as_array) {
                named.extend(hazards.iter().filter_map(|hazard| hazard["kind"].as_str()).map(str::to_owned));
            }
            fields.values().for_each(|each| rules_in(each, named));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
