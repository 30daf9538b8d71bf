//! An exercise's row: how a script that uses what is installed fared, or a list of requests. Pure.

use std::collections::BTreeMap;

use super::application::not_imported;
use crate::model::{Judgement, Mode, Outcome, ReasonId, Reply, ReplyEnd, Trial, Verdict};

/// A script that was run in each mode, or requests that an application was asked.
#[derive(Clone, Debug)]
pub struct ExerciseRow {
    /// Its file, as it was named.
    pub file: String,
    /// The application that answered, of a list of requests.
    pub application: Option<String>,
    /// The requests, in their order.
    pub requests: Vec<RequestRow>,
    /// How running it ended.
    pub trials: BTreeMap<Mode, Trial>,
    /// What that means.
    pub judgements: BTreeMap<Mode, Judgement>,
}

/// A request, and what it was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRow {
    /// `GET`.
    pub method: String,
    /// As it was typed, with the variables of its file.
    pub target: String,
    /// What the main interpreter answered; `None` where it gave no answer.
    pub main: Option<MainReply>,
    /// What became of it in the other modes.
    pub modes: BTreeMap<Mode, ModeReply>,
}

/// What the main interpreter answered.
#[derive(Clone, Debug, PartialEq)]
pub struct MainReply {
    /// The status line: `200 OK`.
    pub status: String,
    /// Bytes of the body; `None` where they are not the same each time.
    pub bytes: Option<u64>,
    /// SHA-256 of the body; `None` where it is not the same each time.
    pub sha256: Option<String>,
    /// How long the application took, in milliseconds.
    pub milliseconds: f64,
}

/// What a mode made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeReply {
    /// What became of it.
    pub result: InMode,
    /// Its status line, where it was answered otherwise than in the main interpreter.
    pub status: Option<String>,
}

/// What became of a request in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InMode {
    /// It was answered as in the main interpreter.
    Same,
    /// The trial ended before it was told, or did not take place.
    NotKnown,
    /// It was answered otherwise, or with 5xx.
    Differs,
    /// What it needs, or should give to a later one, could not be captured.
    NothingCaptured,
    /// The application raised an exception.
    Raised,
}

impl InMode {
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

    fn of(end: ReplyEnd) -> Self {
        match end {
            ReplyEnd::Answered => Self::Same,
            ReplyEnd::NothingCaptured => Self::NothingCaptured,
            ReplyEnd::Differs | ReplyEnd::Failed => Self::Differs,
            ReplyEnd::Raised => Self::Raised,
        }
    }
}

impl ExerciseRow {
    /// For a script that was not run yet.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            application: None,
            requests: Vec::new(),
            trials: BTreeMap::new(),
            judgements: BTreeMap::new(),
        }
    }

    /// Adds a mode. The first environment's main interpreter is the control of the row.
    pub fn add(&mut self, mode: Mode, trial: Option<Trial>, judgement: Judgement) {
        if self.judgements.contains_key(&mode) {
            return;
        }
        if mode != Mode::Main {
            for (index, request) in self.requests.iter_mut().enumerate() {
                request.modes.insert(mode, in_mode(trial.as_ref(), index));
            }
        }
        if let Some(trial) = trial.as_ref().filter(|_| mode == Mode::Main) {
            self.add_times(trial);
        }
        self.trials.extend(trial.map(|trial| (mode, trial)));
        self.judgements.insert(mode, judgement);
    }

    /// Takes the times of the last control: those before it were watched line by line, which costs time.
    fn add_times(&mut self, control: &Trial) {
        for (request, time) in self.requests.iter_mut().zip(control.request_times()) {
            if let Some(main) = &mut request.main {
                main.milliseconds = time;
            }
        }
    }

    /// Adds what two processes of the main interpreter have answered, if an environment before has not.
    pub fn add_main(&mut self, one: &[Reply], other: &[Reply]) {
        for (index, request) in self.requests.iter_mut().enumerate().filter(|(_, row)| row.main.is_none()) {
            let of = |all: &[Reply]| all.iter().find(|each| each.round == 0 && each.index == index).cloned();
            let Some((one, other)) = of(one).zip(of(other)).filter(|(one, _)| !one.status.is_empty()) else {
                continue;
            };
            request.main = Some(MainReply {
                bytes: (one.bytes == other.bytes).then_some(one.bytes),
                sha256: (one.sha256 == other.sha256).then_some(one.sha256),
                status: one.status,
                milliseconds: one.milliseconds,
            });
        }
    }
}

