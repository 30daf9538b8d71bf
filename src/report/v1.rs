//! The JSON document, schema 1. Its own types, apart from the inner ones: fields are added, never changed or
//! taken away. Nothing in it comes from a hash map, a clock or a machine's paths: the same input gives the
//! same bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DistributionRow, ModuleRow, NameRow, Report};
use crate::model::{
    Cause, Crash, Declared, Facts, FileKind, Finding, Hazard, Judgement, Load, Mode, NotRun, Outcome, Place,
    Refuser, Trial,
};

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema: u8,
    tool: Tool,
    environment: Option<Environment<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free_threaded: Option<Environment<'a>>,
    answers: BTreeMap<&'static str, &'static str>,
    distributions: Vec<Distribution<'a>>,
    modules: Vec<Module<'a>>,
    blockers: BTreeMap<&'static str, Vec<Blocker<'a>>>,
    notes: &'a [String],
    trouble: &'a [String],
}

/// What `wsgiaudit inspect` writes.
#[derive(Debug, Serialize)]
pub struct Declarations<'a> {
    schema: u8,
    tool: Tool,
    files: Vec<Inspected<'a>>,
}

#[derive(Debug, Serialize)]
struct Inspected<'a> {
    file: &'a str,
    declaration: Declaration<'a>,
}

impl<'a> Declarations<'a> {
    /// Of these files, in their order.
    pub fn new(all: &'a [(String, Facts)]) -> Self {
        let files = all.iter().map(|(file, facts)| Inspected { file, declaration: declaration(facts) });
        Self { schema: 1, tool: TOOL, files: files.collect() }
    }
}

const TOOL: Tool = Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

#[derive(Debug, Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct Environment<'a> {
    python: &'a str,
    abi: &'a str,
    platform: &'a str,
    free_threaded: bool,
}

#[derive(Debug, Serialize)]
struct Distribution<'a> {
    name: Option<&'a str>,
    version: &'a str,
    extension_modules: usize,
    declaration: &'a str,
    modes: BTreeMap<&'static str, Verdict<'a>>,
    top_level: Vec<Name<'a>>,
}

#[derive(Debug, Serialize)]
struct Name<'a> {
    name: &'a str,
    modes: BTreeMap<&'static str, Tried<'a>>,
}

#[derive(Debug, Serialize)]
struct Module<'a> {
    name: &'a str,
    file: &'a str,
    distribution: Option<&'a str>,
    kind: &'static str,
    declaration: Option<Declaration<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free_threaded_build: Option<Inspected<'a>>,
    modes: BTreeMap<&'static str, Tried<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<FindingOf<'a>>,
}

#[derive(Debug, Serialize)]
struct FindingOf<'a> {
    rule: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    add: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct Declaration<'a> {
    init_function: Option<&'a str>,
    initialisation: &'static str,
    m_size: Option<i64>,
    multiple_interpreters: SlotValue,
    gil: SlotValue,
    slots: Option<Vec<(u16, u64)>>,
    hazards: Vec<HazardOf<'a>>,
    doubts: Vec<&'a str>,
}

/// `"absent"`, `"undetermined"`, or the value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum SlotValue {
    Word(&'static str),
    Value(u64),
}

#[derive(Debug, Serialize)]
struct HazardOf<'a> {
    kind: &'static str,
    evidence: &'a str,
}

#[derive(Debug, Serialize)]
struct Tried<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeOf<'a>>,
    #[serde(flatten)]
    verdict: Verdict<'a>,
}

#[derive(Debug, Serialize)]
struct Verdict<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseOf<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    lost: &'a [String],
}

#[derive(Debug, Serialize)]
struct CauseOf<'a> {
    module: &'a str,
    chain: &'a [String],
    what: &'a str,
}

#[derive(Debug, Default, Serialize)]
struct OutcomeOf<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_loads: Vec<FailedLoad<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    printed: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    crash: Option<CrashOf<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared: Vec<SharedOf<'a>>,
}

/// An object that both interpreters reach, and the way to it in each.
#[derive(Debug, Serialize)]
struct SharedOf<'a> {
    kind: &'a str,
    is_type: bool,
    is_static: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    ways: [&'a str; 2],
}

/// Where a fatal signal hit. Numbers are hexadecimal, as debuggers want them.
#[derive(Debug, Serialize)]
struct CrashOf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<String>,
    stack: &'a str,
}

