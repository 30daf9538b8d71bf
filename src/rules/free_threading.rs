//! Which of the modules that an import loads switch the GIL on in a free-threaded build.

use std::collections::BTreeSet;

use super::cause::root;
use super::{Case, module, words};
use crate::model::{
    Cause, Declared, Initialisation, Judgement, Load, Mode, Outcome, ReasonId, Trial, Verdict,
};

/// The judgement of an import that passes with the GIL forced off, where CPython itself would not have left it
/// off. `None` where it would.
pub(super) fn switches_gil_on(case: &Case<'_>, trial: &Trial) -> Option<Judgement> {
    let loads = || trial.loaded().filter(|load| load.interpreter == "main" || load.interpreter == "A");
    let own = loads().find(|load| load.name == trial.subject && enables(case, &load.name) == Enables::Yes);
    if let Some(load) = own.or_else(|| loads().find(|load| enables(case, &load.name) == Enables::Yes)) {
        return Some(blocked(case, trial, load));
    }
    let open = loads().find(|load| enables(case, &load.name) == Enables::Unknown)?;
    let reason = format!("could not be told whether {} switches the GIL on", open.name);
    Some(Judgement::open(ReasonId::GilNotTold, reason))
}

/// The judgement of a name that the free-threaded build's own control does not import, though the other build's
/// does. `None` where that one does not either, or is not there.
pub(super) fn only_here(case: &Case<'_>, name: &str) -> Option<Judgement> {
    let beside = case.beside.filter(|beside| beside.imports.contains(name))?;
    let root = root(case, name, Mode::Main)?;
    let verdict = match &root.trial.outcome {
        Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. } => Verdict::Unsafe,
        Outcome::Raised { error, .. } => {
            let missing =
                error.text.strip_prefix("No module named '").and_then(|text| text.split('\'').next());
            let why = missing.and_then(|missing| Some((missing, beside.absent.get(missing)?)));
            if let Some((missing, what)) = why {
                let chain = root.cause.chain.into_iter().chain([missing.to_owned()]).collect();
                let cause = Cause {
                    rule: "no-free-threaded-wheel",
                    module: missing.to_owned(),
                    chain,
                    what: what.clone(),
                };
                let reason = format!("needs {missing}, which {what}");
                return Some(Judgement::found(Verdict::Blocked, Some(cause), reason));
            }
            Verdict::Blocked
        }
        Outcome::Imported | Outcome::Refused { .. } | Outcome::NotRun(_) => Verdict::Blocked,
    };
    let judgement = module::failed(case, name, Mode::Main, verdict);
    Some(Judgement { reason: format!("on the free-threaded build, {}", judgement.reason), ..judgement })
}

/// The judgement of an import that passes here without extension modules that it loads on the other build: their
/// wheel is missing, or has none. `None` where it loads them all.
pub(super) fn lost_on_this_build(case: &Case<'_>, trial: &Trial, control: &Trial) -> Option<Judgement> {
    let beside = case.beside.filter(|_| control.through.is_none())?;
    let there = beside.loads.get(&trial.subject)?;
    let here: BTreeSet<&str> = control.loaded().map(|load| load.name.as_str()).collect();
    let lost: Vec<String> = there.iter().filter(|name| !here.contains(name.as_str())).cloned().collect();
    let first = lost.first()?.clone();
    let what = "which the free-threaded build does not have".to_owned();
    let reason = match lost.len() {
        1 => format!("imports without {first}, {what}"),
        count => format!("imports without {first} and {} more, {what}", count - 1),
    };
    let cause = Cause {
        rule: "lost-accelerator",
        chain: vec![trial.subject.clone(), first.clone()],
        module: first,
        what,
    };
    Some(Judgement { lost, ..Judgement::found(Verdict::Degraded, Some(cause), reason) })
}

/// Whether a module switches the GIL on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enables {
    Yes,
    No,
    Unknown,
}

/// By trial; where none told, by what its file for this very build declares. A module of the standard library is
/// no subject: it does not.
pub(super) fn enables(case: &Case<'_>, module: &str) -> Enables {
    if let Some(enables) = case.trials.enables_gil(module) {
        return if enables { Enables::Yes } else { Enables::No };
    }
    let Some(facts) = case.facts.get(module) else { return Enables::No };
    match (facts.initialisation, facts.gil()) {
        (Initialisation::MultiPhase | Initialisation::ModExport, Declared::Value(1)) => Enables::No,
        (Initialisation::MultiPhase | Initialisation::ModExport, Declared::Absent | Declared::Value(_)) => {
            Enables::Yes
        }
        (_, Declared::Undetermined)
        | (Initialisation::SinglePhase | Initialisation::None | Initialisation::Undetermined, _) => {
            Enables::Unknown
        }
    }
}

fn blocked(case: &Case<'_>, trial: &Trial, load: &Load) -> Judgement {
    let what = words::switches_gil_on(case.facts.get(load.name.as_str()).copied());
    let mut chain = vec![trial.subject.clone()];
    for name in load.chain.iter().chain([&load.name]) {
        chain.retain(|each| each != name);
        chain.push(name.clone());
    }
    let reason = match load.name == trial.subject {
        true => what.clone(),
        false => format!("needs {}, which {what}", load.name),
    };
    let cause = Cause { rule: "switches-gil-on", module: load.name.clone(), chain, what };
    Judgement::found(Verdict::Blocked, Some(cause), reason)
}
