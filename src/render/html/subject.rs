//! What was tried: an extension module, or a top-level name, with the evidence of each mode.

use std::collections::BTreeMap;

use crate::model::Mode;
use crate::report::v1::{Crash, Document, Module, Name, Outcome, SourceFinding, SourcePlace, Tried};
use crate::rules::Rule;

use super::declared::Declared;
use super::text::{cut, lines};
use super::verdicts::Cell;
use crate::render::answer::ORDER;
use crate::render::requests::Line;

/// How many requests of a list are shown.
const MOST_REQUESTS: usize = 200;

/// A module or a name.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    /// What it declares in a few words, or what it is.
    pub(super) what: String,
    pub(super) cells: Vec<Cell>,
    /// Its file, and the digest of that.
    pub(super) file: Option<String>,
    pub(super) sha256: Option<String>,
    /// What its file declares; a second file is that of the free-threaded build.
    pub(super) declared: Vec<(String, Declared)>,
    /// What an application answered to a list of requests.
    pub(super) requests: Vec<Line>,
    /// How many more there are.
    pub(super) more_requests: usize,
    pub(super) trials: Vec<Trial>,
    pub(super) findings: Vec<Finding>,
}

/// What a maintainer wants to know.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) rule: String,
    pub(super) text: String,
    pub(super) add: Vec<String>,
}

/// How a trial ended in modes where it ended alike.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) modes: String,
    pub(super) cell: Cell,
    pub(super) reason: String,
    pub(super) rule: Option<&'static str>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) chain: Vec<String>,
    pub(super) lost: Vec<String>,
    pub(super) loads: Vec<(String, String)>,
    pub(super) shared: Vec<(String, [String; 2])>,
    pub(super) stack: Vec<String>,
    pub(super) printed: Vec<String>,
}

impl Finding {
    /// A hazard in an application's source, with its other places.
    fn of_source(hazard: &SourceFinding) -> Self {
        let place = |place: &SourcePlace| cut(&place.to_string(), 300);
        Self {
            rule: cut(&hazard.rule, 60),
            text: cut(&format!("{}: {}", place(&hazard.place), hazard.text), 600),
            add: hazard.places.iter().take(20).map(place).collect(),
        }
    }
}

impl Subject {
    pub(super) fn of_module(module: &Module, modes: &[Mode]) -> Self {
        let what = match module.declaration.as_ref().filter(|_| module.kind == "extension-module") {
            Some(declaration) if !declaration.summary.is_empty() => declaration.summary.clone(),
            Some(declaration) => declaration.initialisation.clone(),
            None => module.kind.replace('-', " "),
        };
        let own = module.declaration.iter().map(|own| ("this build".to_owned(), Declared::of(own)));
        let other = module
            .free_threaded_build
            .iter()
            .map(|other| (cut(&other.file, 300), Declared::of(&other.declaration)));
        Self {
            name: cut(&module.name, 200),
            what: cut(&what, 120),
            cells: cells(&module.modes, modes),
            file: Some(cut(&format!("{}/{}", module.folder, module.file), 400)),
            sha256: module.sha256.as_deref().map(|digest| cut(digest, 64)),
            declared: own.chain(other).collect(),
            requests: Vec::new(),
            more_requests: 0,
            trials: trials(&module.modes),
            findings: module
                .findings
                .iter()
                .map(|finding| Finding {
                    rule: cut(&finding.rule, 60),
                    text: cut(&finding.text, 600),
                    add: finding.add.iter().map(|line| cut(line, 200)).collect(),
                })
                .collect(),
        }
    }

    pub(super) fn of_name(name: &Name, modes: &[Mode]) -> Self {
        Self::without_file(&name.name, "top-level name", &name.modes, modes)
    }

    /// What uses the distributions: applications, then exercises.
    pub(super) fn of_users(document: &Document, modes: &[Mode]) -> Vec<Self> {
        let applications = document.applications.iter();
        let applications = applications.map(|each| {
            let subject = Self::without_file(&each.name, "application", &each.modes, modes);
            let hazards = each.hazards.iter().take(200);
            Self { findings: hazards.map(Finding::of_source).collect(), ..subject }
        });
        let exercises = document.exercises.iter();
        let exercises = exercises.enumerate().map(|(index, each)| {
            let what = if each.requests.is_empty() { "exercise" } else { "requests" };
            let mut requests = Line::all(document, index, each);
            let more_requests = requests.len().saturating_sub(MOST_REQUESTS);
            requests.truncate(MOST_REQUESTS);
            Self { requests, more_requests, ..Self::without_file(&each.file, what, &each.modes, modes) }
        });
        applications.chain(exercises).collect()
    }

