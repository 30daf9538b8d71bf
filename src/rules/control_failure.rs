//! Judges subjects whose control failed: what the trial was missing, and what to change before the next
//! audit.

use super::VerdictInput;
use super::failed_import::{judge_shadowed, judge_untried};
use super::failure_trace::trace_failure;
use super::missing_requirement::MissingRequirement;
use crate::model::{Judgement, Mode, NotRunReason, ReasonId, RootCause, Trial, TrialOutcome};

/// Judges a subject that the control could not import. Returns `None` if the control imported it.
pub(super) fn judge_failed_control(
    input: &VerdictInput<'_>,
    control: &Trial,
    mode: Mode,
) -> Option<Judgement> {
    Some(match &control.outcome {
        TrialOutcome::Imported => return None,
        TrialOutcome::NotRun(NotRunReason::Because(id, why)) => Judgement::from_reason_id(*id, why),
        TrialOutcome::NotRun(NotRunReason::Shadowed(other)) => judge_shadowed(other.as_deref()),
        TrialOutcome::NotRun(NotRunReason::Behind(_))
        | TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::BreaksIsolation { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::TimedOut { .. } => judge_by_root_cause(input, control, mode),
    })
}

/// Judges by the root cause of the control's failure.
fn judge_by_root_cause(input: &VerdictInput<'_>, control: &Trial, mode: Mode) -> Judgement {
    let Some(root) = trace_failure(input, &control.subject, Mode::Main) else {
        return judge_untried(input, control);
    };
    let (id, advice) = diagnose_outcome(&root.trial.outcome);
    let what = truncate_description(describe_control_failure(&root.cause, &control.subject));
    let reason = match mode {
        Mode::Main => format!("{what}{advice}"),
        Mode::SharedGil
        | Mode::OwnGil
        | Mode::OwnGilCopies
        | Mode::FreeThreaded
        | Mode::FreeThreadedGroup => {
            format!("fails in the main interpreter too: {what}{advice}")
        }
    };
    let cause = match root.trial.outcome {
        // These are defects in every interpreter: the rule's page applies here too.
        TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::BreaksIsolation { .. }
        | TrialOutcome::Shares { .. } => root.cause,
        // The pages of these rules assume that the control passes. The page of the reason helps more.
        TrialOutcome::Imported
        | TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::NotRun(_) => RootCause { rule: id.into(), ..root.cause },
    };
    Judgement { cause: Some(cause), ..Judgement::from_reason_id(id, reason) }
}

/// Describes what the control did, with the name of the module that did it unless that is the subject.
pub(super) fn describe_control_failure(cause: &RootCause, subject: &str) -> String {
    match cause.module == subject {
        true => cause.what.clone(),
        false => format!("{} {}", cause.module, cause.what),
    }
}

/// Shortens a description so that the advice that follows it in the reason stays visible.
pub(super) fn truncate_description(text: String) -> String {
    match text.char_indices().nth(MAX_DESCRIPTION) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Maximum number of characters of a description in a reason.
const MAX_DESCRIPTION: usize = 200;

/// Advice for a damaged file.
pub(super) const INSTALL_AGAIN: &str = "; install it again";

/// Whether an error message of glibc's dynamic linker reports a damaged file.
fn is_damaged_file_error(text: &str) -> bool {
    ["file too short", "invalid ELF header", "ELF load command"].iter().any(|phrase| text.contains(phrase))
}

/// Advice for a control whose failure does not show what is missing.
pub(super) const GENERAL_ADVICE: &str =
    "give it what it needs: --env NAME=VALUE, --file PATH, --writable DIR, --no-sandbox";

/// Returns the reason's id for the outcome of a control, and the advice.
fn diagnose_outcome(outcome: &TrialOutcome) -> (ReasonId, String) {
    match outcome {
        TrialOutcome::Raised { error, .. } | TrialOutcome::Refused { error, .. } => {
            match MissingRequirement::from_error(error) {
                Some(missing) => (missing.reason_id(), format!("; {}", missing.describe_remedy())),
                None if is_damaged_file_error(&error.text) => {
                    (ReasonId::DamagedFile, INSTALL_AGAIN.to_owned())
                }
                None => (ReasonId::FailsInControl, format!("; {GENERAL_ADVICE}")),
            }
        }
        TrialOutcome::Crashed { .. } => (ReasonId::CrashesInControl, format!("; {GENERAL_ADVICE}")),
        TrialOutcome::TimedOut { .. } => {
            (ReasonId::TooSlow, "; give it more time: --timeout SECONDS".to_owned())
        }
        TrialOutcome::Imported
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::BreaksIsolation { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_) => (ReasonId::FailsInControl, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AbnormalExit, RuleId, TrialPhase, Verdict};
    use crate::rules::test_evidence::*;

    fn judged(outcome: TrialOutcome, mode: Mode) -> Option<Judgement> {
        let control = trial("till", Mode::Main, outcome);
        let lamp = trial("lamp", Mode::Main, crashed(TrialPhase::Import));
        TestEvidence::new([control.clone(), lamp]).ask(|input| judge_failed_control(input, &control, mode))
    }

    #[test]
    fn the_failure_names_its_reason_and_what_to_change() {
        let hangs = TrialOutcome::TimedOut { place: TrialPhase::Import, loading: None };
        let give = "give it what it needs: --env NAME=VALUE, --file PATH, --writable DIR, --no-sandbox";
        let table = [
            (
                raised(
                    "ImportError",
                    "libodbc.so.2: cannot open shared object file: No such file or directory",
                ),
                RuleId::MissingLibrary,
                "install the library libodbc.so.2",
            ),
            (
                raised("ModuleNotFoundError", "No module named 'lamp'"),
                RuleId::MissingModule,
                "install what provides the module lamp",
            ),
            (raised("KeyError", "'SHOP_HOME'"), RuleId::MissingVariable, "--env SHOP_HOME=VALUE"),
            (
                raised("FileNotFoundError", "[Errno 2] No such file or directory: 'a.ini'"),
                RuleId::MissingFile,
                "provide a copy: --file PATH=a.ini",
            ),
            (raised("ConnectionRefusedError", "x"), RuleId::MissingService, "run the service that it needs"),
            (raised("ImportError", "/x/_p.so: file too short"), RuleId::DamagedFile, "; install it again"),
            (raised("ImportError", "invalid ELF header"), RuleId::DamagedFile, "; install it again"),
            (raised("ValueError", "x"), RuleId::FailsInControl, give),
            (crashed(TrialPhase::Import), RuleId::CrashesInControl, give),
            (hangs, RuleId::TooSlow, "give it more time: --timeout SECONDS"),
            (because(ReasonId::Sandbox, "denied"), RuleId::Sandbox, "denied"),
            (because(ReasonId::WritesTooMuch, "much"), RuleId::WritesTooMuch, "much"),
            (because(ReasonId::Killed, "killed"), RuleId::Killed, "killed"),
            (because(ReasonId::Interrupted, "stopped"), RuleId::Interrupted, "stopped"),
            (
                behind("lamp"),
                RuleId::CrashesInControl,
                "fails in the main interpreter too: lamp crashes at import",
            ),
            (behind("none"), RuleId::NeedsUnknown, "needs none, which was not tried"),
            (
                TrialOutcome::NotRun(NotRunReason::Shadowed(None)),
                RuleId::LoadsAnotherFile,
                "importing its name does not load this file",
            ),
        ];
        for (outcome, rule, part) in table {
            let judgement = judged(outcome, Mode::OwnGil).unwrap();
            assert_eq!((judgement.verdict, rule_of(&judgement)), (Verdict::Unknown, Some(rule)));
            assert!(judgement.reason.contains(part), "{}", judgement.reason);
            assert!(judgement.cause.is_none_or(|cause| cause.rule == rule));
        }
        assert_eq!(judged(TrialOutcome::Imported, Mode::OwnGil), None);
    }

    #[test]
    fn a_defect_in_every_interpreter_keeps_its_rule_as_the_cause() {
        let threads = TrialOutcome::LeftThreads { names: vec!["a".to_owned()] };
        let loses = TrialOutcome::LosesDescriptors { place: TrialPhase::Import, loading: None };
        for (outcome, rule) in [
            (threads, RuleId::LeavesThreads),
            (loses, RuleId::LosesDescriptors),
            (shares(None, 1), RuleId::SharesObjects),
        ] {
            let judgement = judged(outcome, Mode::Main).unwrap();
            assert_eq!(judgement.reason_id, Some(ReasonId::FailsInControl));
            assert_eq!(judgement.cause.unwrap().rule, rule);
            assert!(!judgement.reason.contains("too"), "{}", judgement.reason);
        }
        let exits =
            TrialOutcome::Crashed { how: AbnormalExit::Exit(3), place: TrialPhase::Exit, loading: None };
        assert_eq!(judged(exits, Mode::Main).unwrap().cause.unwrap().rule, RuleId::CrashesInControl);
    }

    #[test]
    fn a_long_description_is_cut() {
        assert_eq!(truncate_description("x".repeat(200)), "x".repeat(200));
        assert_eq!(truncate_description("ä".repeat(201)), format!("{}...", "ä".repeat(200)));
    }
}
