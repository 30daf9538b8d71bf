//! A list of requests in one mode, in the words of requests: which of them failed, what it was answered, and how the main
//! interpreter answers it. What failed before the first of them, the application's import, keeps the words of imports.

use super::missing::Missing;
use super::{Case, control, words};
use crate::model::{
    Cause, Judgement, Mode, NotRun, Outcome, Place, PythonError, ReasonId, Reply, ReplyEnd, Trial, Verdict,
};
use crate::trial::way_to_write;

/// A request of the list.
#[derive(Clone, Debug)]
pub struct AskedRequest {
    /// As people read it: `GET /path`.
    pub shown: String,
    /// The status line in the main interpreter; `None` where it gave no answer.
    pub status: Option<String>,
}

/// Judges it.
pub(super) fn requests(case: &Case<'_>, name: &str, mode: Mode, asked: &[AskedRequest]) -> Judgement {
    let own = case.name(name, mode);
    let Some(control) = case.trials.get(name, Mode::Main) else { return own };
    if control.outcome != Outcome::Imported {
        return in_control(own, control, mode, asked);
    }
    match case.trials.get(name, mode).filter(|trial| trial.outcome != Outcome::Imported) {
        Some(trial) => failed(case, own, (trial, control), asked),
        None => own,
    }
}

/// The first request that failed.
fn first_failure(trial: &Trial) -> Option<Reply> {
    trial
        .replies()
        .filter(|reply| reply.end != ReplyEnd::Answered)
        .min_by_key(|reply| (reply.round, reply.index))
}

/// The first request that failed with this exception, where one is known to have: several interpreters may fail at the same
/// time, each at something else.
fn failure_with(trial: &Trial, error: &PythonError) -> Option<Reply> {
    let is_it = |reply: &Reply| match reply.end {
        ReplyEnd::Answered => false,
        ReplyEnd::Raised => reply.begins == error.kind,
        ReplyEnd::Differs | ReplyEnd::Failed => error.kind == "DifferentAnswer",
        ReplyEnd::NothingCaptured => error.kind == "NothingCaptured",
    };
    let found = trial.replies().filter(is_it).min_by_key(|reply| (reply.round, reply.index));
    found.or_else(|| first_failure(trial))
}

/// What the main interpreter fails at.
fn in_control(own: Judgement, control: &Trial, mode: Mode, asked: &[AskedRequest]) -> Judgement {
    let Some(reply) = first_failure(control) else { return own };
    let request = request(&reply, asked);
    if let Outcome::NotRun(NotRun::Because(id, why)) = &control.outcome {
        return Judgement { cause: own.cause, ..Judgement::open(*id, format!("{request}: {why}")) };
    }
    let Outcome::Raised { error, .. } = &control.outcome else { return own };
    let (what, is_of_the_list) = match reply.end {
        ReplyEnd::Raised => (format!("{request} raises {}", words::exception(error)), false),
        ReplyEnd::NothingCaptured => (error.text.clone(), true),
        ReplyEnd::Answered | ReplyEnd::Differs | ReplyEnd::Failed => (error.text.clone(), false),
    };
    let denied = way_to_write(&error.text).or_else(|| way_to_write(&control.printed));
    let id = if denied.is_some() { ReasonId::Sandbox } else { ReasonId::RequestFails };
    let way_out = match (denied, reply.end) {
        (Some(way), _) => {
            format!("give trials a copy of the folder that it writes to: {way}; else try --no-sandbox")
        }
        (None, ReplyEnd::Differs) => "leave it out: its answer is not the same each time".to_owned(),
        (None, _) if is_of_the_list => "correct the list of requests".to_owned(),
        (None, _) => match Missing::of(error).filter(|_| reply.end == ReplyEnd::Raised) {
            Some(missing) => missing.way_out(),
            None => control::GIVE.to_owned(),
        },
    };
    let what = control::short(what);
    let reason = match mode {
        Mode::Main => format!("{what}; {way_out}"),
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => {
            format!("in the main interpreter too, {what}; {way_out}")
        }
    };
    let cause = own.cause.map(|cause| Cause { rule: id.id(), what, ..cause });
    Judgement { cause, ..Judgement::open(id, reason) }
}

