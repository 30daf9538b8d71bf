//! Finds the modules that switch the GIL on in a free-threaded build, and judges the imports that load them.

use std::collections::BTreeSet;

use super::failure_trace::trace_failure;
use super::{VerdictInput, messages, module_verdict};
use crate::model::{
    InitKind, Judgement, Mode, ModuleLoad, ReasonId, RootCause, SlotDeclaration, Trial, TrialOutcome, Verdict,
};

/// Judges an import that passes with the GIL forced off, although CPython would have switched the GIL on.
/// Returns `None` if CPython would have left it off.
pub(super) fn judge_gil_activation(input: &VerdictInput<'_>, trial: &Trial) -> Option<Judgement> {
    let loads =
        || trial.successful_loads().filter(|load| load.interpreter == "main" || load.interpreter == "A");
    let own = loads()
        .find(|load| load.name == trial.subject && gil_activation(input, &load.name) == GilActivation::Yes);
    if let Some(load) =
        own.or_else(|| loads().find(|load| gil_activation(input, &load.name) == GilActivation::Yes))
    {
        return Some(judge_gil_activating_load(input, trial, load));
    }
    let unknown = loads().find(|load| gil_activation(input, &load.name) == GilActivation::Unknown)?;
    let reason = format!("could not determine whether {} switches the GIL on", unknown.name);
    Some(Judgement::from_reason_id(ReasonId::GilNotTold, reason))
}

/// Judges a name that the control of the free-threaded build cannot import, although that of the ordinary
/// build can. Returns `None` if the ordinary build's cannot either, or if there is no ordinary environment to
/// compare with.
pub(super) fn judge_free_threaded_only_failure(input: &VerdictInput<'_>, name: &str) -> Option<Judgement> {
    let beside = input.beside.filter(|beside| beside.imports.contains(name))?;
    let root = trace_failure(input, name, Mode::Main)?;
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
    let judgement = module_verdict::judge_failure(input, name, Mode::Main, verdict);
    Some(Judgement { reason: format!("on the free-threaded build, {}", judgement.reason), ..judgement })
}

/// Judges an import that passes without extension modules that it loads on the ordinary build, because the
/// free-threaded environment does not have them. Returns `None` if it loads all of them.
pub(super) fn judge_missing_accelerators(
    input: &VerdictInput<'_>,
    trial: &Trial,
    control: &Trial,
) -> Option<Judgement> {
    let beside = input.beside.filter(|_| control.through.is_none())?;
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

/// Determines whether a module switches the GIL on: by a trial, otherwise by the declaration in its file for
/// this build. Modules of the standard library are not audited, and do not switch it on.
pub(super) fn gil_activation(input: &VerdictInput<'_>, module: &str) -> GilActivation {
    if let Some(enables) = input.trials.enables_gil(module) {
        return if enables { GilActivation::Yes } else { GilActivation::No };
    }
    let Some(facts) = input.facts.get(module) else { return GilActivation::No };
    match (facts.initialisation, facts.gil_slot()) {
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Value(1)) => GilActivation::No,
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Absent | SlotDeclaration::Value(_)) => {
            GilActivation::Yes
        }
        (_, SlotDeclaration::Undetermined)
        | (InitKind::SinglePhase | InitKind::None | InitKind::Undetermined, _) => GilActivation::Unknown,
    }
}

/// Judges an import as blocked because of a load that switches the GIL on.
fn judge_gil_activating_load(input: &VerdictInput<'_>, trial: &Trial, load: &ModuleLoad) -> Judgement {
    let what = messages::describe_gil_activation(input.facts.get(load.name.as_str()).copied());
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
