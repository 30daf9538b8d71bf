//! Converts the report to the document.

use std::collections::BTreeMap;

use super::{
    Apache, Application, Blocked, Blocker, Cause, Crash, Declaration, Declarations, Distribution, Document,
    Exercise, FailedLoad, Finding, Hazard, Inspected, Judged, Module, Name, Outcome, Python, PythonFinding,
    Request, Root, Shared, SlotValue, Tool, Tried, Upgrade,
};
use crate::model::{
    self, BinaryFacts, ExtensionFileKind, Judgement, Mode, ModuleLoad, NotRunReason, Refuser,
    SlotDeclaration, Trial, TrialPhase, Verdict,
};
use crate::report::{self, DistributionRow, ModuleRow, NameRow, Report};
use crate::rules;

impl Declarations {
    /// Creates the document for these files, in their order.
    pub fn new(all: &[(String, BinaryFacts)]) -> Self {
        let files = all
            .iter()
            .map(|(file, facts)| Inspected { file: file.clone(), declaration: convert_facts(facts) });
        Self { schema: 1, tool: Tool::this_program(), files: files.collect() }
    }
}

impl Tool {
    /// This program.
    pub fn this_program() -> Self {
        Self { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl From<&Report> for Document {
    fn from(report: &Report) -> Self {
        Self {
            schema: 1,
            tool: Tool::this_program(),
            header: None,
            environment: report.python.as_ref().map(convert_python),
            free_threaded: report.free_threaded.as_ref().map(convert_python),
            modes: report.modes.clone(),
            answers: BTreeMap::new(),
            decided_by: report.decided_by,
            distributions: report.distributions.iter().map(convert_distribution).collect(),
            modules: report.modules.iter().map(convert_module).collect(),
            blockers: report
                .blockers
                .iter()
                .map(|(mode, all)| (*mode, all.iter().map(convert_blocker).collect()))
                .collect(),
            applications: report
                .applications
                .iter()
                .map(|row| Application::new(row, convert_modes(&row.judgements, &row.trials)))
                .collect(),
            exercises: report
                .exercises
                .iter()
                .map(|row| Exercise {
                    file: row.file.clone(),
                    application: row.application.clone(),
                    requests: row.requests.iter().map(Request::from).collect(),
                    modes: convert_modes(&row.judgements, &row.trials),
                })
                .collect(),
            apache: report.deployment.as_ref().map(Apache::from),
            python_findings: report.python_findings.iter().map(convert_python_defect).collect(),
            notes: report.notes.clone(),
            trouble: report.trouble.clone(),
        }
        .with_updated_answers()
    }
}

fn convert_python_defect(finding: &model::PythonDefect) -> PythonFinding {
    PythonFinding {
        rule: finding.rule.to_owned(),
        mode: finding.mode,
        verdict: Verdict::Unsafe,
        module: finding.module.clone(),
        what: finding.what.clone(),
        text: finding.text.clone(),
        mended: finding.mended.clone(),
        issue: finding.issue.clone(),
    }
}

fn convert_python(python: &report::AuditedPython) -> Python {
    Python {
        python: python.release.clone(),
        abi: python.abi.clone(),
        platform: python.platform.clone(),
        free_threaded: python.free_threaded,
    }
}

fn convert_distribution(row: &DistributionRow) -> Distribution {
    Distribution {
        name: row.name.clone(),
        version: row.version.clone(),
        extension_modules: row.modules,
        declaration: row.declaration.clone(),
        modes: row.judgements.iter().map(|(mode, judgement)| (*mode, convert_judgement(judgement))).collect(),
        top_level: row.top_level.iter().map(convert_name).collect(),
    }
}

fn convert_name(row: &NameRow) -> Name {
    Name { name: row.name.clone(), modes: convert_modes(&row.judgements, &row.trials) }
}

fn convert_module(row: &ModuleRow) -> Module {
    let has_declaration =
        matches!(row.kind, ExtensionFileKind::ExtensionModule | ExtensionFileKind::Shadowed(_));
    Module {
        name: row.name.clone(),
        file: row.file.clone(),
        folder: row.folder.clone(),
        sha256: row.sha256.clone(),
        distribution: row.distribution.clone(),
        kind: row.kind.name().to_owned(),
        declaration: has_declaration.then(|| convert_facts(&row.facts)),
        free_threaded_build: row
            .other_build
            .as_ref()
            .map(|other| Inspected { file: other.file.clone(), declaration: convert_facts(&other.facts) }),
        modes: convert_modes(&row.judgements, &row.trials),
        findings: row
            .findings
            .iter()
            .map(|finding| Finding {
                rule: finding.rule.to_owned(),
                text: finding.text.clone(),
                add: finding.add.iter().map(|line| (*line).to_owned()).collect(),
            })
            .collect(),
    }
}

fn convert_facts(facts: &BinaryFacts) -> Declaration {
    Declaration {
        summary: rules::describe_slot_declaration(facts),
        init_function: facts.init_function.clone(),
        initialisation: facts.initialisation.name().to_owned(),
        m_size: facts.m_size,
        multiple_interpreters: convert_slot(facts.multiple_interpreters_slot()),
        gil: convert_slot(facts.gil_slot()),
        slots: facts.slots.as_ref().map(|slots| slots.iter().map(|slot| (slot.id, slot.value)).collect()),
        hazards: facts.hazards.iter().map(convert_hazard).collect(),
        doubts: facts.doubts.iter().map(|doubt| doubt.0.clone()).collect(),
    }
}

fn convert_slot(declared: SlotDeclaration) -> SlotValue {
    match declared {
        SlotDeclaration::Undetermined => SlotValue::Word("undetermined".to_owned()),
        SlotDeclaration::Absent => SlotValue::Word("absent".to_owned()),
        SlotDeclaration::Value(value) => SlotValue::Value(value),
    }
}

fn convert_hazard(hazard: &model::BinaryHazard) -> Hazard {
    Hazard { kind: hazard.kind.name().to_owned(), evidence: hazard.evidence.clone() }
}

fn convert_modes(
    judgements: &BTreeMap<Mode, Judgement>,
    trials: &BTreeMap<Mode, Trial>,
) -> BTreeMap<Mode, Tried> {
    let each = judgements.iter().map(|(mode, judgement)| {
        (
            *mode,
            Tried { outcome: trials.get(mode).map(convert_outcome), judged: convert_judgement(judgement) },
        )
    });
    each.collect()
}

fn convert_judgement(judgement: &Judgement) -> Judged {
    Judged {
        verdict: judgement.verdict,
        reason: judgement.reason.clone(),
        reason_id: judgement.reason_id.map(|reason| reason.id().to_owned()),
        cause: judgement.cause.as_ref().map(|cause| Cause {
            rule: cause.rule.to_owned(),
            module: cause.module.clone(),
            chain: cause.chain.clone(),
            what: cause.what.clone(),
        }),
        lost: judgement.lost.clone(),
    }
}

fn convert_crash(crash: &model::CrashReport) -> Crash {
    Crash {
        address: crash.address.map(|address| format!("{address:#x}")),
        object: crash.site.as_ref().map(|site| site.object.clone()),
        symbol: crash.site.as_ref().and_then(|site| site.symbol.clone()),
        offset: crash.site.as_ref().map(|site| format!("{:#x}", site.offset)),
        stack: crash.stack.clone(),
    }
}

fn convert_outcome(trial: &Trial) -> Outcome {
    let base = Outcome {
        after: trial.after.clone(),
        through: trial.through.clone(),
        python: trial.python.as_ref().map(|fault| fault.subject.clone()),
        failed_loads: trial.loads.iter().filter_map(convert_failed_load).collect(),
        printed: trial.printed.clone(),
        crash: trial.crash.as_ref().map(convert_crash),
        kept: trial.kept.iter().map(convert_shared_object).collect(),
        ..Outcome::default()
    };
    match &trial.outcome {
        model::TrialOutcome::Imported => Outcome { kind: "imported".to_owned(), ..base },
        model::TrialOutcome::Refused { by, module, place, error } => Outcome {
            kind: "refused".to_owned(),
            by: Some(match by {
                Refuser::CPython => "cpython".to_owned(),
                Refuser::Module => "module".to_owned(),
            }),
            module: Some(module.clone()),
            place: Some(place.name().to_owned()),
            error: Some(error.kind.clone()),
            text: Some(error.text.clone()),
            ..base
        },
        model::TrialOutcome::Raised { place, error, suspect } => Outcome {
            kind: "raised".to_owned(),
            module: suspect.clone(),
            place: Some(place.name().to_owned()),
            error: Some(error.kind.clone()),
            text: Some(error.text.clone()),
            ..base
        },
        model::TrialOutcome::Crashed { how, place, loading } => Outcome {
            kind: "crashed".to_owned(),
            module: loading.clone(),
            place: Some(place.name().to_owned()),
            text: Some(how.to_string()),
            ..base
        },
        model::TrialOutcome::TimedOut { place, loading } => Outcome {
            kind: "timed-out".to_owned(),
            module: loading.clone(),
            place: Some(place.name().to_owned()),
            ..base
        },
        model::TrialOutcome::Shares { count, objects } => Outcome {
            kind: "shares".to_owned(),
            place: Some(TrialPhase::SecondInterpreter.name().to_owned()),
            module: objects.iter().find_map(|object| object.module.clone()),
            shared: objects.iter().map(convert_shared_object).collect(),
            text: Some(format!("objects that both interpreters reach: {count}")),
            ..base
        },
        model::TrialOutcome::LosesDescriptors { place, loading } => Outcome {
            kind: "loses-descriptors".to_owned(),
            module: loading.clone(),
            place: Some(place.name().to_owned()),
            ..base
        },
        model::TrialOutcome::LeftThreads { names } => Outcome {
            kind: "left-threads".to_owned(),
            place: Some(TrialPhase::Teardown.name().to_owned()),
            text: Some(names.join(", ")),
            ..base
        },
        model::TrialOutcome::NotRun(why) => Outcome {
            kind: "not-run".to_owned(),
            text: Some(match why {
                NotRunReason::Behind(name) => format!("{name} does not import"),
                NotRunReason::Shadowed(Some(other)) => format!("its name loads {other}"),
                NotRunReason::Shadowed(None) => "its name does not load it".to_owned(),
                NotRunReason::Because(_, why) => why.clone(),
            }),
            ..base
        },
    }
}

fn convert_shared_object(object: &model::SharedPythonObject) -> Shared {
    Shared {
        kind: object.kind.clone(),
        is_type: object.is_type,
        is_static: object.is_static,
        module: object.module.clone(),
        ways: object.ways.clone(),
    }
}

fn convert_failed_load(load: &ModuleLoad) -> Option<FailedLoad> {
    let error = load.result.as_ref()?.as_ref().err()?;
    Some(FailedLoad {
        interpreter: load.interpreter.clone(),
        name: load.name.clone(),
        error: error.kind.clone(),
        text: error.text.clone(),
        chain: error.chain.clone(),
    })
}

fn convert_blocker(blocker: &report::BlockerRow) -> Blocker {
    let root = |root: &report::BlockerRoot| Root {
        module: root.module.clone(),
        what: root.what.clone(),
        rule: root.rule.to_owned(),
    };
    let blocked = |blocked: &report::BlockedDistribution| Blocked {
        distribution: blocked.distribution.clone(),
        chain: blocked.chain.clone(),
        also_needs: blocked.also_needs.clone(),
    };
    Blocker {
        distribution: blocker.distribution.clone(),
        roots: blocker.roots.iter().map(root).collect(),
        blocks: blocker.blocks.iter().map(blocked).collect(),
        upgrade: blocker.upgrade.as_ref().map(|upgrade| Upgrade {
            newest: upgrade.newest.clone(),
            since: upgrade.since.clone(),
            words: upgrade.words.clone(),
        }),
    }
}
