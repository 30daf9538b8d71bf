//! A control that failed: what it lacked, and what to do, so that another audit can tell.

use super::failure_trace::trace_failure;
use super::missing_requirement::MissingRequirement;
use super::{VerdictInput, module_verdict};
use crate::model::{Judgement, Mode, NotRunReason, ReasonId, RootCause, Trial, TrialOutcome};

/// The judgement of what the control did not import. `None` where it did.
pub(super) fn judge_failed_control(
    case: &VerdictInput<'_>,
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
        | TrialOutcome::TimedOut { .. } => judge_by_root_cause(case, control, mode),
    })
}

fn judge_by_root_cause(case: &VerdictInput<'_>, control: &Trial, mode: Mode) -> Judgement {
    let Some(root) = trace_failure(case, &control.subject, Mode::Main) else {
        return module_verdict::judge_untried(case, control);
    };
    let (id, way_out) = diagnose_outcome(&root.trial.outcome);
    let what = truncate_description(describe_control_failure(&root.cause, &control.subject));
    let reason = match mode {
        Mode::Main => format!("{what}{way_out}"),
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            format!("fails in the main interpreter too: {what}{way_out}")
        }
    };
    let cause = match root.trial.outcome {
        // What is wrong everywhere keeps its rule.
        TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. } => root.cause,
        // The page that helps is the reason's: those of these rules speak of what the control can do.
        TrialOutcome::Imported
        | TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::NotRun(_) => RootCause { rule: id.id(), ..root.cause },
    };
    Judgement { cause: Some(cause), ..Judgement::from_reason_id(id, reason) }
}

/// What the control did, with the name of what did it where that is not the subject.
pub(super) fn describe_control_failure(cause: &RootCause, subject: &str) -> String {
    match cause.module == subject {
        true => cause.what.clone(),
        false => format!("{} {}", cause.module, cause.what),
    }
}

/// As much of it as leaves what to do in sight.
pub(super) fn truncate_description(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Characters of what the control did, in a reason.
const LONGEST: usize = 200;

/// What to do about a damaged file.
pub(super) const INSTALL_AGAIN: &str = "; install it again";

/// In glibc's words.
fn is_damaged_file_error(text: &str) -> bool {
    ["file too short", "invalid ELF header", "ELF load command"].iter().any(|words| text.contains(words))
}

/// What to do about a control that says nothing of what it lacks.
pub(super) const GIVE: &str =
    "give it what it needs: --env NAME=VALUE, --file PATH, --writable DIR, --no-sandbox";

/// Which reason that is, and what to do about it.
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
