//! The rows of exercises: scripts that use what is installed, and lists of requests. Pure.

use std::collections::BTreeMap;

use super::application::judge_without_control;
use super::rows::{ControlReply, ExerciseRow, RequestRow};
use super::v1::{RequestInMode, RequestResult};
use crate::model::{Judgement, Mode, ReasonId, Reply, ReplyKind, Trial, TrialOutcome, Verdict};

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
fn worst_reply(trial: Option<&Trial>, index: usize) -> RequestInMode {
    let of = |result| RequestInMode { result, status: None };
    let Some(trial) = trial else { return of(RequestResult::NotKnown) };
    let failures = || trial.parse_replies().filter(|reply| reply.end != ReplyKind::Answered);
    let worst = failures()
        .filter(|reply| reply.index == index)
        .max_by_key(|reply| RequestResult::from_reply_kind(reply.end));
    match worst {
        Some(reply) => RequestInMode {
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
    trial.outcome.has_passed() || (has_failures && trial.outcome.error().is_some())
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

    fn reply(index: usize, bytes: u64, sha256: &str, status: &str) -> Reply {
        let (status, sha256) = (status.to_owned(), sha256.to_owned());
        let (end, begins) = (ReplyKind::Answered, String::new());
        Reply { round: 0, index, end, milliseconds: 2.0, status, bytes, sha256, begins }
    }

    #[test]
    fn a_mode_is_added_once_and_the_last_control_has_the_times() {
        let mut exercise =
            ExerciseRow { requests: vec![row("200 OK"), row("200 OK")], ..ExerciseRow::new("a.json") };
        let mut control = Trial::not_run("shop", Mode::Main, crate::model::NotRunReason::Shadowed(None));
        control.answers = vec![format!("{}7.5,8.5", Reply::TIMES)];
        exercise.add_mode(Mode::Main, Some(control.clone()), Judgement::ready(""));
        let times: Vec<f64> =
            exercise.requests.iter().map(|row| row.main.as_ref().unwrap().milliseconds).collect();
        assert_eq!(times, [7.5, 8.5]);
        assert!(exercise.requests.iter().all(|row| row.modes.is_empty()));
        exercise.add_mode(Mode::OwnGil, Some(control.clone()), Judgement::ready("first"));
        exercise.add_mode(Mode::OwnGil, None, Judgement::ready("second"));
        exercise.add_mode(Mode::SharedGil, None, Judgement::ready(""));
        assert_eq!(exercise.judgements[&Mode::OwnGil].reason, "first");
        assert_eq!(exercise.trials.keys().collect::<Vec<_>>(), [&Mode::Main, &Mode::OwnGil]);
        let modes = &exercise.requests[1].modes;
        assert_eq!(modes[&Mode::SharedGil], RequestInMode { result: RequestResult::NotKnown, status: None });
        assert_eq!(modes.len(), 2);
        // Only a control has times.
        let slow = Trial { answers: vec![format!("{}90,90", Reply::TIMES)], ..control };
        exercise.add_mode(Mode::FreeThreaded, Some(slow), Judgement::ready(""));
        assert_eq!(exercise.requests[0].main.as_ref().unwrap().milliseconds, 7.5);
    }

    #[test]
    fn what_two_controls_answer_alike_is_kept() {
        let new_row = || RequestRow { main: None, ..row("") };
        let requests = vec![new_row(), new_row(), new_row(), new_row(), row("500 Error")];
        let mut exercise = ExerciseRow { requests, ..ExerciseRow::new("a.json") };
        let later = Reply { round: 1, ..reply(2, 9, "ef", "200 OK") };
        let one = [
            reply(0, 4, "ab", "200 OK"),
            reply(1, 5, "cd", "404 No"),
            later,
            reply(3, 0, "", ""),
            reply(4, 1, "aa", "200 OK"),
        ];
        let other = [
            reply(0, 4, "ab", "200 OK"),
            reply(1, 6, "ce", "404 No"),
            reply(3, 0, "", ""),
            reply(4, 1, "aa", ""),
        ];
        exercise.add_control_replies(&one, &other);
        let kept = exercise.requests.iter().map(|row| {
            let main = row.main.as_ref()?;
            Some((main.status.as_str(), main.bytes, main.sha256.as_deref()))
        });
        let expected = [
            Some(("200 OK", Some(4), Some("ab"))),
            Some(("404 No", None, None)),
            None,
            None,
            Some(("500 Error", None, None)),
        ];
        assert_eq!(kept.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_worst_reply_in_any_interpreter_counts() {
        let line = |index, kind: &str, status: &str| {
            format!("{}0\t{index}\t{kind}\t1.0\t{status}\t4\tab\t'x'", Reply::MARK)
        };
        let mut trial = Trial::not_run("shop", Mode::OwnGil, crate::model::NotRunReason::Shadowed(None));
        trial.answers = vec![
            line(0, "answered", "200 OK"),
            line(1, "differs", "201 New"),
            line(1, "raised", ""),
            line(2, "failed", "500 Error"),
            line(3, "nothing-captured", "200 OK"),
        ];
        let results =
            (0..5).map(|index| worst_reply(Some(&trial), index)).map(|each| (each.result, each.status));
        let expected = [
            (RequestResult::NotKnown, None),
            (RequestResult::Raised, None),
            (RequestResult::Differs, Some("500 Error".to_owned())),
            (RequestResult::NothingCaptured, Some("200 OK".to_owned())),
            (RequestResult::NotKnown, None),
        ];
        assert_eq!(results.collect::<Vec<_>>(), expected);
        trial.outcome = TrialOutcome::Imported;
        assert_eq!(worst_reply(Some(&trial), 4).result, RequestResult::Same);
        assert_eq!(worst_reply(None, 0).result, RequestResult::NotKnown);
        // It raised, but no request is known to have failed: it may not have sent them all.
        let error = PythonError { kind: "OSError".to_owned(), text: String::new(), chain: Vec::new() };
        trial.outcome = TrialOutcome::Raised { place: TrialPhase::Import, error, suspect: None };
        trial.answers = vec![line(0, "answered", "200 OK")];
        assert_eq!(worst_reply(Some(&trial), 0).result, RequestResult::NotKnown);
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
        let blocked = || Judgement::from_evidence(Verdict::Blocked, None, "refused");
        assert_eq!(verdict(blocked(), &["404 Not Found"]).0, Verdict::Blocked);
        let mut control = Trial::not_run("shop", Mode::Main, crate::model::NotRunReason::Shadowed(None));
        control.outcome = TrialOutcome::Imported;
        let rows = ["404 No", "302 Found", "404 No"].map(row);
        let reason = judge_request_list(ready(), Some(&control), &rows).reason;
        assert!(reason.contains("(1 x 302 Found, 2 x 404 No)"), "{reason}");
        // One that fails in the control shows nothing.
        assert_eq!(judge_exercise(ready(), None).reason_id, Some(ReasonId::NotTried));
        assert_eq!(judge_exercise(blocked(), None), blocked());
    }
}