    fn without_file(name: &str, what: &str, tried: &BTreeMap<Mode, Tried>, modes: &[Mode]) -> Self {
        Self {
            name: cut(name, 200),
            what: what.to_owned(),
            cells: cells(tried, modes),
            file: None,
            sha256: None,
            declared: Vec::new(),
            requests: Vec::new(),
            more_requests: 0,
            trials: trials(tried),
            findings: Vec::new(),
        }
    }
}

fn cells(tried: &BTreeMap<Mode, Tried>, modes: &[Mode]) -> Vec<Cell> {
    modes.iter().map(|mode| Cell::of(*mode, tried.get(mode).map(|tried| &tried.judged))).collect()
}

/// One for all modes that ended alike.
fn trials(tried: &BTreeMap<Mode, Tried>) -> Vec<Trial> {
    let mut groups: Vec<(Vec<Mode>, &Tried)> = Vec::new();
    for mode in ORDER {
        let Some(each) = tried.get(&mode) else { continue };
        match groups.iter_mut().find(|(_, other)| *other == each) {
            Some((modes, _)) => modes.push(mode),
            None => groups.push((vec![mode], each)),
        }
    }
    groups.into_iter().map(|(modes, tried)| trial(&modes, tried)).collect()
}

fn trial(modes: &[Mode], tried: &Tried) -> Trial {
    let outcome = tried.outcome.as_ref();
    let judged = &tried.judged;
    let names = |all: &[String]| all.iter().take(40).map(|name| cut(name, 200)).collect::<Vec<_>>();
    let loads = outcome.into_iter().flat_map(|outcome| &outcome.failed_loads).take(20);
    let shared = outcome.into_iter().flat_map(|outcome| &outcome.shared).take(20);
    Trial {
        modes: modes.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", "),
        cell: Cell::of(modes.first().copied().unwrap_or(Mode::Main), Some(judged)),
        reason: cut(&judged.reason, 600),
        rule: judged.cause.as_ref().and_then(|cause| Rule::find(&cause.rule)).map(|rule| rule.id),
        facts: outcome.map(facts).unwrap_or_default(),
        chain: judged.cause.as_ref().map(|cause| names(&cause.chain)).unwrap_or_default(),
        lost: names(&judged.lost),
        loads: loads
            .map(|load| {
                let place = format!("{} in interpreter {}", cut(&load.name, 200), cut(&load.interpreter, 20));
                (place, cut(&format!("{}: {}", load.error, load.text), 400))
            })
            .collect(),
        shared: shared
            .map(|object| (cut(&object.kind, 200), object.ways.each_ref().map(|way| cut(way, 400))))
            .collect(),
        stack: outcome
            .and_then(|outcome| outcome.crash.as_ref())
            .map(|crash| lines(&crash.stack, 80))
            .unwrap_or_default(),
        printed: outcome.map(|outcome| lines(&outcome.printed, 60)).unwrap_or_default(),
    }
}

/// What is known of a trial's end, a name and a value each.
fn facts(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let place = outcome.place.as_deref().map(|place| format!(", {}", place.replace('-', " ")));
    let by = outcome.by.as_deref().map(|by| match by {
        "cpython" => " by CPython".to_owned(),
        "module" => " by the module itself".to_owned(),
        other => format!(" by {other}"),
    });
    let ended = [Some(outcome.kind.replace('-', " ")), by, place].into_iter().flatten().collect::<String>();
    let said: Vec<&str> = [outcome.error.as_deref(), outcome.text.as_deref()].into_iter().flatten().collect();
    let mut facts = vec![("Trial", ended)];
    let mut add = |name, value: Option<String>| {
        facts.extend(value.filter(|value| !value.is_empty()).map(|value| (name, cut(&value, 600))));
    };
    add("It said", Some(said.join(": ")));
    add("Module", outcome.module.clone());
    add("Imported first", outcome.after.clone());
    add("Tried through", outcome.through.clone());
    if let Some(crash) = &outcome.crash {
        add("Crashed in", Some(site(crash)));
    }
    facts
}

fn site(crash: &Crash) -> String {
    let function = crash.symbol.as_deref().unwrap_or_default();
    let offset = crash.offset.as_deref().map(|offset| format!("+{offset}")).unwrap_or_default();
    let object = crash.object.as_deref().map(|object| format!(" of {object}")).unwrap_or_default();
    let address = crash.address.as_deref().map(|address| format!(", touching {address}")).unwrap_or_default();
    format!("{function}{offset}{object}{address}")
}
