//! Holds the whole audit of the corpus against `corpus/expected.toml`, on every Python at hand.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::process::Command;

use serde_json::Value;

use crate::support::command::program;
use crate::support::corpus::{self, Case};
use crate::support::pythons::{self, Python};

/// The modes of a build with a GIL.
const WITH_GIL: [&str; 4] = ["main", "shared-gil", "own-gil", "own-gil-copies"];

/// The modes of a free-threaded build.
const FREE_THREADED: [&str; 5] = ["main", "shared-gil", "own-gil", "free-threaded", "free-threaded-group"];

#[test]
fn every_case_is_as_expected_on_every_python() {
    let table = corpus::table();
    let mut disagreements = Vec::new();
    for python in pythons::all() {
        let answer = Answer::of_an_audit(&python);
        let mut comparison = Comparison { python: &python, disagreements: &mut disagreements };
        for (case, expected) in table.iter().filter(|(_, expected)| expected.is_for(&python)) {
            comparison.case(case, expected, &answer);
        }
        for stray in answer.beyond(table.keys().map(|case| corpus::distribution(case)).collect()) {
            comparison
                .disagreements
                .push(format!("{}: {stray} is in the report and not in the table", python.version));
        }
    }
    assert!(
        disagreements.is_empty(),
        "{} disagreements with corpus/expected.toml:\n{}",
        disagreements.len(),
        disagreements.join("\n")
    );
}

/// The table on one side, one report on the other.
struct Comparison<'a> {
    python: &'a Python,
    disagreements: &'a mut Vec<String>,
}

impl Comparison<'_> {
    fn case(&mut self, case: &str, expected: &Case, answer: &Answer) {
        let module = expected.module(case);
        if let Some(name) = &module {
            self.same(case, "kind", &expected.kind, answer.kind(name));
            self.same(case, "declares", expected.declares(self.python), answer.declaration(name));
            self.same(
                case,
                "distribution of the module",
                corpus::distribution(case),
                answer.distribution_of(name),
            );
        }
        let is_free_threaded = self.python.is_free_threaded();
        for (rule, wanted, is_due) in [
            ("declare-slot", expected.declare_slot.as_ref(), !is_free_threaded),
            ("declare-gil", expected.declare_gil.as_ref(), is_free_threaded),
            ("behind", expected.behind.as_ref(), true),
            ("native-threads", expected.native_threads.as_ref(), true),
            ("shared-functions", expected.shared_functions.as_ref(), true),
            ("changes-process", expected.changes_process.as_ref(), true),
            ("left-in-statics", expected.left_in_statics(self.python), true),
            ("left-in-main", expected.left_in_main(self.python), true),
            ("misread-declaration", expected.misread_declaration(self.python), true),
        ] {
            let found = module.as_ref().map(|name| answer.finding(name, rule)).unwrap_or_default();
            let wanted = wanted.filter(|_| is_due);
            let is_as_expected = match wanted {
                Some(part) => found.contains(part.as_str()),
                None => found.is_empty(),
            };
            if !is_as_expected {
                self.differ(case, rule, wanted.map_or("none", String::as_str), &found);
            }
        }
        let modes: &[&str] = if self.python.is_free_threaded() { &FREE_THREADED } else { &WITH_GIL };
        for &mode in modes {
            let mut wanted = expected.expected(mode, self.python);
            if let Some(name) = &module {
                let found = answer.outcome_and_verdict(name, mode);
                let mut alternatives = wanted.split(" or ");
                let first = alternatives.next().unwrap_or_default();
                wanted = alternatives.find(|each| *each == found).unwrap_or(first);
                self.same(case, mode, wanted, found);
                let reason = answer.reason(name, mode);
                if let Some(part) = expected.reason.get(mode).filter(|part| !reason.contains(part.as_str())) {
                    self.differ(case, &format!("{mode}, reason"), format!("... {part} ..."), reason);
                }
            }
            let verdict = wanted.split_once(" -> ").map_or(wanted, |(_, verdict)| verdict);
            let verdict = expected.distribution.get(mode).map_or(verdict, String::as_str);
            self.same(
                case,
                &format!("{mode}, distribution"),
                verdict,
                answer.verdict_of_distribution(case, mode),
            );
        }
    }

    fn same(&mut self, case: &str, what: &str, expected: impl Into<String>, found: String) {
        let expected = expected.into();
        if expected != found {
            self.differ(case, what, expected, found);
        }
    }

    fn differ(&mut self, case: &str, what: &str, expected: impl Display, found: impl Display) {
        let version = &self.python.version;
        self.disagreements
            .push(format!("{version:<5} {case} ({what})\n      expected {expected}\n      found    {found}"));
    }
}

