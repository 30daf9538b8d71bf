//! A list of requests in one mode, in the words of requests: which of them failed, what it was answered, and how the main
//! interpreter answers it. What failed before the first of them, the application's import, keeps the words of imports.

use super::missing_requirement::MissingRequirement;
use super::{VerdictInput, control_failure, messages};
use crate::model::{
    Judgement, Mode, NotRunReason, PythonError, ReasonId, Reply, ReplyKind, RootCause, Trial, TrialOutcome,
    TrialPhase, Verdict,
};
use crate::trial::suggest_writable_option;

/// A request of the list.
#[derive(Clone, Debug)]
pub struct RequestSummary {
    /// As people read it: `GET /path`.
    pub shown: String,
    /// The status line in the main interpreter; `None` where it gave no answer.
    pub status: Option<String>,
}

/// Judges it.
pub(super) fn judge_requests(
    case: &VerdictInput<'_>,
    name: &str,
    mode: Mode,
    asked: &[RequestSummary],
) -> Judgement {
    let own = case.judge_name(name, mode);
    let Some(control) = case.trials.get(name, Mode::Main) else { return own };
    if control.outcome != TrialOutcome::Imported {
        return judge_failed_control(own, control, mode, asked);
    }
    match case.trials.get(name, mode).filter(|trial| trial.outcome != TrialOutcome::Imported) {
        Some(trial) => judge_failed_trial(case, own, (trial, control), asked),
        None => own,
    }
}

/// The first request that failed.
fn find_first_failed_reply(trial: &Trial) -> Option<Reply> {
    trial
        .parse_replies()
        .filter(|reply| reply.end != ReplyKind::Answered)
        .min_by_key(|reply| (reply.round, reply.index))
}

/// The first request that failed with this exception, where one is known to have: several interpreters may fail at the same
/// time, each at something else.
fn find_failed_reply(trial: &Trial, error: &PythonError) -> Option<Reply> {
    let is_it = |reply: &Reply| match reply.end {
        ReplyKind::Answered => false,
        ReplyKind::Raised => reply.begins == error.kind,
        ReplyKind::Differs | ReplyKind::Failed => error.kind == "DifferentAnswer",
        ReplyKind::NothingCaptured => error.kind == "NothingCaptured",
    };
    let found = trial.parse_replies().filter(is_it).min_by_key(|reply| (reply.round, reply.index));
    found.or_else(|| find_first_failed_reply(trial))
}

/// What the main interpreter fails at.
fn judge_failed_control(own: Judgement, control: &Trial, mode: Mode, asked: &[RequestSummary]) -> Judgement {
    let Some(reply) = find_first_failed_reply(control) else { return own };
    let request = request_label(&reply, asked);
    if let TrialOutcome::NotRun(NotRunReason::Because(id, why)) = &control.outcome {
        return Judgement { cause: own.cause, ..Judgement::from_reason_id(*id, format!("{request}: {why}")) };
    }
    let TrialOutcome::Raised { error, .. } = &control.outcome else { return own };
    let (what, is_of_the_list) = match reply.end {
        ReplyKind::Raised => (format!("{request} raises {}", messages::format_exception(error)), false),
        ReplyKind::NothingCaptured => (error.text.clone(), true),
        ReplyKind::Answered | ReplyKind::Differs | ReplyKind::Failed => (error.text.clone(), false),
    };
    let denied = suggest_writable_option(&error.text).or_else(|| suggest_writable_option(&control.printed));
    let id = if denied.is_some() { ReasonId::Sandbox } else { ReasonId::RequestFails };
    let way_out = match (denied, reply.end) {
        (Some(way), _) => {
            format!("give trials a copy of the folder that it writes to: {way}; else try --no-sandbox")
        }
        (None, ReplyKind::Differs) => "leave it out: its answer is not the same each time".to_owned(),
        (None, _) if is_of_the_list => "correct the list of requests".to_owned(),
        (None, _) => match MissingRequirement::from_error(error).filter(|_| reply.end == ReplyKind::Raised) {
            Some(missing) => missing.describe_remedy(),
            None => control_failure::GIVE.to_owned(),
        },
    };
    let what = control_failure::truncate_description(what);
    let reason = match mode {
        Mode::Main => format!("{what}; {way_out}"),
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            format!("in the main interpreter too, {what}; {way_out}")
        }
    };
    let cause = own.cause.map(|cause| RootCause { rule: id.id(), what, ..cause });
    Judgement { cause, ..Judgement::from_reason_id(id, reason) }
}

/// What fails elsewhere alone.
fn judge_failed_trial(
    case: &VerdictInput<'_>,
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
    Judgement { cause, reason: format!("{what}{}", describe_lost_modules(case, trial, control)), ..own }
}

/// What failed before a request did, or without saying which one it was.
fn judge_failure_before_requests(own: Judgement, trial: &Trial) -> Judgement {
    let is_ended = matches!(
        trial.outcome,
        TrialOutcome::Crashed { place: TrialPhase::Import, .. }
            | TrialOutcome::TimedOut { place: TrialPhase::Import, .. }
            | TrialOutcome::LosesDescriptors { place: TrialPhase::Import, .. }
    );
    match is_ended {
        true => {
            let reason = own.reason.replace(TrialPhase::Import.phrase(), "when it is imported and asked");
            Judgement { reason, ..own }
        }
        false => own,
    }
}

/// What the control loaded and this trial could not, in words; empty where there is nothing. A framework answers 500 where a
/// view does not import what it needs, and tells nobody; whether it was that, or an accelerator that nobody misses, is not known.
fn describe_lost_modules(case: &VerdictInput<'_>, trial: &Trial, control: &Trial) -> String {
    let failed = trial.loads.iter().filter_map(|load| Some((load, load.result.as_ref()?.as_ref().err()?)));
    let failed = failed.filter(|(load, _)| control.successful_loads().any(|each| each.name == load.name));
    let mut names: Vec<(&str, &PythonError)> = Vec::new();
    for (load, error) in failed {
        if names.iter().all(|(name, _)| *name != load.name) {
            names.push((&load.name, error));
        }
    }
    let told = names.iter().take(NAMED).map(|(name, error)| {
        format!("{name} ({})", messages::describe_failed_load(error, case.facts.get(name).copied()))
    });
    let told: Vec<String> = told.collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if told.is_empty() { String::new() } else { format!("; without {}{more}", told.join(", ")) }
}

/// How many modules are named that were not loaded.
const NAMED: usize = 4;

fn request_label(reply: &Reply, asked: &[RequestSummary]) -> String {
    asked.get(reply.index).map_or_else(|| "a request".to_owned(), |request| request.shown.clone())
}

/// `needs no_slot, refused: no slot 3`.
fn describe_refused_request(own: &Judgement) -> String {
    match own.reason.strip_prefix("needs ") {
        Some(rest) => format!("needs {rest}"),
        None => format!("fails: {}", own.reason),
    }
}

/// In which of a trial's interpreters, or when; empty for the first of them.
fn describe_phase(place: TrialPhase) -> String {
    match place {
        TrialPhase::Startup | TrialPhase::Import => String::new(),
        TrialPhase::Storm => ", when several are asked at the same time".to_owned(),
        TrialPhase::SecondInterpreter
        | TrialPhase::UseAfterEnd
        | TrialPhase::AfterAnotherEnded
        | TrialPhase::Teardown
        | TrialPhase::Exit => format!(", {}", place.phrase()),
    }
}
