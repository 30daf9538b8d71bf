//! Evidence for unit tests of verdicts.

use std::collections::BTreeMap;

use super::{ModuleCheck, ModuleEvidence, ReferenceEnvironment, VerdictInput};
use crate::model::{
    AbnormalExit, BinaryFacts, ExtensionFile, ExtensionFileKind, InitKind, Judgement, LoadedModuleDef, Mode,
    ModuleFinding, ModuleLoad, NotRunReason, PythonError, ReasonId, Refuser, RuleId, SharedPythonObject,
    Slot, Trial, TrialOutcome, TrialPhase, Verdict,
};
use crate::trial::Trials;

/// What a verdict is decided from, with owned parts.
#[derive(Default)]
pub(in crate::rules) struct TestEvidence {
    pub(in crate::rules) trials: Trials,
    pub(in crate::rules) facts: BTreeMap<&'static str, BinaryFacts>,
    pub(in crate::rules) no_trials: BTreeMap<Mode, Judgement>,
    pub(in crate::rules) is_free_threaded: bool,
    pub(in crate::rules) beside: Option<ReferenceEnvironment>,
}

impl TestEvidence {
    pub(in crate::rules) fn new(trials: impl IntoIterator<Item = Trial>) -> Self {
        Self { trials: trials.into_iter().collect(), ..Self::default() }
    }

    pub(in crate::rules) fn with_facts(mut self, name: &'static str, facts: BinaryFacts) -> Self {
        self.facts.insert(name, facts);
        self
    }

    pub(in crate::rules) fn free_threaded(self) -> Self {
        Self { is_free_threaded: true, ..self }
    }

    /// Calls a function with the evidence as verdicts get it.
    pub(in crate::rules) fn ask<T>(&self, question: impl FnOnce(&VerdictInput<'_>) -> T) -> T {
        let facts = self.facts.iter().map(|(name, facts)| (*name, facts)).collect();
        question(&VerdictInput {
            trials: &self.trials,
            facts: &facts,
            no_trials: &self.no_trials,
            is_free_threaded: self.is_free_threaded,
            beside: self.beside.as_ref(),
        })
    }
}

/// What a check of the module `till` finds: the rule and the text. `diagnostic` holds the trials without CPython's
/// check and those without its packages.
pub(in crate::rules) fn finding(
    check: ModuleCheck,
    evidence: &TestEvidence,
    diagnostic: Vec<Trial>,
) -> Option<ModuleFinding> {
    let module = ExtensionFile {
        facts: evidence.facts.get("till").cloned().unwrap_or_else(|| BinaryFacts::undetermined("")),
        ..file("till", ExtensionFileKind::ExtensionModule)
    };
    let trials = diagnostic.into_iter().collect();
    evidence.ask(|input| {
        let other = VerdictInput { trials: &trials, ..*input };
        check(&ModuleEvidence { input, unchecked: &other, alone: &other, module: &module })
    })
}

/// The rule that a judgement names: of its reason, otherwise of its root cause.
pub(in crate::rules) fn rule_of(judgement: &Judgement) -> Option<RuleId> {
    judgement.reason_id.map(RuleId::from).or(judgement.cause.as_ref().map(|cause| cause.rule))
}

/// Asserts the verdict, its rule and its reason.
#[track_caller]
pub(in crate::rules) fn assert_judged(
    judgement: &Judgement,
    verdict: Verdict,
    rule: impl Into<Option<RuleId>>,
    reason: &str,
) {
    let shown = (judgement.verdict, rule_of(judgement), judgement.reason.as_str());
    assert_eq!(shown, (verdict, rule.into(), reason));
}

pub(in crate::rules) fn trial(subject: &str, mode: Mode, outcome: TrialOutcome) -> Trial {
    let because = NotRunReason::Because(ReasonId::NotTried, String::new());
    Trial { outcome, ..Trial::not_run(subject, mode, because) }
}

pub(in crate::rules) fn imported(subject: &str, mode: Mode) -> Trial {
    trial(subject, mode, TrialOutcome::Imported)
}

pub(in crate::rules) fn with_loads(trial: Trial, loads: impl IntoIterator<Item = ModuleLoad>) -> Trial {
    Trial { loads: loads.into_iter().collect(), ..trial }
}

pub(in crate::rules) fn error(kind: &str, text: &str) -> PythonError {
    PythonError { kind: kind.to_owned(), text: text.to_owned(), chain: Vec::new() }
}

pub(in crate::rules) fn raised(kind: &str, text: &str) -> TrialOutcome {
    TrialOutcome::Raised { place: TrialPhase::Import, error: error(kind, text), suspect: None }
}

pub(in crate::rules) fn refused(by: Refuser, module: &str, text: &str) -> TrialOutcome {
    TrialOutcome::Refused {
        by,
        module: module.to_owned(),
        place: TrialPhase::Import,
        error: error("ImportError", text),
    }
}

pub(in crate::rules) fn crashed(place: TrialPhase) -> TrialOutcome {
    TrialOutcome::Crashed { how: AbnormalExit::Signal(11), place, loading: None }
}

pub(in crate::rules) fn behind(other: &str) -> TrialOutcome {
    TrialOutcome::NotRun(NotRunReason::Behind(other.to_owned()))
}

pub(in crate::rules) fn because(reason: ReasonId, why: &str) -> TrialOutcome {
    TrialOutcome::NotRun(NotRunReason::Because(reason, why.to_owned()))
}

pub(in crate::rules) fn shares(module: Option<&str>, count: usize) -> TrialOutcome {
    TrialOutcome::Shares { count, objects: vec![shared_object(module)] }
}

pub(in crate::rules) fn shared_object(module: Option<&str>) -> SharedPythonObject {
    SharedPythonObject {
        kind: "dict".to_owned(),
        is_type: false,
        is_static: false,
        module: module.map(str::to_owned),
        ways: ["till.one -> dict".to_owned(), "till.two -> dict".to_owned()],
    }
}

/// A load in the named interpreter that succeeded, or raised.
pub(in crate::rules) fn load(interpreter: &str, name: &str, result: Result<(), PythonError>) -> ModuleLoad {
    ModuleLoad {
        interpreter: interpreter.to_owned(),
        name: name.to_owned(),
        path: format!("/site/{}.so", name.replace('.', "/")),
        chain: Vec::new(),
        enables_gil: false,
        declared: None,
        behind: None,
        raised_in: None,
        result: Some(result),
    }
}

pub(in crate::rules) fn declaring(load: ModuleLoad, slots: &[(u16, Option<u64>)]) -> ModuleLoad {
    ModuleLoad { declared: Some(LoadedModuleDef { m_size: 0, slots: slots.to_vec() }), ..load }
}

pub(in crate::rules) fn facts(initialisation: InitKind, slots: &[(u16, u64)]) -> BinaryFacts {
    let slots = slots.iter().map(|(id, value)| Slot { id: *id, value: *value }).collect();
    BinaryFacts { initialisation, m_size: Some(0), slots: Some(slots), ..BinaryFacts::undetermined("") }
}

pub(in crate::rules) fn file(name: &str, kind: ExtensionFileKind) -> ExtensionFile {
    let file = format!("{}.so", name.replace('.', "/"));
    ExtensionFile {
        name: name.to_owned(),
        path: format!("/site/{file}").into(),
        file,
        distribution: None,
        kind,
        facts: BinaryFacts::undetermined(""),
        sha256: None,
        size: 0,
        toolchain: None,
    }
}