/// A report, read here and nowhere else.
struct Answer(Value);

impl Answer {
    fn of_an_audit(python: &Python) -> Self {
        let environment = corpus::environment(python);
        let output = Command::new(program())
            .arg(environment)
            // Every time anew: what an earlier run has found shows nothing.
            .args(["--format", "json", "--timeout", "5", "--no-cache", "--copies"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(1),
            "the corpus is not ready for an own GIL, and that is status 1\n{said}"
        );
        Self(serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{said}")))
    }

    fn kind(&self, module: &str) -> String {
        word(&self.module(module)["kind"])
    }

    fn distribution_of(&self, module: &str) -> String {
        word(&self.module(module)["distribution"])
    }

    /// As the table says it: `multi-phase 2`, `multi-phase absent`, `single-phase`.
    fn declaration(&self, module: &str) -> String {
        let declaration = &self.module(module)["declaration"];
        match declaration["initialisation"].as_str() {
            None => "nothing".to_owned(),
            Some(kind @ ("multi-phase" | "PyModExport")) => {
                format!("{kind} {}", word(&declaration["multiple_interpreters"]))
            }
            Some(other) => other.to_owned(),
        }
    }

    /// As the table says it: `refused by cpython at import -> blocked`.
    fn outcome_and_verdict(&self, module: &str, mode: &str) -> String {
        let tried = &self.module(module)["modes"][mode];
        let outcome = &tried["outcome"];
        let mut sentence = outcome["kind"].as_str().unwrap_or("not-run").to_owned();
        for (preposition, key) in [("by", "by"), ("at", "place")] {
            if let Some(found) = outcome[key].as_str() {
                sentence += &format!(" {preposition} {found}");
            }
        }
        format!("{sentence} -> {}", word(&tried["verdict"]))
    }

    fn reason(&self, module: &str, mode: &str) -> String {
        word(&self.module(module)["modes"][mode]["reason"])
    }

    /// What this rule found; nothing where it found nothing.
    fn finding(&self, module: &str, rule: &str) -> String {
        let mut findings = self.module(module)["findings"].as_array().into_iter().flatten();
        findings
            .find(|finding| finding["rule"] == rule)
            .map(|finding| word(&finding["text"]))
            .unwrap_or_default()
    }

    fn verdict_of_distribution(&self, case: &str, mode: &str) -> String {
        word(&self.named("distributions", &corpus::distribution(case))["modes"][mode]["verdict"])
    }

    /// Distributions that nobody asked about, and modules of none.
    fn beyond(&self, known: BTreeSet<String>) -> Vec<String> {
        let distributions = self.all("distributions").map(|entry| word(&entry["name"]));
        let owners = self.all("modules").map(|entry| word(&entry["distribution"]));
        distributions.chain(owners).filter(|name| !known.contains(name)).collect()
    }

    fn module(&self, name: &str) -> &Value {
        self.named("modules", name)
    }

    fn named(&self, list: &str, name: &str) -> &Value {
        self.all(list).find(|entry| entry["name"] == name).unwrap_or(&Value::Null)
    }

    fn all(&self, list: &str) -> impl Iterator<Item = &Value> {
        self.0[list].as_array().into_iter().flatten()
    }
}

/// A value as a person would say it; what is not there is `nothing`.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
