//! Judges a list of requests in one mode.
//!
//! The reason names the request that failed, its result, and the answer in the main interpreter. If the
//! application's import fails before the first request, the reason is that of the import.

use super::missing_requirement::MissingRequirement;
use super::name_verdict::judge_name;
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
pub fn judge_requests(
    input: &VerdictInput<'_>,
    name: &str,
    mode: Mode,
    asked: &[RequestSummary],
) -> Judgement {
    let own = judge_name(input, name, mode);
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
            None => control_failure::GENERAL_ADVICE.to_owned(),
        },
    };
    let what = control_failure::truncate_description(what);
    let reason = match mode {
        Mode::Main => format!("{what}; {advice}"),
        Mode::SharedGil
        | Mode::OwnGil
        | Mode::OwnGilCopies
        | Mode::FreeThreaded
        | Mode::FreeThreadedGroup => {
            format!("in the main interpreter too, {what}; {advice}")
        }
    };
    let cause = own.cause.map(|cause| RootCause { rule: id.into(), what, ..cause });
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
    let Some((error, place)) = trial.outcome.error().zip(trial.outcome.phase()) else {
        return judge_failure_before_requests(own, trial);
    };
    let is_refused = matches!(trial.outcome, TrialOutcome::Refused { .. });
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
        | TrialPhase::Call
        | TrialPhase::Teardown
        | TrialPhase::Exit => format!(", {}", phase.phrase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RuleId;
    use crate::rules::test_evidence::*;

    /// Judges two requests by trials in which these replies were recorded.
    fn judged(control: Trial, own: Option<Trial>, mode: Mode) -> Judgement {
        let asked = [("GET /a", Some("200 OK")), ("GET /b", None)].map(|(shown, status)| RequestSummary {
            shown: shown.to_owned(),
            status: status.map(str::to_owned),
        });
        TestEvidence::new([control].into_iter().chain(own))
            .ask(|input| judge_requests(input, "requests", mode, &asked))
    }

    fn replying(mode: Mode, outcome: TrialOutcome, replies: &[(usize, usize, &str, &str)]) -> Trial {
        let line = |(round, index, end, begins): &(usize, usize, &str, &str)| {
            format!("{}{round}\t{index}\t{end}\t1.0\t\t0\t\t{begins}", Reply::MARK)
        };
        Trial { answers: replies.iter().map(line).collect(), ..trial("requests", mode, outcome) }
    }

    #[test]
    fn a_request_that_fails_in_the_control_names_what_to_change() {
        let raises = [(0, 0, "answered", ""), (0, 1, "raised", "KeyError")];
        let captured = [(0, 1, "nothing-captured", "")];
        let differs = [(0, 0, "differs", "")];
        for (outcome, replies, rule, reason) in [
            (
                raised("KeyError", "'SHOP_HOME'"),
                &raises[..],
                RuleId::RequestFails,
                "GET /b raises KeyError: 'SHOP_HOME'; pass it to the trials: --env SHOP_HOME=VALUE",
            ),
            (
                raised("ValueError", "x"),
                &raises,
                RuleId::RequestFails,
                "GET /b raises ValueError: x; give it what it needs: --env NAME=VALUE, --file PATH, --writable DIR, \
                 --no-sandbox",
            ),
            (
                raised("OSError", "Read-only file system: '/srv/a/b'"),
                &raises,
                RuleId::Sandbox,
                "GET /b raises OSError: Read-only file system: '/srv/a/b'; give trials a copy of the folder that it \
                 writes to: --writable /srv/a; else try --no-sandbox",
            ),
            (
                raised("NothingCaptured", "GET /b has no id"),
                &captured,
                RuleId::RequestFails,
                "GET /b has no id; correct the list of requests",
            ),
            (
                raised("DifferentAnswer", "GET /a differs"),
                &differs,
                RuleId::RequestFails,
                "GET /a differs; remove the request: its answer differs each time",
            ),
            (because(ReasonId::Sandbox, "denied"), &raises, RuleId::Sandbox, "GET /b: denied"),
        ] {
            let control = || replying(Mode::Main, outcome.clone(), replies);
            assert_judged(&judged(control(), None, Mode::Main), Verdict::Unknown, rule, reason);
            let own = judged(control(), None, Mode::OwnGil);
            assert!(own.reason.ends_with(reason), "{}", own.reason);
            let is_raised = matches!(outcome, TrialOutcome::Raised { .. });
            assert_eq!(own.reason.starts_with("in the main interpreter too, "), is_raised, "{}", own.reason);
        }
        let printed = replying(Mode::Main, raised("ValueError", "x"), &raises);
        let printed = Trial { printed: "Permission denied: '/srv/x'".to_owned(), ..printed };
        assert_eq!(rule_of(&judged(printed, None, Mode::Main)), Some(RuleId::Sandbox));
        let before = replying(Mode::Main, raised("ValueError", "x"), &[]);
        assert_eq!(rule_of(&judged(before, None, Mode::Main)), Some(RuleId::FailsInControl));
        let crashes = replying(Mode::Main, crashed(TrialPhase::Import), &raises);
        assert_eq!(rule_of(&judged(crashes, None, Mode::Main)), Some(RuleId::CrashesInControl));
    }

    #[test]
    fn a_request_that_fails_only_here_is_compared_with_the_control() {
        let control = || replying(Mode::Main, TrialOutcome::Imported, &[]);
        let raises =
            [(1, 0, "raised", "OSError"), (0, 1, "raised", "ValueError"), (0, 0, "raised", "ValueError")];
        let other = [(0, 1, "raised", "OSError")];
        let differs = [(0, 0, "differs", ""), (0, 1, "raised", "ValueError")];
        let raise = |place| TrialOutcome::Raised { place, error: error("ValueError", "x"), suspect: None };
        let import = || raise(TrialPhase::Import);
        for (outcome, replies, reason) in [
            (import(), &raises[..], "GET /a raises ValueError: x; in the main interpreter it answers 200 OK"),
            (import(), &other, "GET /b raises ValueError: x"),
            (
                raise(TrialPhase::Storm),
                &other,
                "GET /b raises ValueError: x, when several requests are served at the same time",
            ),
            (
                raise(TrialPhase::SecondInterpreter),
                &other,
                "GET /b raises ValueError: x, in the second interpreter",
            ),
            (raised("DifferentAnswer", "GET /a differs"), &differs, "GET /a differs"),
            (import(), &[], "raises ValueError: x at import; cause not known"),
        ] {
            let own = replying(Mode::OwnGil, outcome, replies);
            assert_judged(
                &judged(control(), Some(own), Mode::OwnGil),
                Verdict::Blocked,
                RuleId::Raises,
                reason,
            );
        }
        let passes = replying(Mode::OwnGil, TrialOutcome::Imported, &raises);
        assert_judged(&judged(control(), Some(passes), Mode::OwnGil), Verdict::Ready, None, "");
        let own = replying(Mode::OwnGil, import(), &other);
        let cause = judged(control(), Some(own), Mode::OwnGil).cause.unwrap();
        assert_eq!(cause.what, "GET /b raises ValueError: x");
    }

    #[test]
    fn a_refused_import_names_the_request() {
        let control = || replying(Mode::Main, TrialOutcome::Imported, &[]);
        for (module, reason) in [
            ("till", "GET /b needs till, refused by CPython"),
            ("requests", "GET /b fails: refused by CPython"),
        ] {
            let outcome = refused(crate::model::Refuser::CPython, module, "");
            let own = replying(Mode::OwnGil, outcome, &[(0, 1, "raised", "ImportError")]);
            assert_judged(
                &judged(control(), Some(own), Mode::OwnGil),
                Verdict::Blocked,
                RuleId::Refused,
                reason,
            );
        }
    }

    #[test]
    fn a_crash_at_import_may_be_one_of_a_request() {
        let control = || replying(Mode::Main, TrialOutcome::Imported, &[]);
        for (place, reason) in [
            (TrialPhase::Import, "crashes when it is imported and serves requests (SIGSEGV)"),
            (TrialPhase::Teardown, "crashes when the interpreter ended (SIGSEGV)"),
        ] {
            let own = replying(Mode::OwnGil, crashed(place), &[]);
            assert_judged(
                &judged(control(), Some(own), Mode::OwnGil),
                Verdict::Unsafe,
                RuleId::Crashes,
                reason,
            );
        }
    }

    #[test]
    fn modules_that_only_the_control_loaded_are_named() {
        let names = ["a", "b", "c", "d", "e"];
        let lost = |count: usize| {
            let control = replying(Mode::Main, TrialOutcome::Imported, &[]);
            let control = with_loads(control, names.map(|name| load("main", name, Ok(()))));
            let own = replying(Mode::OwnGil, raised("ValueError", "x"), &[(0, 1, "failed", "")]);
            let failed = names.iter().take(count).map(|name| load("A", name, Err(error("E", ""))));
            let other = load("A", "other", Err(error("E", "")));
            let again = load("B", "a", Err(error("E", "")));
            let own = with_loads(own, failed.chain([other]).chain((count > 0).then_some(again)));
            judged(control, Some(own), Mode::OwnGil).reason
        };
        assert_eq!(lost(0), "x");
        assert_eq!(lost(1), "x; without a (E)");
        assert_eq!(lost(4), "x; without a (E), b (E), c (E), d (E)");
        assert_eq!(lost(5), "x; without a (E), b (E), c (E), d (E) and 1 more");
    }
}