#[derive(Debug, Serialize)]
struct FailedLoad<'a> {
    interpreter: &'a str,
    name: &'a str,
    error: &'a str,
    text: &'a str,
    chain: &'a [String],
}

#[derive(Debug, Serialize)]
struct Blocker<'a> {
    distribution: Option<&'a str>,
    roots: Vec<Root<'a>>,
    blocks: Vec<Blocked<'a>>,
}

#[derive(Debug, Serialize)]
struct Root<'a> {
    module: &'a str,
    what: &'a str,
}

#[derive(Debug, Serialize)]
struct Blocked<'a> {
    distribution: &'a str,
    chain: &'a [String],
    also_needs: &'a [String],
}

impl<'a> From<&'a Report> for Document<'a> {
    fn from(report: &'a Report) -> Self {
        Self {
            schema: 1,
            tool: TOOL,
            environment: report.python.as_ref().map(environment),
            free_threaded: report.free_threaded.as_ref().map(environment),
            answers: report.answers.iter().map(|(mode, verdict)| (mode.name(), verdict.name())).collect(),
            distributions: report.distributions.iter().map(distribution).collect(),
            modules: report.modules.iter().map(module).collect(),
            blockers: report
                .blockers
                .iter()
                .map(|(mode, all)| (mode.name(), all.iter().map(blocker).collect()))
                .collect(),
            notes: &report.notes,
            trouble: &report.trouble,
        }
    }
}

fn environment(python: &super::Python) -> Environment<'_> {
    Environment {
        python: &python.release,
        abi: &python.abi,
        platform: &python.platform,
        free_threaded: python.free_threaded,
    }
}

fn distribution(row: &DistributionRow) -> Distribution<'_> {
    Distribution {
        name: row.name.as_deref(),
        version: &row.version,
        extension_modules: row.modules,
        declaration: &row.declaration,
        modes: row.judgements.iter().map(|(mode, judgement)| (mode.name(), verdict(judgement))).collect(),
        top_level: row.top_level.iter().map(name).collect(),
    }
}

fn name(row: &NameRow) -> Name<'_> {
    Name { name: &row.name, modes: tried(&row.judgements, &row.trials) }
}

fn module(row: &ModuleRow) -> Module<'_> {
    let has_declaration = matches!(row.kind, FileKind::ExtensionModule | FileKind::Shadowed(_));
    Module {
        name: &row.name,
        file: &row.file,
        distribution: row.distribution.as_deref(),
        kind: row.kind.name(),
        declaration: has_declaration.then(|| declaration(&row.facts)),
        free_threaded_build: row
            .other_build
            .as_ref()
            .map(|other| Inspected { file: &other.file, declaration: declaration(&other.facts) }),
        modes: tried(&row.judgements, &row.trials),
        findings: row
            .findings
            .iter()
            .map(|Finding { rule, text, add }| FindingOf { rule, text, add })
            .collect(),
    }
}

fn declaration(facts: &Facts) -> Declaration<'_> {
    Declaration {
        init_function: facts.init_function.as_deref(),
        initialisation: facts.initialisation.name(),
        m_size: facts.m_size,
        multiple_interpreters: slot(facts.multiple_interpreters()),
        gil: slot(facts.gil()),
        slots: facts.slots.as_ref().map(|slots| slots.iter().map(|slot| (slot.id, slot.value)).collect()),
        hazards: facts.hazards.iter().map(hazard).collect(),
        doubts: facts.doubts.iter().map(|doubt| doubt.0.as_str()).collect(),
    }
}

fn slot(declared: Declared) -> SlotValue {
    match declared {
        Declared::Undetermined => SlotValue::Word("undetermined"),
        Declared::Absent => SlotValue::Word("absent"),
        Declared::Value(value) => SlotValue::Value(value),
    }
}

fn hazard(hazard: &Hazard) -> HazardOf<'_> {
    HazardOf { kind: hazard.kind.name(), evidence: &hazard.evidence }
}

fn tried<'a>(
    judgements: &'a BTreeMap<Mode, Judgement>,
    trials: &'a BTreeMap<Mode, Trial>,
) -> BTreeMap<&'static str, Tried<'a>> {
    let each = judgements.iter().map(|(mode, judgement)| {
        (mode.name(), Tried { outcome: trials.get(mode).map(outcome), verdict: verdict(judgement) })
    });
    each.collect()
}

