//! Judges a list of requests in one mode.
//!
//! The reason names the request that failed, its result, and the answer in the main interpreter. If the
//! application's import fails before the first request, the reason is that of the import.

use super::missing_requirement::MissingRequirement;
use super::{VerdictInput, control_failure, messages};
use crate::model::{
    Judgement, Mode, NotRunReason, PythonError, ReasonId, Reply, ReplyKind, RootCause, Trial, TrialOutcome,
    TrialPhase, Verdict,
};
use crate::trial::suggest_writable_option;

/// A request of the list, as reasons mention it.
#[derive(Clone, Debug)]
pub struct RequestSummary {
    /// Its display form: `GET /path`.
    pub shown: String,
    /// The status line in the main interpreter, e.g. `200 OK`. `None` if there was no answer.
    pub status: Option<String>,
}

/// Judges the list of requests `name` in a mode.
pub(super) fn judge_requests(
    input: &VerdictInput<'_>,
    name: &str,
    mode: Mode,
    asked: &[RequestSummary],
) -> Judgement {
    let own = input.judge_name(name, mode);
    let Some(control) = input.trials.get(name, Mode::Main) else { return own };
    if control.outcome != TrialOutcome::Imported {
        return judge_failed_control(own, control, mode, asked);
    }
    match input.trials.get(name, mode).filter(|trial| trial.outcome != TrialOutcome::Imported) {
        Some(trial) => judge_failed_trial(input, own, (trial, control), asked),
        None => own,
    }
}

/// Returns the reply of the first request that failed.
fn find_first_failed_reply(trial: &Trial) -> Option<Reply> {
    trial
        .parse_replies()
        .filter(|reply| reply.end != ReplyKind::Answered)
        .min_by_key(|reply| (reply.round, reply.index))
}

/// Returns the reply of the first request that failed with this exception, otherwise of the first that
/// failed.
///
/// Several interpreters may fail at the same time, each with a different exception.
fn find_failed_reply(trial: &Trial, error: &PythonError) -> Option<Reply> {
    let has_failed_with_it = |reply: &Reply| match reply.end {
        ReplyKind::Answered => false,
        ReplyKind::Raised => reply.begins == error.kind,
        ReplyKind::Differs | ReplyKind::Failed => error.kind == "DifferentAnswer",
        ReplyKind::NothingCaptured => error.kind == "NothingCaptured",
    };
    let found =
        trial.parse_replies().filter(has_failed_with_it).min_by_key(|reply| (reply.round, reply.index));
    found.or_else(|| find_first_failed_reply(trial))
}

/// Judges requests that fail in the control.
fn judge_failed_control(own: Judgement, control: &Trial, mode: Mode, asked: &[RequestSummary]) -> Judgement {
    let Some(reply) = find_first_failed_reply(control) else { return own };
    let request = request_label(&reply, asked);
    if let TrialOutcome::NotRun(NotRunReason::Because(id, why)) = &control.outcome {
        return Judgement { cause: own.cause, ..Judgement::from_reason_id(*id, format!("{request}: {why}")) };
    }
    let TrialOutcome::Raised { error, .. } = &control.outcome else { return own };
    let (what, is_list_at_fault) = match reply.end {
        ReplyKind::Raised => (format!("{request} raises {}", messages::format_exception(error)), false),
        ReplyKind::NothingCaptured => (error.text.clone(), true),
        ReplyKind::Answered | ReplyKind::Differs | ReplyKind::Failed => (error.text.clone(), false),
    };
    let denied = suggest_writable_option(&error.text).or_else(|| suggest_writable_option(&control.printed));
    let id = if denied.is_some() { ReasonId::Sandbox } else { ReasonId::RequestFails };
    let advice = match (denied, reply.end) {
        (Some(option), _) => {
            format!("give trials a copy of the folder that it writes to: {option}; else try --no-sandbox")
        }
        (None, ReplyKind::Differs) => "remove the request: its answer differs each time".to_owned(),
        (None, _) if is_list_at_fault => "correct the list of requests".to_owned(),
        (None, _) => match MissingRequirement::from_error(error).filter(|_| reply.end == ReplyKind::Raised) {
            Some(missing) => missing.describe_remedy(),
            None => control_failure::GIVE.to_owned(),
        },
    };
    let what = control_failure::truncate_description(what);
    let reason = match mode {
        Mode::Main => format!("{what}; {advice}"),
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            format!("in the main interpreter too, {what}; {advice}")
        }
    };
    let cause = own.cause.map(|cause| RootCause { rule: id.id(), what, ..cause });
    Judgement { cause, ..Judgement::from_reason_id(id, reason) }
}