/// What fails elsewhere alone.
fn failed(
    case: &Case<'_>,
    own: Judgement,
    (trial, control): (&Trial, &Trial),
    asked: &[AskedRequest],
) -> Judgement {
    match own.verdict {
        Verdict::Unsafe | Verdict::Blocked => {}
        Verdict::Unknown | Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => return own,
    }
    let (error, place, is_refused) = match &trial.outcome {
        Outcome::Raised { error, place, .. } => (error, *place, false),
        Outcome::Refused { error, place, .. } => (error, *place, true),
        Outcome::Imported
        | Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(_) => return before_any(own, trial),
    };
    let Some(reply) = failure_with(trial, error) else { return before_any(own, trial) };
    let request = request(&reply, asked);
    let during = during(place);
    if is_refused {
        let reason = format!("{request} {}{during}", needs(&own));
        return Judgement { reason, ..own };
    }
    let what = match reply.end {
        ReplyEnd::Raised => {
            let main = asked.get(reply.index).and_then(|each| each.status.as_ref());
            let main = main.map(|status| format!("; in the main interpreter it answers {status}"));
            format!("{request} raises {}{during}{}", words::exception(error), main.unwrap_or_default())
        }
        ReplyEnd::Answered | ReplyEnd::NothingCaptured | ReplyEnd::Differs | ReplyEnd::Failed => {
            format!("{}{during}", error.text)
        }
    };
    let cause = own.cause.clone().map(|cause| match cause.module == trial.subject {
        true => Cause { what: what.clone(), ..cause },
        false => cause,
    });
    Judgement { cause, reason: format!("{what}{}", lost(case, trial, control)), ..own }
}

/// What failed before a request did, or without saying which one it was.
fn before_any(own: Judgement, trial: &Trial) -> Judgement {
    let is_ended = matches!(
        trial.outcome,
        Outcome::Crashed { place: Place::Import, .. }
            | Outcome::TimedOut { place: Place::Import, .. }
            | Outcome::LosesDescriptors { place: Place::Import, .. }
    );
    match is_ended {
        true => {
            let reason = own.reason.replace(Place::Import.phrase(), "when it is imported and asked");
            Judgement { reason, ..own }
        }
        false => own,
    }
}

/// What the control loaded and this trial could not, in words; empty where there is nothing. A framework answers 500 where a
/// view does not import what it needs, and tells nobody; whether it was that, or an accelerator that nobody misses, is not known.
fn lost(case: &Case<'_>, trial: &Trial, control: &Trial) -> String {
    let failed = trial.loads.iter().filter_map(|load| Some((load, load.result.as_ref()?.as_ref().err()?)));
    let failed = failed.filter(|(load, _)| control.loaded().any(|each| each.name == load.name));
    let mut names: Vec<(&str, &PythonError)> = Vec::new();
    for (load, error) in failed {
        if names.iter().all(|(name, _)| *name != load.name) {
            names.push((&load.name, error));
        }
    }
    let told = names
        .iter()
        .take(NAMED)
        .map(|(name, error)| format!("{name} ({})", words::lost(error, case.facts.get(name).copied())));
    let told: Vec<String> = told.collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if told.is_empty() { String::new() } else { format!("; without {}{more}", told.join(", ")) }
}

/// How many modules are named that were not loaded.
const NAMED: usize = 4;

fn request(reply: &Reply, asked: &[AskedRequest]) -> String {
    asked.get(reply.index).map_or_else(|| "a request".to_owned(), |request| request.shown.clone())
}

/// `needs no_slot, refused: no slot 3`.
fn needs(own: &Judgement) -> String {
    match own.reason.strip_prefix("needs ") {
        Some(rest) => format!("needs {rest}"),
        None => format!("fails: {}", own.reason),
    }
}

/// In which of a trial's interpreters, or when; empty for the first of them.
fn during(place: Place) -> String {
    match place {
        Place::Startup | Place::Import => String::new(),
        Place::Storm => ", when several are asked at the same time".to_owned(),
        Place::SecondInterpreter
        | Place::UseAfterEnd
        | Place::AfterAnotherEnded
        | Place::Teardown
        | Place::Exit => format!(", {}", place.phrase()),
    }
}
