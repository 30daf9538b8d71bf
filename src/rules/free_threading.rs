//! Finds the modules that switch the GIL on in a free-threaded build, and judges the imports that load them.

use std::collections::BTreeSet;

use wsgiaudit_probes_core::interpreter_names;

use super::failed_import::judge_failure;
use super::failure_trace::{keep_last_occurrences, trace_failure};
use super::{VerdictInput, messages};
use crate::model::{
    InitKind, Judgement, Mode, ModuleLoad, ReasonId, RootCause, RuleId, SlotDeclaration, Trial, TrialOutcome,
    Verdict,
};

/// Judges an import that passes with the GIL forced off, although CPython would have switched the GIL on.
/// Returns `None` if CPython would have left it off.
pub(super) fn judge_gil_activation(input: &VerdictInput<'_>, trial: &Trial) -> Option<Judgement> {
    let loads = || trial.successful_loads().filter(|load| interpreter_names::is_first(&load.interpreter));
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
        | TrialOutcome::BreaksIsolation { .. }
        | TrialOutcome::Shares { .. } => Verdict::Unsafe,
        TrialOutcome::Raised { error, .. } => {
            let missing =
                error.text.strip_prefix("No module named '").and_then(|text| text.split('\'').next());
            let why = missing.and_then(|missing| Some((missing, beside.absent.get(missing)?)));
            if let Some((missing, what)) = why {
                let chain = root.cause.chain.into_iter().chain([missing.to_owned()]).collect();
                let cause = RootCause {
                    rule: RuleId::NoFreeThreadedWheel,
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
    let judgement = judge_failure(input, name, Mode::Main, verdict);
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
        rule: RuleId::LostAccelerator,
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
    let chain = [&trial.subject].into_iter().chain(&load.chain).chain([&load.name]).cloned();
    let chain = keep_last_occurrences(chain);
    let reason = match load.name == trial.subject {
        true => what.clone(),
        false => format!("needs {}, which {what}", load.name),
    };
    let cause = RootCause { rule: RuleId::SwitchesGilOn, module: load.name.clone(), chain, what };
    Judgement::from_evidence(Verdict::Blocked, Some(cause), reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BinaryFacts;
    use crate::rules::ReferenceEnvironment;
    use crate::rules::test_evidence::*;

    #[test]
    fn a_declaration_tells_whether_the_gil_is_switched_on() {
        let slots = |slots: &[(u16, u64)]| facts(InitKind::MultiPhase, slots);
        let unread = BinaryFacts { slots: None, ..slots(&[]) };
        for (facts, expected) in [
            (slots(&[(4, 1)]), GilActivation::No),
            (slots(&[(87, 1)]), GilActivation::No),
            (slots(&[(4, 0)]), GilActivation::Yes),
            (slots(&[]), GilActivation::Yes),
            (facts(InitKind::ModExport, &[(87, 1)]), GilActivation::No),
            (facts(InitKind::ModExport, &[]), GilActivation::Yes),
            (facts(InitKind::SinglePhase, &[]), GilActivation::Unknown),
            (facts(InitKind::None, &[]), GilActivation::Unknown),
            (unread, GilActivation::Unknown),
        ] {
            let shown = format!("{facts:?}");
            let evidence = TestEvidence::default().with_facts("till", facts);
            assert_eq!(evidence.ask(|input| gil_activation(input, "till")), expected, "{shown}");
        }
        assert_eq!(TestEvidence::default().ask(|input| gil_activation(input, "math")), GilActivation::No);
    }

    #[test]
    fn the_subject_s_own_load_is_named_first() {
        let judged = |loads: Vec<ModuleLoad>| {
            let trial = with_loads(imported("till", Mode::FreeThreaded), loads);
            TestEvidence::new([])
                .with_facts("till", facts(InitKind::MultiPhase, &[]))
                .with_facts("lamp", facts(InitKind::MultiPhase, &[(4, 0)]))
                .with_facts("odd", facts(InitKind::SinglePhase, &[]))
                .with_facts("fine", facts(InitKind::MultiPhase, &[(4, 1)]))
                .ask(|input| judge_gil_activation(input, &trial))
        };
        let ok = |interpreter: &str, name: &str| load(interpreter, name, Ok(()));
        let on = RuleId::SwitchesGilOn;
        for (loads, rule, reason) in [
            (vec![ok("main", "lamp"), ok("main", "till")], on, "switches the GIL on: no slot 4"),
            (vec![ok("A", "lamp")], on, "needs lamp, which switches the GIL on: slot 4 = 0"),
            (vec![ok("A", "odd"), ok("A", "lamp")], on, "needs lamp, which switches the GIL on: slot 4 = 0"),
            (
                vec![ok("A", "fine"), ok("A", "odd")],
                RuleId::GilNotTold,
                "could not determine whether odd switches the GIL on",
            ),
        ] {
            let judgement = judged(loads).unwrap();
            assert_eq!((rule_of(&judgement), judgement.reason.as_str()), (Some(rule), reason));
        }
        let chained = ModuleLoad { chain: vec!["till".to_owned(), "shop".to_owned()], ..ok("A", "lamp") };
        assert_eq!(judged(vec![chained]).unwrap().cause.unwrap().chain, ["till", "shop", "lamp"]);
        for loads in [
            vec![],
            vec![ok("A", "fine"), ok("A", "math")],
            vec![ok("B", "lamp")],
            vec![load("A", "lamp", Err(error("ImportError", "x")))],
        ] {
            assert_eq!(judged(loads), None);
        }
    }

    fn beside(loads: &[&str]) -> ReferenceEnvironment {
        ReferenceEnvironment {
            imports: ["till".to_owned()].into(),
            loads: [("till".to_owned(), loads.iter().map(|name| (*name).to_owned()).collect())].into(),
            absent: [("lamp".to_owned(), "has no free-threaded wheel".to_owned())].into(),
        }
    }

    #[test]
    fn what_only_the_free_threaded_control_cannot_import_is_judged() {
        let judged = |outcome: TrialOutcome, beside: Option<ReferenceEnvironment>| {
            let evidence = TestEvidence::new([trial("till", Mode::Main, outcome)]);
            TestEvidence { beside, ..evidence }.ask(|input| judge_free_threaded_only_failure(input, "till"))
        };
        let missing = |name: &str| raised("ModuleNotFoundError", &format!("No module named '{name}'"));
        let hangs = TrialOutcome::TimedOut { place: crate::model::TrialPhase::Import, loading: None };
        for (outcome, verdict, rule, reason) in [
            (
                missing("lamp"),
                Verdict::Blocked,
                RuleId::NoFreeThreadedWheel,
                "needs lamp, which has no free-threaded wheel",
            ),
            (
                missing("bulb"),
                Verdict::Blocked,
                RuleId::Raises,
                "on the free-threaded build, raises ModuleNotFoundError: No module named 'bulb' at import",
            ),
            (hangs, Verdict::Unsafe, RuleId::Hangs, "on the free-threaded build, hangs at import"),
            (
                shares(None, 1),
                Verdict::Unsafe,
                RuleId::SharesObjects,
                "on the free-threaded build, shares a dict (till.two -> dict) between interpreters",
            ),
        ] {
            assert_judged(&judged(outcome, Some(beside(&[]))).unwrap(), verdict, rule, reason);
        }
        assert_eq!(judged(missing("lamp"), None), None);
        assert_eq!(judged(missing("lamp"), Some(ReferenceEnvironment::default())), None);
        assert_eq!(judged(TrialOutcome::Imported, Some(beside(&[]))), None);
    }

    #[test]
    fn accelerators_that_the_free_threaded_build_lacks_are_lost() {
        let judged = |there: &[&str], control: Trial| {
            let evidence = TestEvidence { beside: Some(beside(there)), ..TestEvidence::default() };
            let trial = imported("till", Mode::FreeThreaded);
            evidence.ask(|input| judge_missing_accelerators(input, &trial, &control))
        };
        let control = || with_loads(imported("till", Mode::Main), [load("main", "till._a", Ok(()))]);
        for (there, reason) in [
            (
                &["till._a", "till._b"][..],
                "imports without till._b, which the free-threaded build does not have",
            ),
            (
                &["till._b", "till._c", "till._d"],
                "imports without till._b and 2 more, which the free-threaded build does not have",
            ),
        ] {
            let judgement = judged(there, control()).unwrap();
            assert_judged(&judgement, Verdict::Degraded, RuleId::LostAccelerator, reason);
            assert!(judgement.lost.contains(&"till._b".to_owned()));
        }
        assert_eq!(judged(&["till._a"], control()), None);
        assert_eq!(judged(&["till._b"], Trial { through: Some("shop".to_owned()), ..control() }), None);
    }
}