fn verdict(judgement: &Judgement) -> Verdict<'_> {
    Verdict {
        verdict: judgement.verdict.name(),
        reason: &judgement.reason,
        cause: judgement.cause.as_ref().map(|Cause { module, chain, what }| CauseOf { module, chain, what }),
        lost: &judgement.lost,
    }
}

fn crash(crash: &Crash) -> CrashOf<'_> {
    CrashOf {
        address: crash.address.map(|address| format!("{address:#x}")),
        object: crash.site.as_ref().map(|site| site.object.as_str()),
        symbol: crash.site.as_ref().and_then(|site| site.symbol.as_deref()),
        offset: crash.site.as_ref().map(|site| format!("{:#x}", site.offset)),
        stack: &crash.stack,
    }
}

fn outcome(trial: &Trial) -> OutcomeOf<'_> {
    let base = OutcomeOf {
        after: trial.after.as_deref(),
        through: trial.through.as_deref(),
        failed_loads: trial.loads.iter().filter_map(failed_load).collect(),
        printed: &trial.printed,
        crash: trial.crash.as_ref().map(crash),
        ..OutcomeOf::default()
    };
    match &trial.outcome {
        Outcome::Imported => OutcomeOf { kind: "imported", ..base },
        Outcome::Refused { by, module, place, error } => OutcomeOf {
            kind: "refused",
            by: Some(match by {
                Refuser::CPython => "cpython",
                Refuser::Module => "module",
            }),
            module: Some(module),
            place: Some(place.name()),
            error: Some(&error.kind),
            text: Some(error.text.clone()),
            ..base
        },
        Outcome::Raised { place, error, suspect } => OutcomeOf {
            kind: "raised",
            module: suspect.as_deref(),
            place: Some(place.name()),
            error: Some(&error.kind),
            text: Some(error.text.clone()),
            ..base
        },
        Outcome::Crashed { how, place, loading } => OutcomeOf {
            kind: "crashed",
            module: loading.as_deref(),
            place: Some(place.name()),
            text: Some(how.to_string()),
            ..base
        },
        Outcome::TimedOut { place, loading } => {
            OutcomeOf { kind: "timed-out", module: loading.as_deref(), place: Some(place.name()), ..base }
        }
        Outcome::Shares { count, objects } => OutcomeOf {
            kind: "shares",
            place: Some(Place::SecondInterpreter.name()),
            module: objects.iter().find_map(|object| object.module.as_deref()),
            shared: objects
                .iter()
                .map(|object| SharedOf {
                    kind: &object.kind,
                    is_type: object.is_type,
                    is_static: object.is_static,
                    module: object.module.as_deref(),
                    ways: object.ways.each_ref().map(String::as_str),
                })
                .collect(),
            text: Some(format!("objects that both interpreters reach: {count}")),
            ..base
        },
        Outcome::LeftThreads { names } => OutcomeOf {
            kind: "left-threads",
            place: Some(Place::Teardown.name()),
            text: Some(names.join(", ")),
            ..base
        },
        Outcome::NotRun(why) => OutcomeOf {
            kind: "not-run",
            text: Some(match why {
                NotRun::Behind(name) => format!("{name} does not import"),
                NotRun::Shadowed(Some(other)) => format!("its name loads {other}"),
                NotRun::Shadowed(None) => "its name does not load it".to_owned(),
                NotRun::Because(why) => why.clone(),
            }),
            ..base
        },
    }
}

fn failed_load(load: &Load) -> Option<FailedLoad<'_>> {
    let error = load.result.as_ref()?.as_ref().err()?;
    Some(FailedLoad {
        interpreter: &load.interpreter,
        name: &load.name,
        error: &error.kind,
        text: &error.text,
        chain: &error.chain,
    })
}

fn blocker(blocker: &super::Blocker) -> Blocker<'_> {
    Blocker {
        distribution: blocker.distribution.as_deref(),
        roots: blocker.roots.iter().map(|(module, what)| Root { module, what }).collect(),
        blocks: blocker
            .blocks
            .iter()
            .map(|super::Blocked { distribution, chain, also_needs }| Blocked {
                distribution,
                chain,
                also_needs,
            })
            .collect(),
    }
}
