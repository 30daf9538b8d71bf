//! The rows of exercises: scripts that use what is installed, and lists of requests. Pure.

use std::collections::BTreeMap;

use super::application::judge_without_control;
use crate::model::{Judgement, Mode, ReasonId, Reply, ReplyKind, Trial, TrialOutcome, Verdict};

/// A script that was run in each mode, or a list of requests that was sent to an application.
#[derive(Clone, Debug)]
pub struct ExerciseRow {
    /// Its file, as the user passed it.
    pub file: String,
    /// The application that answered, for a list of requests.
    pub application: Option<String>,
    /// The requests, in their order.
    pub requests: Vec<RequestRow>,
    /// Its trials, by mode.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts, by mode.
    pub judgements: BTreeMap<Mode, Judgement>,
}

/// A request and the replies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRow {
    /// `GET`.
    pub method: String,
    /// Path and query as written, with the variables of the file.
    pub target: String,
    /// The reply in the control; `None` if there was none.
    pub main: Option<ControlReply>,
    /// Its result in the other modes.
    pub modes: BTreeMap<Mode, ModeReply>,
}

/// The reply to a request in the control.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlReply {
    /// The status line: `200 OK`.
    pub status: String,
    /// The size of the body in bytes; `None` if it is not the same each time.
    pub bytes: Option<u64>,
    /// The SHA-256 of the body; `None` if it is not the same each time.
    pub sha256: Option<String>,
    /// How long the application took, in milliseconds.
    pub milliseconds: f64,
}

/// The result of a request in one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeReply {
    /// The result.
    pub result: RequestResult,
    /// The status line, if the reply differs from that in the control.
    pub status: Option<String>,
}

/// How a request in one mode compares with the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestResult {
    /// It was answered as in the control.
    Same,
    /// The trial ended before the result was recorded, or did not take place.
    NotKnown,
    /// The reply differs, or its status is 5xx.
    Differs,
    /// A value that it needs, or that a later request needs from its reply, could not be captured.
    NothingCaptured,
    /// The application raised an exception.
    Raised,
}

impl RequestResult {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::NotKnown => "not-known",
            Self::Differs => "differs",
            Self::NothingCaptured => "nothing-captured",
            Self::Raised => "raised",
        }
    }

    fn from_reply_kind(end: ReplyKind) -> Self {
        match end {
            ReplyKind::Answered => Self::Same,
            ReplyKind::NothingCaptured => Self::NothingCaptured,
            ReplyKind::Differs | ReplyKind::Failed => Self::Differs,
            ReplyKind::Raised => Self::Raised,
        }
    }
}

impl ExerciseRow {
    /// Creates the row of a script that was not run yet.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            application: None,
            requests: Vec::new(),
            trials: BTreeMap::new(),
            judgements: BTreeMap::new(),
        }
    }

    /// Adds the result of a mode, unless there is one. So the main interpreter of the first environment is
    /// the control.
    pub fn add_mode(&mut self, mode: Mode, trial: Option<Trial>, judgement: Judgement) {
        if self.judgements.contains_key(&mode) {
            return;
        }
        if mode != Mode::Main {
            for (index, request) in self.requests.iter_mut().enumerate() {
                request.modes.insert(mode, worst_reply(trial.as_ref(), index));
            }
        }
        if let Some(trial) = trial.as_ref().filter(|_| mode == Mode::Main) {
            self.update_times(trial);
        }
        self.trials.extend(trial.map(|trial| (mode, trial)));
        self.judgements.insert(mode, judgement);
    }

    /// Takes the times from the last control. Those before it ran under a line tracer, which costs time.
    fn update_times(&mut self, control: &Trial) {
        for (request, time) in self.requests.iter_mut().zip(control.parse_request_times()) {
            if let Some(main) = &mut request.main {
                main.milliseconds = time;
            }
        }
    }

    /// Adds the replies of two control processes, unless an earlier environment has added its own.
    pub fn add_control_replies(&mut self, one: &[Reply], other: &[Reply]) {
        for (index, request) in self.requests.iter_mut().enumerate().filter(|(_, row)| row.main.is_none()) {
            let of = |all: &[Reply]| all.iter().find(|each| each.round == 0 && each.index == index).cloned();
            let Some((one, other)) = of(one).zip(of(other)).filter(|(one, _)| !one.status.is_empty()) else {
                continue;
            };
            request.main = Some(ControlReply {
                bytes: (one.bytes == other.bytes).then_some(one.bytes),
                sha256: (one.sha256 == other.sha256).then_some(one.sha256),
                status: one.status,
                milliseconds: one.milliseconds,
            });
        }
    }
}

/// Returns the worst result of a request in the interpreters of a trial. A request without a failure counts
/// as answered in the same way only if every request was sent: an interpreter goes on after a request that
/// fails, but not after a crash or a time-out.
fn worst_reply(trial: Option<&Trial>, index: usize) -> ModeReply {
    let of = |result| ModeReply { result, status: None };
    let Some(trial) = trial else { return of(RequestResult::NotKnown) };
    let failures = || trial.parse_replies().filter(|reply| reply.end != ReplyKind::Answered);
    let worst = failures()
        .filter(|reply| reply.index == index)
        .max_by_key(|reply| RequestResult::from_reply_kind(reply.end));
    match worst {
        Some(reply) => ModeReply {
            result: RequestResult::from_reply_kind(reply.end),
            status: Some(reply.status).filter(|status| !status.is_empty()),
        },
        None if has_sent_all_requests(trial, failures().next().is_some()) => of(RequestResult::Same),
        None => of(RequestResult::NotKnown),
    }
}

