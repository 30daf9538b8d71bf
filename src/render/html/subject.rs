//! The subjects of trials, such as extension modules and top-level names, with the evidence of each mode.

use std::collections::BTreeMap;

use crate::model::{ExtensionFileClass, Mode, Refuser, Rule};
use crate::report::v1::{Crash, Document, Module, Name, Outcome, SourceFinding, SourcePlace, Tried};

use super::declaration::DeclarationView;
use super::text::{truncate_lines, truncate_text};
use super::verdict_cell::VerdictCell;
use crate::render::answer::ORDER;
use crate::render::requests::RequestView;

/// Maximum number of requests that are shown.
const MAX_REQUESTS: usize = 200;

/// An extension module, a top-level name, an application or an exercise.
#[derive(Debug)]
pub(super) struct SubjectView {
    pub(super) name: String,
    /// A summary of its declaration, or the kind of subject.
    pub(super) what: String,
    pub(super) cells: Vec<VerdictCell>,
    /// Its file.
    pub(super) file: Option<String>,
    /// The file's SHA-256.
    pub(super) sha256: Option<String>,
    /// Build and declaration of its file. A second file is that of the free-threaded build.
    pub(super) declared: Vec<(String, DeclarationView)>,
    /// The requests of an exercise and their answers.
    pub(super) requests: Vec<RequestView>,
    /// Number of requests that are not shown.
    pub(super) more_requests: usize,
    pub(super) trials: Vec<TrialView>,
    pub(super) findings: Vec<FindingView>,
}

/// A finding about a module, or a hazard in an application's source.
#[derive(Debug)]
pub(super) struct FindingView {
    pub(super) rule: String,
    pub(super) text: String,
    pub(super) add: Vec<String>,
}

/// The outcome of a trial, for the modes that have the same outcome.
#[derive(Debug)]
pub(super) struct TrialView {
    pub(super) modes: String,
    pub(super) cell: VerdictCell,
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

impl FindingView {
    /// Describes a hazard in an application's source, with its other locations.
    fn from_hazard(hazard: &SourceFinding) -> Self {
        let place = |place: &SourcePlace| truncate_text(&place.to_string(), 300);
        Self {
            rule: truncate_text(&hazard.rule, 60),
            text: truncate_text(&format!("{}: {}", place(&hazard.place), hazard.text), 600),
            add: hazard.places.iter().take(20).map(place).collect(),
        }
    }
}

impl SubjectView {
    pub(super) fn from_module(module: &Module, modes: &[Mode]) -> Self {
        let what = match module
            .declaration
            .as_ref()
            .filter(|_| module.kind == ExtensionFileClass::ExtensionModule)
        {
            Some(declaration) if !declaration.summary.is_empty() => declaration.summary.clone(),
            Some(declaration) => declaration.initialisation.name().to_owned(),
            None => module.kind.name().replace('-', " "),
        };
        let own = module
            .declaration
            .iter()
            .map(|own| ("this build".to_owned(), DeclarationView::from_declaration(own)));
        let other = module.free_threaded_build.iter().map(|other| {
            (truncate_text(&other.file, 300), DeclarationView::from_declaration(&other.declaration))
        });
        Self {
            name: truncate_text(&module.name, 200),
            what: truncate_text(&what, 120),
            cells: verdict_cells(&module.modes, modes),
            file: Some(truncate_text(&format!("{}/{}", module.folder, module.file), 400)),
            sha256: module.sha256.as_deref().map(|digest| truncate_text(digest, 64)),
            declared: own.chain(other).collect(),
            requests: Vec::new(),
            more_requests: 0,
            trials: group_trials(&module.modes),
            findings: module
                .findings
                .iter()
                .map(|finding| FindingView {
                    rule: truncate_text(&finding.rule, 60),
                    text: truncate_text(&finding.text, 600),
                    add: finding.add.iter().map(|line| truncate_text(line, 200)).collect(),
                })
                .collect(),
        }
    }

    pub(super) fn from_name(name: &Name, modes: &[Mode]) -> Self {
        Self::without_file(&name.name, "top-level name", &name.modes, modes)
    }

    /// Describes the applications, then the exercises.
    pub(super) fn for_applications_and_exercises(document: &Document, modes: &[Mode]) -> Vec<Self> {
        let applications = document.applications.iter();
        let applications = applications.map(|each| {
            let subject = Self::without_file(&each.name, "application", &each.modes, modes);
            let hazards = each.hazards.iter().take(200);
            Self { findings: hazards.map(FindingView::from_hazard).collect(), ..subject }
        });
        let exercises = document.exercises.iter();
        let exercises = exercises.enumerate().map(|(index, each)| {
            let what = if each.requests.is_empty() { "exercise" } else { "requests" };
            let mut requests = RequestView::for_exercise(document, index, each);
            let more_requests = requests.len().saturating_sub(MAX_REQUESTS);
            requests.truncate(MAX_REQUESTS);
            Self { requests, more_requests, ..Self::without_file(&each.file, what, &each.modes, modes) }
        });
        applications.chain(exercises).collect()
    }

