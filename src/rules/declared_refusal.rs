//! Judges untried modules by their declaration.
//!
//! CPython's check reads nothing but the declaration, so a refusal needs no trial. A module that the control
//! could not import is refused all the same.

use super::failure_trace::{keep_last_occurrences, trace_failure};
use super::free_threading::{GilActivation, gil_activation};
use super::{VerdictInput, messages};
use crate::model::{
    Judgement, Mode, ModuleLoad, PythonError, RootCause, RuleId, Trial, TrialOutcome, Verdict,
};

/// Judges a name that could not be tried as blocked, if CPython refuses it by its declaration, or refuses the
/// module whose failure ended its import in the control. Returns `None` if no declaration decides.
pub(super) fn judge_declared_refusal(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<Judgement> {
    let cause =
        refusal_of_module(input, name, mode).or_else(|| refusal_of_required_module(input, name, mode))?;
    let reason = messages::describe_cause(&cause, name);
    Some(Judgement::from_evidence(Verdict::Blocked, Some(cause), reason))
}

/// Returns the refusal of this module by its declaration.
fn refusal_of_module(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<RootCause> {
    let facts = input.facts.get(name)?;
    let is_refused = match mode {
        // With private copies, the loader does not apply CPython's check.
        Mode::Main | Mode::OwnGilCopies | Mode::FreeThreaded => false,
        Mode::OwnGil => messages::is_refused_by_declaration(facts),
        Mode::SharedGil | Mode::FreeThreadedGroup => {
            input.is_free_threaded && messages::is_refused_in_free_threaded_group(facts)
        }
    };
    let (rule, what) = if is_refused {
        (RuleId::Refused, messages::describe_refusal(Some(facts)))
    } else if mode.is_free_threaded() && gil_activation(input, name) == GilActivation::Yes {
        (RuleId::SwitchesGilOn, messages::describe_gil_activation(Some(facts)))
    } else {
        return None;
    };
    Some(RootCause { rule, module: name.to_owned(), chain: vec![name.to_owned()], what })
}

/// Returns the refusal of the module whose failed load ended the import of `name` in the control. Code that
/// did not catch that `ImportError` does not catch CPython's either.
fn refusal_of_required_module(input: &VerdictInput<'_>, name: &str, mode: Mode) -> Option<RootCause> {
    let root = trace_failure(input, name, Mode::Main)?;
    let loads = find_fatal_loads(root.trial)?;
    let found = loads.into_iter().find_map(|load| Some((load, refusal_of_module(input, &load.name, mode)?)));
    let (load, cause) = found?;
    let chain = root.cause.chain.iter().chain(&load.chain).chain([&load.name]).cloned();
    Some(RootCause { chain: keep_last_occurrences(chain), ..cause })
}

/// Returns the failed loads whose `ImportError` is the one that ended the import.
fn find_fatal_loads(trial: &Trial) -> Option<Vec<&ModuleLoad>> {
    let TrialOutcome::Raised { error, .. } = &trial.outcome else { return None };
    let is_same = |other: &PythonError| other.kind == error.kind && other.text == error.text;
    let is_fatal = |load: &&ModuleLoad| matches!(&load.result, Some(Err(other)) if is_same(other));
    is_import_error(error).then(|| trial.loads.iter().rev().filter(is_fatal).collect())
}

/// Whether `except ImportError` catches this exception.
pub(super) fn is_import_error(error: &PythonError) -> bool {
    ["ImportError", "ModuleNotFoundError"].contains(&error.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BinaryFacts, InitKind};
    use crate::rules::test_evidence::*;

    fn judged(evidence: &TestEvidence, mode: Mode) -> Option<(RuleId, String)> {
        let judgement = evidence.ask(|input| judge_declared_refusal(input, "till", mode))?;
        assert_eq!(judgement.verdict, Verdict::Blocked);
        Some((rule_of(&judgement)?, judgement.reason))
    }

    #[test]
    fn a_declaration_is_refused_in_some_modes() {
        let single = || facts(InitKind::SinglePhase, &[]);
        let slots = |slots: &[(u16, u64)]| facts(InitKind::MultiPhase, slots);
        let refused = Some(RuleId::Refused);
        let table: [(BinaryFacts, Mode, bool, Option<RuleId>); 13] = [
            (single(), Mode::OwnGil, false, refused),
            (single(), Mode::Main, false, None),
            (single(), Mode::SharedGil, false, None),
            (single(), Mode::SharedGil, true, refused),
            (single(), Mode::FreeThreadedGroup, true, refused),
            (single(), Mode::FreeThreaded, true, None),
            (slots(&[(3, 0)]), Mode::FreeThreadedGroup, true, refused),
            (slots(&[(3, 1)]), Mode::FreeThreadedGroup, true, Some(RuleId::SwitchesGilOn)),
            (slots(&[(3, 1), (4, 1)]), Mode::FreeThreadedGroup, true, None),
            (slots(&[(3, 1)]), Mode::OwnGil, false, refused),
            (slots(&[(3, 2)]), Mode::OwnGil, false, None),
            (slots(&[(3, 2)]), Mode::FreeThreaded, true, Some(RuleId::SwitchesGilOn)),
            (slots(&[]), Mode::SharedGil, true, None),
        ];
        for (facts, mode, is_free_threaded, expected) in table {
            let shown = format!("{facts:?} in {mode}");
            let evidence = TestEvidence { is_free_threaded, ..TestEvidence::default() };
            let found = judged(&evidence.with_facts("till", facts), mode).map(|(rule, _)| rule);
            assert_eq!(found, expected, "{shown}");
        }
        assert_eq!(judged(&TestEvidence::default(), Mode::OwnGil), None);
    }

    #[test]
    fn a_module_whose_failed_load_ended_the_import_is_refused_in_its_place() {
        let fails = |kind: &str, loaded: PythonError| {
            let load = ModuleLoad { chain: vec!["shop".to_owned()], ..load("main", "lamp", Err(loaded)) };
            let control = with_loads(trial("till", Mode::Main, raised(kind, "gone")), [load]);
            TestEvidence::new([control]).with_facts("lamp", facts(InitKind::SinglePhase, &[]))
        };
        let needs = Some((RuleId::Refused, "needs lamp, refused: single-phase initialisation".to_owned()));
        for kind in ["ImportError", "ModuleNotFoundError"] {
            assert_eq!(judged(&fails(kind, error(kind, "gone")), Mode::OwnGil), needs);
        }
        let evidence = fails("ImportError", error("ImportError", "gone"));
        let judgement = evidence.ask(|input| judge_declared_refusal(input, "till", Mode::OwnGil)).unwrap();
        assert_eq!(judgement.cause.unwrap().chain, ["till", "shop", "lamp"]);
        for other in [
            fails("ImportError", error("ImportError", "other")),
            fails("ImportError", error("OSError", "gone")),
            fails("OSError", error("OSError", "gone")),
        ] {
            assert_eq!(judged(&other, Mode::OwnGil), None);
        }
    }
}
