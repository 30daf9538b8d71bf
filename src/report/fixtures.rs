//! Rows for the unit tests of this folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::rows::{
    ApplicationRow, ControlReply, DistributionRow, ExerciseRow, ModuleRow, ModuleUse, NameRow, Report,
    RequestRow,
};
use super::v1::{DecidedBy, Inspected, Python, RequestInMode, RequestResult};
use crate::model::{
    AbnormalExit, AvailableUpgrade, BinaryFacts, BinaryHazard, ConfigLocation, CrashLocation, CrashReport,
    DaemonProcess, Deployment, DeploymentFinding, Doubt, ExtensionFileKind, HazardWeight, ImportKind,
    InitKind, Judgement, Mode, ModuleFinding, ModuleLoad, NotRunReason, PythonDefect, PythonError, Refuser,
    RootCause, RuleId, ScriptMount, SharedPythonObject, Slot, SourceAnalysis, SourceHazard, SourceLocation,
    Trial, TrialOutcome, TrialPhase, UnresolvedImport, VariableUse, Verdict,
};

/// A judgement whose reason is the verdict's name.
pub(super) fn judged(verdict: Verdict) -> Judgement {
    Judgement::from_evidence(verdict, None, verdict.name())
}

/// Blocked by a module that CPython refuses.
pub(super) fn blocked_by(chain: &[&str]) -> Judgement {
    let chain: Vec<String> = chain.iter().map(|name| (*name).to_owned()).collect();
    let module = chain.last().cloned().unwrap_or_default();
    let cause = RootCause { rule: RuleId::Refused, module, chain, what: "refused".to_owned() };
    Judgement::from_evidence(Verdict::Blocked, Some(cause), "blocked")
}

/// The judgement in one mode.
pub(super) fn in_mode(mode: Mode, judgement: Judgement) -> BTreeMap<Mode, Judgement> {
    BTreeMap::from([(mode, judgement)])
}

/// The judgement in own-gil.
pub(super) fn own_gil(judgement: Judgement) -> BTreeMap<Mode, Judgement> {
    in_mode(Mode::OwnGil, judgement)
}

pub(super) fn module(name: &str, owner: Option<&str>, judgements: BTreeMap<Mode, Judgement>) -> ModuleRow {
    ModuleRow {
        name: name.to_owned(),
        file: format!("{name}.so"),
        folder: "/site".to_owned(),
        sha256: None,
        rank: 0,
        distribution: owner.map(str::to_owned),
        kind: ExtensionFileKind::ExtensionModule,
        facts: multi_phase(&[(3, 2)]),
        trials: BTreeMap::new(),
        judgements,
        other_build: None,
        findings: Vec::new(),
    }
}

pub(super) fn multi_phase(slots: &[(u16, u64)]) -> BinaryFacts {
    BinaryFacts {
        init_function: Some("PyInit_m".to_owned()),
        initialisation: InitKind::MultiPhase,
        slots: Some(slots.iter().map(|(id, value)| Slot { id: *id, value: *value }).collect()),
        doubts: Vec::new(),
        ..BinaryFacts::undetermined("")
    }
}

pub(super) fn distribution(name: Option<&str>, judgements: BTreeMap<Mode, Judgement>) -> DistributionRow {
    DistributionRow {
        name: name.map(str::to_owned),
        version: "1.0".to_owned(),
        modules: 1,
        declaration: "slot 3 = 2".to_owned(),
        top_level: Vec::new(),
        judgements,
    }
}

pub(super) fn top_level(name: &str, judgements: BTreeMap<Mode, Judgement>) -> NameRow {
    NameRow { name: name.to_owned(), trials: BTreeMap::new(), judgements }
}

pub(super) fn application(name: &str, judgements: BTreeMap<Mode, Judgement>) -> ApplicationRow {
    ApplicationRow {
        name: name.to_owned(),
        file: format!("{name}.py"),
        callable: "application".to_owned(),
        served: None,
        sources: SourceAnalysis::default(),
        trials: BTreeMap::new(),
        judgements,
        modules: Vec::new(),
        open_imports: Vec::new(),
    }
}

pub(super) fn exercise(application: Option<&str>, judgements: BTreeMap<Mode, Judgement>) -> ExerciseRow {
    ExerciseRow { application: application.map(str::to_owned), judgements, ..ExerciseRow::new("use.py") }
}

/// A trial that ended so.
pub(super) fn trial(mode: Mode, outcome: TrialOutcome) -> Trial {
    Trial { outcome, ..Trial::not_run("shop", mode, NotRunReason::Shadowed(None)) }
}