    /// Describes a subject that has no extension module file of its own.
    fn without_file(name: &str, what: &str, tried: &BTreeMap<Mode, Tried>, modes: &[Mode]) -> Self {
        Self {
            name: truncate_text(name, 200),
            what: what.to_owned(),
            cells: verdict_cells(tried, modes),
            file: None,
            sha256: None,
            declared: Vec::new(),
            requests: Vec::new(),
            more_requests: 0,
            trials: group_trials(tried),
            findings: Vec::new(),
        }
    }
}

fn verdict_cells(tried: &BTreeMap<Mode, Tried>, modes: &[Mode]) -> Vec<VerdictCell> {
    modes
        .iter()
        .map(|mode| VerdictCell::from_judged(*mode, tried.get(mode).map(|tried| &tried.judged)))
        .collect()
}

/// Builds one entry for all modes with the same outcome.
fn group_trials(tried: &BTreeMap<Mode, Tried>) -> Vec<TrialView> {
    let mut groups: Vec<(Vec<Mode>, &Tried)> = Vec::new();
    for mode in ORDER {
        let Some(each) = tried.get(&mode) else { continue };
        match groups.iter_mut().find(|(_, other)| *other == each) {
            Some((modes, _)) => modes.push(mode),
            None => groups.push((vec![mode], each)),
        }
    }
    groups.into_iter().map(|(modes, tried)| build_trial(&modes, tried)).collect()
}

fn build_trial(modes: &[Mode], tried: &Tried) -> TrialView {
    let outcome = tried.outcome.as_ref();
    let judged = &tried.judged;
    let names = |all: &[String]| all.iter().take(40).map(|name| truncate_text(name, 200)).collect::<Vec<_>>();
    let loads = outcome.into_iter().flat_map(|outcome| &outcome.failed_loads).take(20);
    let shared = outcome.into_iter().flat_map(|outcome| &outcome.shared).take(20);
    TrialView {
        modes: modes.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", "),
        cell: VerdictCell::from_judged(modes.first().copied().unwrap_or(Mode::Main), Some(judged)),
        reason: truncate_text(&judged.reason, 600),
        rule: judged.cause.as_ref().and_then(|cause| Rule::find_by_id(&cause.rule)).map(|rule| rule.id),
        facts: outcome.map(outcome_fields).unwrap_or_default(),
        chain: judged.cause.as_ref().map(|cause| names(&cause.chain)).unwrap_or_default(),
        lost: names(&judged.lost),
        loads: loads
            .map(|load| {
                let place = format!(
                    "{} in interpreter {}",
                    truncate_text(&load.name, 200),
                    truncate_text(&load.interpreter, 20)
                );
                (place, truncate_text(&format!("{}: {}", load.error, load.text), 400))
            })
            .collect(),
        shared: shared
            .map(|object| {
                (truncate_text(&object.kind, 200), object.ways.each_ref().map(|way| truncate_text(way, 400)))
            })
            .collect(),
        stack: outcome
            .and_then(|outcome| outcome.crash.as_ref())
            .map(|crash| truncate_lines(&crash.stack, 80))
            .unwrap_or_default(),
        printed: outcome.map(|outcome| truncate_lines(&outcome.printed, 60)).unwrap_or_default(),
    }
}

/// Returns the facts about an outcome: label and value.
fn outcome_fields(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let kind = outcome.kind.name().replace('-', " ");
    let by = match outcome.by {
        Some(Refuser::CPython) => " by CPython",
        Some(Refuser::Module) => " by the module itself",
        None => "",
    };
    let place = outcome.place.map(|place| format!(", {}", place.name().replace('-', " ")));
    let ended = format!("{kind}{by}{}", place.unwrap_or_default());
    let said: Vec<&str> = [outcome.error.as_deref(), outcome.text.as_deref()].into_iter().flatten().collect();
    let mut facts = vec![("Trial", ended)];
    let mut add = |name, value: Option<String>| {
        facts.extend(value.filter(|value| !value.is_empty()).map(|value| (name, truncate_text(&value, 600))));
    };
    add("It said", Some(said.join(": ")));
    add("Module", outcome.module.clone());
    add("Imported first", outcome.after.clone());
    add("Tried through", outcome.through.clone());
    if let Some(crash) = &outcome.crash {
        add("Crashed in", Some(format_crash_site(crash)));
    }
    facts
}

/// Formats the location of a crash: `FUNCTION+OFFSET of FILE, touching ADDRESS`.
fn format_crash_site(crash: &Crash) -> String {
    let function = crash.symbol.as_deref().unwrap_or_default();
    let offset = crash.offset.as_deref().map(|offset| format!("+{offset}")).unwrap_or_default();
    let object = crash.object.as_deref().map(|object| format!(" of {object}")).unwrap_or_default();
    let address = crash.address.as_deref().map(|address| format!(", touching {address}")).unwrap_or_default();
    format!("{function}{offset}{object}{address}")
}
