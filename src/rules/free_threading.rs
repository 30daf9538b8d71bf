//! Which of the modules that an import loads switch the GIL on in a free-threaded build.

use std::collections::BTreeSet;

use super::failure_trace::trace_failure;
use super::{VerdictInput, messages, module_verdict};
use crate::model::{
    InitKind, Judgement, Mode, ModuleLoad, ReasonId, RootCause, SlotDeclaration, Trial, TrialOutcome, Verdict,
};

/// The judgement of an import that passes with the GIL forced off, where CPython itself would not have left it
/// off. `None` where it would.
pub(super) fn judge_gil_activation(case: &VerdictInput<'_>, trial: &Trial) -> Option<Judgement> {
    let loads =
        || trial.successful_loads().filter(|load| load.interpreter == "main" || load.interpreter == "A");
    let own = loads()
        .find(|load| load.name == trial.subject && gil_activation(case, &load.name) == GilActivation::Yes);
    if let Some(load) =
        own.or_else(|| loads().find(|load| gil_activation(case, &load.name) == GilActivation::Yes))
    {
        return Some(judge_gil_activating_load(case, trial, load));
    }
    let open = loads().find(|load| gil_activation(case, &load.name) == GilActivation::Unknown)?;
    let reason = format!("could not be told whether {} switches the GIL on", open.name);
    Some(Judgement::from_reason_id(ReasonId::GilNotTold, reason))
}

/// The judgement of a name that the free-threaded build's own control does not import, though the other build's
/// does. `None` where that one does not either, or is not there.
pub(super) fn judge_free_threaded_only_failure(case: &VerdictInput<'_>, name: &str) -> Option<Judgement> {
    let beside = case.beside.filter(|beside| beside.imports.contains(name))?;
    let root = trace_failure(case, name, Mode::Main)?;
    let verdict = match &root.trial.outcome {
        TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. } => Verdict::Unsafe,
        TrialOutcome::Raised { error, .. } => {
            let missing =
                error.text.strip_prefix("No module named '").and_then(|text| text.split('\'').next());
            let why = missing.and_then(|missing| Some((missing, beside.absent.get(missing)?)));
            if let Some((missing, what)) = why {
                let chain = root.cause.chain.into_iter().chain([missing.to_owned()]).collect();
                let cause = RootCause {
                    rule: "no-free-threaded-wheel",
                    module: missing.to_owned(),
                    chain,
                    what: what.clone(),
                };
                let reason = format!("needs {missing}, which {what}");
                return Some(Judgement::from_evidence(Verdict::Blocked, Some(cause), reason));
            }
            Verdict::Blocked
        }
        TrialOutcome::Imported | TrialOutcome::Refused { .. } | TrialOutcome::NotRun(_) => Verdict::Blocked,
    };
    let judgement = module_verdict::judge_failure(case, name, Mode::Main, verdict);
    Some(Judgement { reason: format!("on the free-threaded build, {}", judgement.reason), ..judgement })
}

/// The judgement of an import that passes here without extension modules that it loads on the other build: their
/// wheel is missing, or has none. `None` where it loads them all.
pub(super) fn judge_missing_accelerators(
    case: &VerdictInput<'_>,
    trial: &Trial,
    control: &Trial,
) -> Option<Judgement> {
    let beside = case.beside.filter(|_| control.through.is_none())?;
    let there = beside.loads.get(&trial.subject)?;
    let here: BTreeSet<&str> = control.successful_loads().map(|load| load.name.as_str()).collect();
    let lost: Vec<String> = there.iter().filter(|name| !here.contains(name.as_str())).cloned().collect();
    let first = lost.first()?.clone();
    let what = "which the free-threaded build does not have".to_owned();
    let reason = match lost.len() {
        1 => format!("imports without {first}, {what}"),
        count => format!("imports without {first} and {} more, {what}", count - 1),
    };
    let cause = RootCause {
        rule: "lost-accelerator",
        chain: vec![trial.subject.clone(), first.clone()],
        module: first,
        what,
    };
    Some(Judgement { lost, ..Judgement::from_evidence(Verdict::Degraded, Some(cause), reason) })
}

/// Whether a module switches the GIL on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GilActivation {
    Yes,
    No,
    Unknown,
}

/// By trial; where none told, by what its file for this very build declares. A module of the standard library is
/// no subject: it does not.
pub(super) fn gil_activation(case: &VerdictInput<'_>, module: &str) -> GilActivation {
    if let Some(enables) = case.trials.enables_gil(module) {
        return if enables { GilActivation::Yes } else { GilActivation::No };
    }
    let Some(facts) = case.facts.get(module) else { return GilActivation::No };
    match (facts.initialisation, facts.gil_slot()) {
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Value(1)) => GilActivation::No,
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Absent | SlotDeclaration::Value(_)) => {
            GilActivation::Yes
        }
        (_, SlotDeclaration::Undetermined)
        | (InitKind::SinglePhase | InitKind::None | InitKind::Undetermined, _) => GilActivation::Unknown,
    }
}

fn judge_gil_activating_load(case: &VerdictInput<'_>, trial: &Trial, load: &ModuleLoad) -> Judgement {
    let what = messages::describe_gil_activation(case.facts.get(load.name.as_str()).copied());
    let mut chain = vec![trial.subject.clone()];
    for name in load.chain.iter().chain([&load.name]) {
        chain.retain(|each| each != name);
        chain.push(name.clone());
    }
    let reason = match load.name == trial.subject {
        true => what.clone(),
        false => format!("needs {}, which {what}", load.name),
    };
    let cause = RootCause { rule: "switches-gil-on", module: load.name.clone(), chain, what };
    Judgement::from_evidence(Verdict::Blocked, Some(cause), reason)
}