/// A control that passed and loaded these modules, each through `shop`.
pub(super) fn control(loaded: &[&str]) -> Trial {
    let loads = loaded.iter().map(|name| ModuleLoad {
        interpreter: "main".to_owned(),
        name: (*name).to_owned(),
        path: String::new(),
        chain: vec!["shop".to_owned()],
        enables_gil: false,
        declared: None,
        behind: None,
        raised_in: None,
        result: Some(Ok(())),
    });
    Trial { loads: loads.collect(), ..trial(Mode::Main, TrialOutcome::Imported) }
}

/// An empty report that was asked about shared-gil and own-gil.
pub(super) fn report() -> Report {
    Report {
        python: None,
        free_threaded: None,
        modes: Mode::WITH_GIL.to_vec(),
        decided_by: DecidedBy::Distributions,
        distributions: Vec::new(),
        modules: Vec::new(),
        blockers: BTreeMap::new(),
        applications: Vec::new(),
        exercises: Vec::new(),
        deployment: None,
        python_findings: Vec::new(),
        notes: Vec::new(),
        trouble: Vec::new(),
    }
}

pub(super) fn config_line() -> ConfigLocation {
    ConfigLocation { file: PathBuf::from("/etc/a.conf"), line: 3 }
}

/// A configuration that mounts these applications.
pub(super) fn deployment(mounts: &[(&str, Mode)]) -> Deployment {
    let mount = |(application, mode): &(&str, Mode)| ScriptMount {
        host: String::new(),
        url: "/".to_owned(),
        except: Vec::new(),
        limited: None,
        script: PathBuf::from("/srv/shop.wsgi"),
        callable: "application".to_owned(),
        process_group: "d".to_owned(),
        application_group: "g".to_owned(),
        other_groups: Vec::new(),
        mode: *mode,
        status: None,
        application: Some((*application).to_owned()),
        place: config_line(),
    };
    Deployment {
        file: PathBuf::from("/etc/a.conf"),
        daemons: Vec::new(),
        python_path: Vec::new(),
        landings: mounts.iter().map(mount).collect(),
        findings: Vec::new(),
        not_told: Vec::new(),
    }
}

pub(super) fn config_finding(rule: RuleId, mode: Mode, application: Option<&str>) -> DeploymentFinding {
    DeploymentFinding {
        place: config_line(),
        rule,
        mode,
        text: "is ignored".to_owned(),
        application: application.map(str::to_owned),
    }
}

