//! Decides the outcome of a trial. Pure: its inputs are the record's events and how the process ended.

use std::collections::BTreeSet;

use wsgiaudit_probes_core::interpreter_names::STRESS_TEST;
use wsgiaudit_probes_core::protocol::{Exception, PROBE_FAILED, ProcessExit, ProtocolPhase, TrialEvent};

use super::attempt::Attempt;
use super::failure_cause::outcome_of_exception;
use super::isolation::find_breach;
use super::last_phase::last_phase;
use super::loads::to_python_error;
use super::shared_objects::{to_retained_object, to_shared_object};
use super::writable_hint::suggest_writable_option;
use crate::model::{
    AbnormalExit, Mode, ModuleLoad, NotRunReason, ReasonId, Refuser, TrialOutcome, TrialPhase,
};

/// The outcome, from the deciding event and the process's exit.
///
/// `in_control` names the modules that the control could load. A failed load of any other module is not a
/// failure by itself.
///
/// C code that reaches beyond its interpreter is the outcome unless something as bad happened.
pub(super) fn outcome_of_attempt(
    mode: Mode,
    attempt: &Attempt,
    loads: &[ModuleLoad],
    in_control: &BTreeSet<String>,
) -> TrialOutcome {
    let outcome = outcome_without_breach(mode, attempt, loads, in_control);
    match outcome {
        TrialOutcome::Imported
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Refused { by: Refuser::Module, .. } => {
            find_breach(&attempt.events, loads).unwrap_or(outcome)
        }
        TrialOutcome::Refused { by: Refuser::CPython, .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::BreaksIsolation { .. }
        | TrialOutcome::NotRun(_) => outcome,
    }
}

fn outcome_without_breach(
    mode: Mode,
    attempt: &Attempt,
    loads: &[ModuleLoad],
    in_control: &BTreeSet<String>,
) -> TrialOutcome {
    let place = last_phase(&attempt.events);
    let lost = || loads.iter().rev().find(|load| load.result.is_none()).map(|load| load.name.clone());
    let died = |end| match end {
        ProcessExit::Deadline => TrialOutcome::TimedOut { place, loading: lost() },
        ProcessExit::Signal(number) => {
            TrialOutcome::Crashed { how: AbnormalExit::Signal(number), place, loading: lost() }
        }
        ProcessExit::Exit(status) => {
            TrialOutcome::Crashed { how: AbnormalExit::Exit(status), place, loading: lost() }
        }
        ProcessExit::Overfull => TrialOutcome::NotRun(NotRunReason::Because(
            ReasonId::WritesTooMuch,
            "it was stopped after writing more than 1 GiB or 20000 files".to_owned(),
        )),
    };
    match (find_decisive_event(mode, &attempt.events), attempt.end) {
        (Some(TrialEvent::Broken(why)), _) => probe_failure(&format!("the probe failed: {why}")),
        (Some(TrialEvent::Done), None | Some(ProcessExit::Exit(0))) => TrialOutcome::Imported,
        (Some(TrialEvent::DescriptorsLost(module)), None | Some(ProcessExit::Exit(0))) => {
            TrialOutcome::LosesDescriptors { place, loading: module.clone() }
        }
        (Some(TrialEvent::ThreadsLeft(names)), Some(ProcessExit::Exit(0))) => {
            TrialOutcome::LeftThreads { names: names.clone() }
        }
        (Some(TrialEvent::Shared { count, objects }), Some(ProcessExit::Exit(0))) => TrialOutcome::Shares {
            count: *count,
            objects: objects.iter().map(|object| to_shared_object(object, loads)).collect(),
        },
        (Some(TrialEvent::Kept { used: true, count, objects }), Some(ProcessExit::Exit(0))) => {
            TrialOutcome::Shares {
                count: *count,
                objects: objects.iter().map(|object| to_retained_object(object, loads)).collect(),
            }
        }
        (Some(TrialEvent::Error { denied, error }), None | Some(ProcessExit::Exit(0))) => {
            let place = if is_broken_by_interpreter_end(mode, attempt, error) {
                TrialPhase::AfterAnotherEnded
            } else {
                place
            };
            let failed =
                outcome_of_exception((mode, place), last_import(&attempt.events), error, loads, in_control);
            let is_cpythons = matches!(failed, TrialOutcome::Refused { by: Refuser::CPython, .. });
            match denied.as_ref().filter(|_| attempt.is_confined() && !is_cpythons) {
                Some(what) => outcome_blocked_by_sandbox(what),
                None => failed,
            }
        }
        (None, Some(ProcessExit::Exit(PROBE_FAILED)) | None) => probe_failure("the probe could not start"),
        (_, Some(end)) => died(end),
        (Some(_), None) => probe_failure("its record is incomplete"),
    }
}

/// The name whose import began last.
pub(super) fn last_import(events: &[TrialEvent]) -> Option<&str> {
    events
        .iter()
        .rev()
        .find_map(|event| if let TrialEvent::Importing(name) = event { Some(name.as_str()) } else { None })
}

/// Outcome of a failure that the sandbox may have caused: it says nothing about the subject.
pub(super) fn outcome_blocked_by_sandbox(what: &str) -> TrialOutcome {
    let way_out = suggest_writable_option(what).map_or_else(
        || "try --no-sandbox".to_owned(),
        |way| format!("{way} gives trials a copy of the folder to write to; else try --no-sandbox"),
    );
    let why = format!(
        "may fail because of the sandbox (no network, no writes or signals elsewhere, bounded memory and \
         files): {}; {way_out}",
        what.trim_end_matches([':', ' '])
    );
    TrialOutcome::NotRun(NotRunReason::Because(ReasonId::Sandbox, why))
}

fn probe_failure(how: &str) -> TrialOutcome {
    TrialOutcome::NotRun(NotRunReason::Because(ReasonId::ProbeFailed, how.to_owned()))
}

/// Whether a repeated use raised after another interpreter had ended, and no failed load explains it.
fn is_broken_by_interpreter_end(mode: Mode, attempt: &Attempt, error: &Exception) -> bool {
    let last = attempt.events.iter().rev().find_map(TrialEvent::phase);
    let has_several = match mode {
        Mode::SharedGil | Mode::OwnGil | Mode::OwnGilCopies | Mode::FreeThreadedGroup => true,
        Mode::Main | Mode::FreeThreaded => false,
    };
    let is_limit = to_python_error(error).process_limit().is_some();
    has_several
        && last.is_some_and(|(_, phase)| phase == ProtocolPhase::Touch)
        && error.behind.is_empty()
        && !is_limit
}

/// Returns the event that decides the outcome: usually the last one.
///
/// In a stress test, other threads may still write events after one thread has failed or the probe has given
/// up.
fn find_decisive_event(mode: Mode, events: &[TrialEvent]) -> Option<&TrialEvent> {
    let tells = |event: &&TrialEvent| {
        matches!(
            event,
            TrialEvent::Error { .. } | TrialEvent::DescriptorsLost(_) | TrialEvent::ThreadsLeft(_)
        )
    };
    let are_several = mode == Mode::FreeThreaded || is_stress_test(events);
    let given_up = events.iter().find(|event| matches!(event, TrialEvent::Broken(_)));
    let decisive = given_up.or_else(|| events.iter().rev().find(tells)).filter(|_| are_several);
    // Objects left in the main interpreter or in static C data, and what happens to isolation, are recorded after the
    // deciding event too.
    let is_after = |event: &&TrialEvent| {
        matches!(
            event,
            TrialEvent::LeftInMain(_) | TrialEvent::Kept { used: false, .. } | TrialEvent::Isolation(_)
        )
    };
    decisive.or_else(|| events.iter().rev().find(|event| !is_after(event)))
}

/// Whether the trial was a stress test of sub-interpreters.
fn is_stress_test(events: &[TrialEvent]) -> bool {
    events.iter().any(|event| event.phase() == Some((STRESS_TEST, ProtocolPhase::Storm)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_gave_up_in_a_storm_blames_nobody() {
        let loaded = TrialEvent::Loaded { interpreter: STRESS_TEST.to_owned(), name: "shop".to_owned() };
        let begun = TrialEvent::Step(STRESS_TEST.to_owned(), ProtocolPhase::Storm);
        let events = vec![begun, TrialEvent::Broken("no interpreter".to_owned()), loaded];
        let end = Some(ProcessExit::Exit(PROBE_FAILED));
        let attempt = Attempt { end, ..Attempt::from_events(events) };
        let outcome = outcome_of_attempt(Mode::OwnGil, &attempt, &[], &BTreeSet::new());
        assert_eq!(outcome, probe_failure("the probe failed: no interpreter"));
    }
}