/// Judges requests that fail in this mode and not in the control.
fn judge_failed_trial(
    input: &VerdictInput<'_>,
    own: Judgement,
    (trial, control): (&Trial, &Trial),
    asked: &[RequestSummary],
) -> Judgement {
    match own.verdict {
        Verdict::Unsafe | Verdict::Blocked => {}
        Verdict::Unknown | Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => return own,
    }
    let (error, place, is_refused) = match &trial.outcome {
        TrialOutcome::Raised { error, place, .. } => (error, *place, false),
        TrialOutcome::Refused { error, place, .. } => (error, *place, true),
        TrialOutcome::Imported
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_) => return judge_failure_before_requests(own, trial),
    };
    let Some(reply) = find_failed_reply(trial, error) else {
        return judge_failure_before_requests(own, trial);
    };
    let request = request_label(&reply, asked);
    let during = describe_phase(place);
    if is_refused {
        let reason = format!("{request} {}{during}", describe_refused_request(&own));
        return Judgement { reason, ..own };
    }
    let what = match reply.end {
        ReplyKind::Raised => {
            let main = asked.get(reply.index).and_then(|each| each.status.as_ref());
            let main = main.map(|status| format!("; in the main interpreter it answers {status}"));
            format!(
                "{request} raises {}{during}{}",
                messages::format_exception(error),
                main.unwrap_or_default()
            )
        }
        ReplyKind::Answered | ReplyKind::NothingCaptured | ReplyKind::Differs | ReplyKind::Failed => {
            format!("{}{during}", error.text)
        }
    };
    let cause = own.cause.clone().map(|cause| match cause.module == trial.subject {
        true => RootCause { what: what.clone(), ..cause },
        false => cause,
    });
    Judgement { cause, reason: format!("{what}{}", describe_lost_modules(input, trial, control)), ..own }
}

/// Judges a failure that belongs to no known request: at import, or in a trial that did not say which request
/// it was serving.
fn judge_failure_before_requests(own: Judgement, trial: &Trial) -> Judgement {
    let has_process_failed = matches!(
        trial.outcome,
        TrialOutcome::Crashed { place: TrialPhase::Import, .. }
            | TrialOutcome::TimedOut { place: TrialPhase::Import, .. }
            | TrialOutcome::LosesDescriptors { place: TrialPhase::Import, .. }
    );
    match has_process_failed {
        true => {
            let reason =
                own.reason.replace(TrialPhase::Import.phrase(), "when it is imported and serves requests");
            Judgement { reason, ..own }
        }
        false => own,
    }
}

/// Names the extension modules that the control loaded and this trial could not: `; without NAME (REASON)`.
/// Empty if there are none.
///
/// A framework may answer 500 because a view could not import such a module, without reporting the exception.
/// The module may also be an optional accelerator: the trial does not show which.
fn describe_lost_modules(input: &VerdictInput<'_>, trial: &Trial, control: &Trial) -> String {
    let failed = trial.loads.iter().filter_map(|load| Some((load, load.result.as_ref()?.as_ref().err()?)));
    let failed = failed.filter(|(load, _)| control.successful_loads().any(|each| each.name == load.name));
    let mut names: Vec<(&str, &PythonError)> = Vec::new();
    for (load, error) in failed {
        if names.iter().all(|(name, _)| *name != load.name) {
            names.push((&load.name, error));
        }
    }
    let shown = names.iter().take(MAX_NAMES).map(|(name, error)| {
        format!("{name} ({})", messages::describe_failed_load(error, input.facts.get(name).copied()))
    });
    let shown: Vec<String> = shown.collect();
    let more = match names.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if shown.is_empty() { String::new() } else { format!("; without {}{more}", shown.join(", ")) }
}

/// Maximum number of modules that a reason names.
const MAX_NAMES: usize = 4;

/// Returns the display form of the request that a reply belongs to.
fn request_label(reply: &Reply, asked: &[RequestSummary]) -> String {
    asked.get(reply.index).map_or_else(|| "a request".to_owned(), |request| request.shown.clone())
}

/// Completes "GET /path ..." for a refused import: `needs no_slot, refused: no slot 3`.
fn describe_refused_request(own: &Judgement) -> String {
    match own.reason.strip_prefix("needs ") {
        Some(rest) => format!("needs {rest}"),
        None => format!("fails: {}", own.reason),
    }
}

/// Names the phase as a clause that ends a sentence. Empty for the trial's first interpreter.
fn describe_phase(phase: TrialPhase) -> String {
    match phase {
        TrialPhase::Startup | TrialPhase::Import => String::new(),
        TrialPhase::Storm => ", when several requests are served at the same time".to_owned(),
        TrialPhase::SecondInterpreter
        | TrialPhase::UseAfterEnd
        | TrialPhase::AfterAnotherEnded
        | TrialPhase::Teardown
        | TrialPhase::Exit => format!(", {}", phase.phrase()),
    }
}
