//! Judges subjects whose control failed: what the trial was missing, and what to change before the next
//! audit.

use super::failure_trace::trace_failure;
use super::missing_requirement::MissingRequirement;
use super::{VerdictInput, module_verdict};
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
        TrialOutcome::NotRun(NotRunReason::Shadowed(other)) => {
            module_verdict::judge_shadowed(other.as_deref())
        }
        TrialOutcome::NotRun(NotRunReason::Behind(_))
        | TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::TimedOut { .. } => judge_by_root_cause(input, control, mode),
    })
}

/// Judges by the root cause of the control's failure.
fn judge_by_root_cause(input: &VerdictInput<'_>, control: &Trial, mode: Mode) -> Judgement {
    let Some(root) = trace_failure(input, &control.subject, Mode::Main) else {
        return module_verdict::judge_untried(input, control);
    };
    let (id, advice) = diagnose_outcome(&root.trial.outcome);
    let what = truncate_description(describe_control_failure(&root.cause, &control.subject));
    let reason = match mode {
        Mode::Main => format!("{what}{advice}"),
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            format!("fails in the main interpreter too: {what}{advice}")
        }
    };
    let cause = match root.trial.outcome {
        // These are defects in every interpreter: the rule's page applies here too.
        TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. } => root.cause,
        // The pages of these rules assume that the control passes. The page of the reason helps more.
        TrialOutcome::Imported
        | TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::NotRun(_) => RootCause { rule: id.id(), ..root.cause },
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
pub(super) const GIVE: &str =
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
                None => (ReasonId::FailsInControl, format!("; {GIVE}")),
            }
        }
        TrialOutcome::Crashed { .. } => (ReasonId::CrashesInControl, format!("; {GIVE}")),
        TrialOutcome::TimedOut { .. } => {
            (ReasonId::TooSlow, "; give it more time: --timeout SECONDS".to_owned())
        }
        TrialOutcome::Imported
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_) => (ReasonId::FailsInControl, String::new()),
    }
}