/// The worst result of a request in the interpreters of a trial. A request that did not fail counts as answered in the same way
/// only if every request was asked: an interpreter goes on after a request that fails, but not after a crash or a time-out.
fn in_mode(trial: Option<&Trial>, index: usize) -> ModeReply {
    let of = |result| ModeReply { result, status: None };
    let Some(trial) = trial else { return of(InMode::NotKnown) };
    let failures = || trial.replies().filter(|reply| reply.end != ReplyEnd::Answered);
    let worst = failures().filter(|reply| reply.index == index).max_by_key(|reply| InMode::of(reply.end));
    match worst {
        Some(reply) => ModeReply {
            result: InMode::of(reply.end),
            status: Some(reply.status).filter(|status| !status.is_empty()),
        },
        None if has_asked_all(trial, failures().next().is_some()) => of(InMode::Same),
        None => of(InMode::NotKnown),
    }
}

/// Whether an interpreter of a trial has asked every request. `has_failures`: whether it is known which request failed.
fn has_asked_all(trial: &Trial, has_failures: bool) -> bool {
    match trial.outcome {
        Outcome::Imported => true,
        Outcome::Raised { .. } | Outcome::Refused { .. } => has_failures,
        Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(_) => false,
    }
}

/// What it means: a script that fails in the control tells nothing.
pub fn exercise(own: Judgement, control: Option<&Trial>) -> Judgement {
    match control.map(|trial| &trial.outcome) {
        Some(Outcome::Imported) => own,
        Some(_) | None => not_imported(own),
    }
}

/// What a list of requests means. Where the control answered none with success, what is not bad is not known.
pub fn answered(own: Judgement, control: Option<&Trial>, requests: &[RequestRow]) -> Judgement {
    let judgement = exercise(own, control);
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
                "no request was answered with success (2xx) in the main interpreter ({}): that shows nothing; ask \
                 what it answers, and log in first where it wants that",
                counts.join(", ")
            );
            Judgement::open(ReasonId::NoSuccess, why)
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
    use crate::model::{Death, Place, PythonError};

    fn row(status: &str) -> RequestRow {
        let main = MainReply { status: status.to_owned(), bytes: None, sha256: None, milliseconds: 1.0 };
        RequestRow {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            main: Some(main),
            modes: BTreeMap::new(),
        }
    }

    fn verdict(own: Judgement, statuses: &[&str]) -> (Verdict, Option<ReasonId>) {
        let mut control = Trial::not_run("shop", Mode::Main, crate::model::NotRun::Shadowed(None));
        control.outcome = Outcome::Imported;
        let rows: Vec<RequestRow> = statuses.iter().map(|status| row(status)).collect();
        let judgement = answered(own, Some(&control), &rows);
        (judgement.verdict, judgement.reason_id)
    }

    #[test]
    fn a_request_is_not_the_same_where_the_trial_died_before_it_was_told() {
        let failed = format!("{}0\t0\tdiffers\t1.0\t200 OK\t4\tab\t'x'", Reply::MARK);
        let result = |outcome: Outcome, index: usize| {
            let mut trial = Trial::not_run("shop", Mode::OwnGil, crate::model::NotRun::Shadowed(None));
            (trial.outcome, trial.answers) = (outcome, vec![failed.clone()]);
            in_mode(Some(&trial), index).result
        };
        let error =
            PythonError { kind: "DifferentAnswer".to_owned(), text: String::new(), chain: Vec::new() };
        let raised = Outcome::Raised { place: Place::Import, error, suspect: None };
        let crashed = Outcome::Crashed { how: Death::Signal(11), place: Place::Storm, loading: None };
        assert_eq!(result(raised.clone(), 0), InMode::Differs);
        assert_eq!(result(raised, 1), InMode::Same);
        assert_eq!(result(crashed.clone(), 0), InMode::Differs);
        assert_eq!(result(crashed, 1), InMode::NotKnown);
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
        let blocked = Judgement::found(Verdict::Blocked, None, "refused");
        assert_eq!(verdict(blocked, &["404 Not Found"]).0, Verdict::Blocked);
    }
}