/// A report in which every kind of row has one, and every text a path.
pub(super) fn full_report() -> Report {
    let text = |text: &str| format!("/srv/{text}");
    let cause = RootCause {
        rule: RuleId::RefusesByItself,
        module: text("root"),
        chain: vec![text("link"), text("root")],
        what: text("what"),
    };
    let judgement = Judgement {
        reason_id: None,
        lost: vec![text("lost")],
        ..Judgement::from_evidence(Verdict::Blocked, Some(cause), text("reason"))
    };
    let object = SharedPythonObject {
        kind: text("kind"),
        is_type: true,
        is_static: false,
        module: Some(text("holder")),
        ways: [text("way-a"), text("way-b")],
    };
    let error = PythonError { kind: text("Error"), text: text("said"), chain: vec![text("by")] };
    let mut refused = trial(
        Mode::OwnGil,
        TrialOutcome::Refused {
            by: Refuser::CPython,
            module: text("m"),
            place: TrialPhase::SecondInterpreter,
            error: error.clone(),
        },
    );
    let failed = ModuleLoad { result: Some(Err(error)), ..control(&["m"]).loads[0].clone() };
    refused.loads = control(&["ok"]).loads.iter().cloned().chain([failed]).collect();
    refused.printed = text("printed");
    refused.kept = vec![object.clone()];
    refused.after = Some(text("after"));
    refused.through = Some(text("through"));
    let mut crashed = trial(
        Mode::SharedGil,
        TrialOutcome::Crashed { how: AbnormalExit::Signal(11), place: TrialPhase::Storm, loading: None },
    );
    let site = CrashLocation { object: text("libc"), symbol: Some(text("f")), offset: 16 };
    crashed.crash = Some(CrashReport { address: Some(255), site: Some(site), stack: text("stack") });
    crashed.python = Some(std::sync::Arc::new(trial(Mode::Main, TrialOutcome::Imported)));
    let shares = trial(Mode::FreeThreaded, TrialOutcome::Shares { count: 2, objects: vec![object] });
    let trials =
        [refused, crashed, shares].map(|trial| (trial.mode, trial)).into_iter().collect::<BTreeMap<_, _>>();
    let judgements: BTreeMap<_, _> = trials.keys().map(|mode| (*mode, judgement.clone())).collect();

    let mut facts = multi_phase(&[(2, 64), (3, 1)]);
    facts.hazards = vec![BinaryHazard { kind: RuleId::StaticType, evidence: text("evidence") }];
    facts.doubts = vec![Doubt(text("doubt"))];
    let row = ModuleRow {
        sha256: Some(text("digest")),
        trials: trials.clone(),
        facts: facts.clone(),
        other_build: Some(Inspected::new(&text("other"), &facts)),
        findings: vec![ModuleFinding { rule: RuleId::DeclareSlot, text: text("found"), add: &["{3, 2}"] }],
        ..module(&text("m"), Some(&text("dist")), judgements.clone())
    };
    let mut owner = distribution(Some(&text("dist")), judgements.clone());
    owner.top_level = vec![NameRow { trials: trials.clone(), ..top_level(&text("top"), judgements.clone()) }];

    let spot = |line| SourceLocation { file: text("shop").into(), line, function: text("f") };
    let hazard = |weight| SourceHazard {
        weight,
        spot: spot(1),
        rule: RuleId::ProcessState,
        text: text("hazard"),
        name: Some(text("name")),
        used: Some(VariableUse::State),
        others: vec![spot(2)],
        refused: None,
    };
    let mut shop = application(&text("shop"), judgements.clone());
    shop.trials = trials.clone();
    shop.sources = SourceAnalysis {
        files: 3,
        hazards: vec![hazard(HazardWeight::High), hazard(HazardWeight::Low), hazard(HazardWeight::Low)],
        elsewhere: vec![hazard(HazardWeight::Middle)],
        not_followed: vec![(spot(4), UnresolvedImport::Computed(text("import")))],
        not_followed_elsewhere: vec![(spot(5), UnresolvedImport::Missing(text("import"))); 2],
        ..SourceAnalysis::default()
    };
    shop.modules = vec![ModuleUse {
        module: text("used"),
        way: Some(ImportKind::LazyOptional),
        is_loaded: false,
        through: Some(spot(6)),
        chain: vec![text("link")],
    }];
    let reply = ControlReply {
        status: text("200 OK"),
        bytes: Some(4),
        sha256: Some(text("body")),
        milliseconds: 1.5,
    };
    let in_other = RequestInMode { result: RequestResult::Differs, status: Some(text("500")) };
    let request = RequestRow {
        method: text("GET"),
        target: text("/"),
        main: Some(reply),
        modes: BTreeMap::from([(Mode::OwnGil, in_other)]),
    };
    let mut asked = exercise(Some(&text("shop")), judgements);
    asked.requests = vec![request.clone(), RequestRow { main: None, ..request }];
    let mut apache = deployment(&[("shop", Mode::OwnGil)]);
    apache.daemons = vec![DaemonProcess {
        name: text("d"),
        options: vec![("home".to_owned(), text("home"))],
        place: config_line(),
    }];
    apache.landings[0].except = vec![text("static")];
    apache.landings[0].limited = Some(config_line());
    apache.landings[0].other_groups = vec![text("group")];
    apache.findings = vec![config_finding(RuleId::ApacheAccessDenied, Mode::OwnGil, Some("shop"))];
    apache.not_told = vec![(config_line(), text("open"))];
    let python =
        Python { python: text("3.14"), abi: text("abi"), platform: text("linux"), free_threaded: false };
    let mut blockers = super::blockers::find_blockers(
        Mode::OwnGil,
        std::slice::from_ref(&owner),
        std::slice::from_ref(&row),
    );
    blockers[0].upgrade =
        Some(AvailableUpgrade { newest: Some(text("2")), since: Some(text("1")), words: text("words") });
    Report {
        python: Some(python.clone()),
        free_threaded: Some(python),
        distributions: vec![owner],
        modules: vec![row],
        blockers: BTreeMap::from([(Mode::OwnGil, blockers)]),
        applications: vec![shop],
        exercises: vec![exercise(None, BTreeMap::new()), asked],
        deployment: Some(apache),
        python_findings: vec![PythonDefect {
            rule: RuleId::PythonDefect,
            mode: Mode::OwnGil,
            module: text("std"),
            what: text("what"),
            text: text("text"),
            mended: Some(text("3.15")),
            issue: Some(text("issue")),
        }],
        notes: vec![text("note")],
        trouble: vec![text("trouble")],
        ..report()
    }
}
