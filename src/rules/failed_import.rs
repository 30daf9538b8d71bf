//! Judges imports that failed, or could not be tried.

use std::collections::BTreeSet;

use super::failure_trace::trace_failure;
use super::{VerdictInput, messages};
use crate::model::{Judgement, Mode, NotRunReason, ReasonId, Trial, TrialOutcome, Verdict};

/// Judges a failed import by its root cause, with the given verdict.
pub(super) fn judge_failure(input: &VerdictInput<'_>, name: &str, mode: Mode, verdict: Verdict) -> Judgement {
    let Some(root) = trace_failure(input, name, mode) else {
        return input.trials.get(name, mode).map_or_else(
            || Judgement::from_reason_id(ReasonId::NotTried, "was not tried"),
            |trial| judge_untried(input, trial),
        );
    };
    let reason = messages::describe_cause(&root.cause, name);
    let lost = find_failed_loads(input, root.trial);
    Judgement { lost, ..Judgement::from_evidence(verdict, Some(root.cause), reason) }
}

/// Returns the extension modules that failed to load before Python code raised, although the control loads
/// them.
fn find_failed_loads(input: &VerdictInput<'_>, trial: &Trial) -> Vec<String> {
    let control = input.trials.get(&trial.subject, Mode::Main);
    let Some(control) = control.filter(|_| matches!(trial.outcome, TrialOutcome::Raised { .. })) else {
        return Vec::new();
    };
    let in_control: BTreeSet<&str> = control.successful_loads().map(|load| load.name.as_str()).collect();
    let failed = trial.loads.iter().filter(|load| matches!(load.result, Some(Err(_))));
    let missed: BTreeSet<&String> =
        failed.map(|load| &load.name).filter(|name| in_control.contains(name.as_str())).collect();
    missed.into_iter().cloned().collect()
}

/// Judges a subject that was not tried, with the reason of the module that prevented the trial.
pub(super) fn judge_untried(input: &VerdictInput<'_>, trial: &Trial) -> Judgement {
    let TrialOutcome::NotRun(NotRunReason::Behind(other)) = &trial.outcome else {
        return Judgement::from_reason_id(ReasonId::NotTried, "was not tried");
    };
    let reason = match input.trials.get(other, trial.mode).map(|trial| &trial.outcome) {
        Some(TrialOutcome::NotRun(NotRunReason::Because(_, why))) => {
            format!("needs {other}, which could not be judged: {why}")
        }
        Some(_) | None => format!("needs {other}, which was not tried"),
    };
    Judgement::from_reason_id(ReasonId::NeedsUnknown, reason)
}

/// Judges a file whose name loads another file.
pub(super) fn judge_shadowed(other: Option<&str>) -> Judgement {
    let reason = match other {
        Some(other) => format!("importing its name loads {other} instead"),
        None => "importing its name does not load this file".to_owned(),
    };
    Judgement::from_reason_id(ReasonId::LoadsAnotherFile, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RuleId, TrialPhase};
    use crate::rules::test_evidence::*;

    #[test]
    fn a_subject_that_was_not_tried_names_what_prevented_it() {
        let killed = trial("lamp", Mode::OwnGil, because(ReasonId::Killed, "it was killed"));
        let passed = imported("bulb", Mode::OwnGil);
        let evidence = TestEvidence::new([killed, passed]);
        for (outcome, reason_id, reason) in [
            (behind("lamp"), ReasonId::NeedsUnknown, "needs lamp, which could not be judged: it was killed"),
            (behind("bulb"), ReasonId::NeedsUnknown, "needs bulb, which was not tried"),
            (behind("none"), ReasonId::NeedsUnknown, "needs none, which was not tried"),
            (TrialOutcome::Imported, ReasonId::NotTried, "was not tried"),
        ] {
            let trial = trial("till", Mode::OwnGil, outcome);
            let judgement = evidence.ask(|input| judge_untried(input, &trial));
            assert_judged(&judgement, reason_id.verdict(), RuleId::from(reason_id), reason);
        }
    }

    #[test]
    fn a_failure_without_a_cause_was_not_tried() {
        let untraceable = trial("till", Mode::OwnGil, behind("till"));
        for (trials, reason_id) in [(vec![], ReasonId::NotTried), (vec![untraceable], ReasonId::NeedsUnknown)]
        {
            let judgement = TestEvidence::new(trials)
                .ask(|input| judge_failure(input, "till", Mode::OwnGil, Verdict::Blocked));
            assert_eq!(judgement.reason_id, Some(reason_id));
        }
    }

    #[test]
    fn modules_that_failed_to_load_before_python_raised_are_lost() {
        let lost = |outcome: TrialOutcome| {
            let control = with_loads(
                imported("till", Mode::Main),
                ["till._a", "till._b"].map(|name| load("main", name, Ok(()))),
            );
            let failed = |name| load("A", name, Err(error("ImportError", "x")));
            let own = with_loads(
                trial("till", Mode::OwnGil, outcome),
                [failed("till._a"), failed("till._a"), failed("till._c"), load("A", "till._b", Ok(()))],
            );
            TestEvidence::new([control, own])
                .ask(|input| judge_failure(input, "till", Mode::OwnGil, Verdict::Blocked).lost)
        };
        assert_eq!(lost(raised("RuntimeError", "x")), ["till._a"]);
        assert!(lost(crashed(TrialPhase::Import)).is_empty());
    }
}