/// Whether an interpreter of a trial has sent every request. `has_failures`: whether it is known which
/// request failed.
fn has_sent_all_requests(trial: &Trial, has_failures: bool) -> bool {
    match trial.outcome {
        TrialOutcome::Imported => true,
        TrialOutcome::Raised { .. } | TrialOutcome::Refused { .. } => has_failures,
        TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_) => false,
    }
}

/// Judges an exercise. One that fails in the control shows nothing.
pub fn judge_exercise(own: Judgement, control: Option<&Trial>) -> Judgement {
    match control.map(|trial| &trial.outcome) {
        Some(TrialOutcome::Imported) => own,
        Some(_) | None => judge_without_control(own),
    }
}

/// Judges a list of requests. If the control answered none of them with success, a good verdict becomes
/// `unknown`.
pub fn judge_request_list(own: Judgement, control: Option<&Trial>, requests: &[RequestRow]) -> Judgement {
    let judgement = judge_exercise(own, control);
    let statuses: Vec<&str> =
        requests.iter().filter_map(|row| Some(row.main.as_ref()?.status.as_str())).collect();
    let is_success = |status: &&str| status.starts_with('2');
    match judgement.verdict {
        Verdict::Degraded | Verdict::Ready if !statuses.iter().any(is_success) => {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for status in statuses {
                *counts.entry(status).or_default() += 1;
            }
            let counts: Vec<String> =
                counts.iter().map(|(status, count)| format!("{count} x {status}")).collect();
            let why = format!(
                "no request was answered with success (2xx) in the main interpreter ({}), which \
                 shows nothing about other modes: request pages that it serves, and log in first if it \
                 requires that",
                counts.join(", ")
            );
            Judgement::from_reason_id(ReasonId::NoSuccess, why)
        }
        Verdict::Unsafe
        | Verdict::Blocked
        | Verdict::Unknown
        | Verdict::Degraded
        | Verdict::Ready
        | Verdict::NotApplicable => judgement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AbnormalExit, PythonError, TrialPhase};

    fn row(status: &str) -> RequestRow {
        let main = ControlReply { status: status.to_owned(), bytes: None, sha256: None, milliseconds: 1.0 };
        RequestRow {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            main: Some(main),
            modes: BTreeMap::new(),
        }
    }

    fn verdict(own: Judgement, statuses: &[&str]) -> (Verdict, Option<ReasonId>) {
        let mut control = Trial::not_run("shop", Mode::Main, crate::model::NotRunReason::Shadowed(None));
        control.outcome = TrialOutcome::Imported;
        let rows: Vec<RequestRow> = statuses.iter().map(|status| row(status)).collect();
        let judgement = judge_request_list(own, Some(&control), &rows);
        (judgement.verdict, judgement.reason_id)
    }

    #[test]
    fn a_request_is_not_the_same_where_the_trial_died_before_it_was_told() {
        let failed = format!("{}0\t0\tdiffers\t1.0\t200 OK\t4\tab\t'x'", Reply::MARK);
        let result = |outcome: TrialOutcome, index: usize| {
            let mut trial = Trial::not_run("shop", Mode::OwnGil, crate::model::NotRunReason::Shadowed(None));
            (trial.outcome, trial.answers) = (outcome, vec![failed.clone()]);
            worst_reply(Some(&trial), index).result
        };
        let error =
            PythonError { kind: "DifferentAnswer".to_owned(), text: String::new(), chain: Vec::new() };
        let raised = TrialOutcome::Raised { place: TrialPhase::Import, error, suspect: None };
        let crashed =
            TrialOutcome::Crashed { how: AbnormalExit::Signal(11), place: TrialPhase::Storm, loading: None };
        assert_eq!(result(raised.clone(), 0), RequestResult::Differs);
        assert_eq!(result(raised, 1), RequestResult::Same);
        assert_eq!(result(crashed.clone(), 0), RequestResult::Differs);
        assert_eq!(result(crashed, 1), RequestResult::NotKnown);
    }

    #[test]
    fn one_answer_with_success_is_evidence_and_none_is_none() {
        let ready = || Judgement::ready("");
        assert_eq!(verdict(ready(), &["404 Not Found", "200 OK"]), (Verdict::Ready, None));
        let open = (Verdict::Unknown, Some(ReasonId::NoSuccess));
        for statuses in [&["404 Not Found"][..], &["302 Found", "301 Moved"], &["401 No", "403 No", "405 No"]]
        {
            assert_eq!(verdict(ready(), statuses), open, "{statuses:?}");
        }
        let blocked = Judgement::from_evidence(Verdict::Blocked, None, "refused");
        assert_eq!(verdict(blocked, &["404 Not Found"]).0, Verdict::Blocked);
    }
}
