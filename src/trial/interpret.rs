//! Turns what a trial's process left behind into a [`Trial`].

use std::collections::BTreeSet;
use std::path::Path;

use wsgiaudit_probes_core::protocol::TrialEvent;

use super::attempt::Attempt;
use super::isolation::collect_doubts;
use super::loads::collect_loads;
use super::outcome::{outcome_blocked_by_sandbox, outcome_of_attempt};
use super::shared_objects::to_retained_object;
use super::trials::TrialSubject;
use crate::model::{Mode, NotRunReason, Reply, Trial, TrialOutcome};

/// Interprets what the process of a subject's trial left behind.
///
/// `in_control` names the modules that the control could load. A failed load of any other module is not a
/// failure by itself. The outcome is `Shadowed` if importing the name loaded another file than the subject's,
/// or none.
pub(super) fn interpret_attempt(
    mode: Mode,
    subject: &TrialSubject,
    attempt: &Attempt,
    in_control: &BTreeSet<String>,
) -> Trial {
    let loads = collect_loads(&attempt.events, in_control);
    let outcome = outcome_of_attempt(mode, attempt, &loads, in_control);
    let denied = find_denial(mode, &outcome, attempt).map(outcome_blocked_by_sandbox);
    let kept = attempt.events.iter().filter_map(|event| {
        if let TrialEvent::Kept { used: false, objects, .. } = event { Some(objects) } else { None }
    });
    let left_in_main = lists_from_events(attempt, |event| {
        if let TrialEvent::LeftInMain(names) = event { Some(names) } else { None }
    });
    let native_threads = lists_from_events(attempt, |event| {
        if let TrialEvent::NativeThreads(names) = event { Some(names) } else { None }
    });
    let standard =
        lists_from_events(
            attempt,
            |event| {
                if let TrialEvent::Standard(names) = event { Some(names) } else { None }
            },
        );
    let held = attempt.events.iter().filter_map(|event| {
        if let TrialEvent::Held { module, by, .. } = event {
            Some((module.clone(), by.iter().cloned().collect()))
        } else {
            None
        }
    });
    let called = attempt
        .events
        .iter()
        .rev()
        .find_map(|event| if let TrialEvent::Calling(name) = event { Some(name.clone()) } else { None });
    let mut trial = Trial {
        subject: subject.name.clone(),
        mode,
        kept: kept.flatten().map(|object| to_retained_object(object, &loads)).collect(),
        called,
        doubts: collect_doubts(&attempt.events, &loads),
        native_threads: native_threads.flatten().cloned().collect(),
        left_in_main: left_in_main.flatten().collect::<BTreeSet<_>>().into_iter().cloned().collect(),
        standard: standard.flatten().collect::<BTreeSet<_>>().into_iter().cloned().collect(),
        answers: collect_answers(attempt),
        held: held.collect(),
        outcome: denied.unwrap_or(outcome),
        loads: loads.into(),
        printed: attempt.printed.clone(),
        crash: attempt.crash.clone(),
        python: None,
        after: None,
        through: None,
    };
    if let Some(file) = subject.file.as_deref().filter(|_| trial.outcome.has_passed()) {
        let loaded: BTreeSet<&str> = trial
            .successful_loads()
            .filter(|load| load.name == subject.name)
            .map(|load| load.path.as_str())
            .collect();
        let is_it = |path: &&str| is_same_file(path.as_ref(), file);
        if !loaded.iter().all(is_it) || !trial.is_loaded_in_all_interpreters(&subject.name) {
            let other = loaded.into_iter().find(|path| !is_it(path)).map(str::to_owned);
            trial.outcome = TrialOutcome::NotRun(NotRunReason::Shadowed(other));
        }
    }
    trial
}

/// Whether two paths lead to the same file.
pub(super) fn is_same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Finds a permission error in the message or output of a control that failed in the sandbox.
///
/// It covers failures without a Python exception, such as a panic of Rust.
fn find_denial<'a>(mode: Mode, outcome: &'a TrialOutcome, attempt: &'a Attempt) -> Option<&'a str> {
    let said = if let TrialOutcome::Crashed { .. } = outcome {
        &attempt.printed
    } else {
        // An ImportError may come from dlopen, which reports unreadable files in the same words.
        &outcome.error().filter(|error| error.kind != "ImportError")?.text
    };
    let is_refusal = |line: &&str| {
        ["Permission denied", "Operation not permitted"].iter().any(|words| line.contains(words))
    };
    said.lines().find(is_refusal).filter(|_| mode == Mode::Main && attempt.is_confined())
}

/// Lists in events of one kind, selected by `of`.
fn lists_from_events<'e>(
    attempt: &'e Attempt,
    of: impl Fn(&'e TrialEvent) -> Option<&'e Vec<String>>,
) -> impl Iterator<Item = &'e Vec<String>> {
    attempt.events.iter().filter_map(of)
}

/// The answers of the first interpreter, and all interpreters' answers to requests.
fn collect_answers(attempt: &Attempt) -> Vec<String> {
    let mut all =
        lists_from_events(
            attempt,
            |event| if let TrialEvent::Answered(lines) = event { Some(lines) } else { None },
        );
    let mut answers = all.next().cloned().unwrap_or_default();
    answers.extend(all.flatten().filter(|line| line.starts_with(Reply::MARK)).cloned());
    answers
}
