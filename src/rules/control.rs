//! A control that failed: what it lacked, and what to do, so that another audit can tell.

use super::cause::root;
use super::missing::Missing;
use super::{Case, module};
use crate::model::{Cause, Judgement, Mode, NotRun, Outcome, ReasonId, Trial};

/// The judgement of what the control did not import. `None` where it did.
pub(super) fn failed(case: &Case<'_>, control: &Trial, mode: Mode) -> Option<Judgement> {
    Some(match &control.outcome {
        Outcome::Imported => return None,
        Outcome::NotRun(NotRun::Because(id, why)) => Judgement::open(*id, why),
        Outcome::NotRun(NotRun::Shadowed(other)) => module::shadowed(other.as_deref()),
        Outcome::NotRun(NotRun::Behind(_))
        | Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::Crashed { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::TimedOut { .. } => of_root(case, control, mode),
    })
}

fn of_root(case: &Case<'_>, control: &Trial, mode: Mode) -> Judgement {
    let Some(root) = root(case, &control.subject, Mode::Main) else {
        return module::not_tried(case, control);
    };
    let (id, way_out) = diagnosis(&root.trial.outcome);
    let what = short(what(&root.cause, &control.subject));
    let reason = match mode {
        Mode::Main => format!("{what}{way_out}"),
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            format!("fails in the main interpreter too: {what}{way_out}")
        }
    };
    let cause = match root.trial.outcome {
        // What is wrong everywhere keeps its rule.
        Outcome::LosesDescriptors { .. } | Outcome::LeftThreads { .. } | Outcome::Shares { .. } => root.cause,
        // The page that helps is the reason's: those of these rules speak of what the control can do.
        Outcome::Imported
        | Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::NotRun(_) => Cause { rule: id.id(), ..root.cause },
    };
    Judgement { cause: Some(cause), ..Judgement::open(id, reason) }
}

/// What the control did, with the name of what did it where that is not the subject.
pub(super) fn what(cause: &Cause, subject: &str) -> String {
    match cause.module == subject {
        true => cause.what.clone(),
        false => format!("{} {}", cause.module, cause.what),
    }
}

/// As much of it as leaves what to do in sight.
pub(super) fn short(text: String) -> String {
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
fn is_of_a_damaged_file(text: &str) -> bool {
    ["file too short", "invalid ELF header", "ELF load command"].iter().any(|words| text.contains(words))
}

/// What to do about a control that says nothing of what it lacks.
pub(super) const GIVE: &str =
    "give it what it needs: --env NAME=VALUE, --file PATH, --writable DIR, --no-sandbox";

/// Which reason that is, and what to do about it.
fn diagnosis(outcome: &Outcome) -> (ReasonId, String) {
    match outcome {
        Outcome::Raised { error, .. } | Outcome::Refused { error, .. } => match Missing::of(error) {
            Some(missing) => (missing.reason_id(), format!("; {}", missing.way_out())),
            None if is_of_a_damaged_file(&error.text) => (ReasonId::DamagedFile, INSTALL_AGAIN.to_owned()),
            None => (ReasonId::FailsInControl, format!("; {GIVE}")),
        },
        Outcome::Crashed { .. } => (ReasonId::CrashesInControl, format!("; {GIVE}")),
        Outcome::TimedOut { .. } => (ReasonId::TooSlow, "; give it more time: --timeout SECONDS".to_owned()),
        Outcome::Imported
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(_) => (ReasonId::FailsInControl, String::new()),
    }
}
