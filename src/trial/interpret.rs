//! Turns a trial's evidence into a result. Pure: its inputs are the record's events and how the process
//! ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::failure_cause::outcome_of_exception;
use super::loads::collect_loads;
use super::protocol::{Exception, ProcessExit, ProtocolPhase, RetainedObject, SharedPyObject, TrialEvent};
use super::writable_hint::suggest_writable_option;
use crate::image::symbol_at_address;
use crate::model::{
    AbnormalExit, Mode, ModuleLoad, NotRunReason, ReasonId, Refuser, Reply, SharedPythonObject, TrialOutcome,
    TrialPhase,
};

/// The evidence of a trial: the record of the probes, and how the child process ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TrialEvidence {
    /// Events of the record.
    pub(super) events: Vec<TrialEvent>,
    /// How the child ended; `None` for a zygote that imported its subject and still runs.
    pub(super) end: Option<ProcessExit>,
}

/// The result of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrialResult {
    pub(super) outcome: TrialOutcome,
    pub(super) importing: Option<String>,
    pub(super) loads: Vec<ModuleLoad>,
    /// Objects retained by the data of shared libraries. No use of them was seen.
    pub(super) kept: Vec<SharedPythonObject>,
    /// Names of threads that outlived the trial's interpreters.
    pub(super) native_threads: Vec<String>,
    /// Names of what the trial left in the main interpreter.
    pub(super) left_in_main: Vec<String>,
    /// Modules of the standard library that the first interpreter imported.
    pub(super) standard: Vec<String>,
    /// An application's answers to the subject's requests.
    pub(super) answers: Vec<String>,
    /// For a module that an init function loaded: where its objects can be found.
    pub(super) held: BTreeMap<String, BTreeSet<String>>,
    /// Whether the trial ran in the sandbox.
    pub(super) is_confined: bool,
}

/// Interprets the evidence of one trial.
///
/// `loads_in_control` names the modules that the control could load. A failed load of any other module is not
/// a failure by itself.
pub(super) fn interpret_evidence(
    mode: Mode,
    evidence: &TrialEvidence,
    loads_in_control: &BTreeSet<String>,
) -> TrialResult {
    let loads = collect_loads(&evidence.events, loads_in_control);
    let named =
        |event: &TrialEvent| if let TrialEvent::Importing(name) = event { Some(name.clone()) } else { None };
    let importing = evidence.events.iter().rev().find_map(named);
    let outcome = outcome_of_evidence((mode, importing.as_deref()), evidence, &loads, loads_in_control);
    let kept = evidence.events.iter().filter_map(|event| {
        if let TrialEvent::Kept { used: false, objects, .. } = event { Some(objects) } else { None }
    });
    let kept = kept.flatten().map(|object| to_retained_object(object, &loads)).collect();
    let left_in_main = lists_from_events(evidence, |event| {
        if let TrialEvent::LeftInMain(names) = event { Some(names) } else { None }
    });
    let left_in_main = left_in_main.flatten().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let native_threads = lists_from_events(evidence, |event| {
        if let TrialEvent::NativeThreads(names) = event { Some(names) } else { None }
    });
    let native_threads = native_threads.flatten().cloned().collect();
    let standard =
        lists_from_events(
            evidence,
            |event| if let TrialEvent::Standard(names) = event { Some(names) } else { None },
        );
    let standard = standard.flatten().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let answers = collect_answers(evidence);
    let is_confined = is_confined(evidence);
    let held = evidence.events.iter().filter_map(|event| {
        if let TrialEvent::Held { module, by, .. } = event {
            Some((module.clone(), by.iter().cloned().collect()))
        } else {
            None
        }
    });
    let held = held.collect();
    TrialResult {
        outcome,
        importing,
        loads,
        kept,
        native_threads,
        left_in_main,
        standard,
        answers,
        held,
        is_confined,
    }
}

/// Lists in events of one kind, selected by `of`.
fn lists_from_events<'e>(
    evidence: &'e TrialEvidence,
    of: impl Fn(&'e TrialEvent) -> Option<&'e Vec<String>>,
) -> impl Iterator<Item = &'e Vec<String>> {
    evidence.events.iter().filter_map(of)
}

/// The answers of the first interpreter, and all interpreters' answers to requests.
fn collect_answers(evidence: &TrialEvidence) -> Vec<String> {
    let mut all =
        lists_from_events(
            evidence,
            |event| if let TrialEvent::Answered(lines) = event { Some(lines) } else { None },
        );
    let mut answers = all.next().cloned().unwrap_or_default();
    answers.extend(all.flatten().filter(|line| line.starts_with(Reply::MARK)).cloned());
    answers
}

fn is_confined(evidence: &TrialEvidence) -> bool {
    evidence.events.contains(&TrialEvent::Confined)
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

/// The outcome, from the deciding event and the process's exit.
fn outcome_of_evidence(
    (mode, importing): (Mode, Option<&str>),
    evidence: &TrialEvidence,
    loads: &[ModuleLoad],
    in_control: &BTreeSet<String>,
) -> TrialOutcome {
    let place = last_phase(&evidence.events);
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
    match (find_decisive_event(mode, &evidence.events), evidence.end) {
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
            let place = if is_broken_by_interpreter_end(mode, evidence, error) {
                TrialPhase::AfterAnotherEnded
            } else {
                place
            };
            let failed = outcome_of_exception((mode, place), importing, error, loads, in_control);
            let is_cpythons = matches!(failed, TrialOutcome::Refused { by: Refuser::CPython, .. });
            match denied.as_ref().filter(|_| is_confined(evidence) && !is_cpythons) {
                Some(what) => outcome_blocked_by_sandbox(what),
                None => failed,
            }
        }
        (None, Some(ProcessExit::Exit(70)) | None) => probe_failure("the probe could not start"),
        (_, Some(end)) => died(end),
        (Some(_), None) => probe_failure("its record is incomplete"),
    }
}

fn probe_failure(how: &str) -> TrialOutcome {
    TrialOutcome::NotRun(NotRunReason::Because(ReasonId::ProbeFailed, how.to_owned()))
}

/// Whether a repeated use raised after another interpreter had ended, and no failed load explains it.
fn is_broken_by_interpreter_end(mode: Mode, evidence: &TrialEvidence, error: &Exception) -> bool {
    let step = |event: &TrialEvent| if let TrialEvent::Step(_, step) = event { Some(*step) } else { None };
    let last = evidence.events.iter().rev().find_map(step);
    let has_several = match mode {
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreadedGroup => true,
        Mode::Main | Mode::FreeThreaded => false,
    };
    has_several && last == Some(ProtocolPhase::Touch) && error.behind.is_empty()
}

/// Describes an object that two interpreters share.
///
/// Its module is the one whose file contains it, else the one whose name its path begins with.
fn to_shared_object(object: &SharedPyObject, loads: &[ModuleLoad]) -> SharedPythonObject {
    let leads = |way: &str, name: &str| {
        way.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ', '[']))
    };
    let by_file = loads.iter().find(|load| Some(&load.path) == object.file.as_ref());
    let by_name =
        || loads.iter().filter(|load| leads(&object.second, &load.name)).max_by_key(|load| load.name.len());
    SharedPythonObject {
        kind: object.kind.clone(),
        is_type: object.is_type,
        is_static: object.file.is_some(),
        module: by_file.or_else(by_name).map(|load| load.name.clone()),
        ways: [object.first.clone(), object.second.clone()],
    }
}

/// Describes an object that only C code references.
///
/// Its module is the one whose data, or whose library's data, retains it. For an object on the C heap, it is
/// the one whose code used it.
fn to_retained_object(object: &RetainedObject, loads: &[ModuleLoad]) -> SharedPythonObject {
    let path = Path::new(&object.file);
    let module = loads.iter().find(|load| load.path == object.file).map(|load| load.name.clone());
    let file = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let whose = module.clone().unwrap_or_else(file);
    let what = match (symbol_at_address(path, object.offset), object.is_on_heap) {
        (Some(name), false) => format!("C static {name} of {whose}"),
        (None, false) => format!("C data of {whose} at {:#x}", object.offset),
        (Some(name), true) => format!("C heap, used by {name} of {whose}"),
        (None, true) => format!("C heap, used by {whose}"),
    };
    let way = format!("{what} -> {}", object.kind);
    SharedPythonObject {
        kind: object.kind.clone(),
        is_type: object.is_type,
        is_static: false,
        module,
        ways: [way.clone(), way],
    }
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
    // Objects left in the main interpreter or in static C data are recorded after the deciding event.
    let is_after = |event: &&TrialEvent| {
        matches!(event, TrialEvent::LeftInMain(_) | TrialEvent::Kept { used: false, .. })
    };
    decisive.or_else(|| events.iter().rev().find(|event| !is_after(event)))
}

/// Whether the trial was a stress test of sub-interpreters.
fn is_stress_test(events: &[TrialEvent]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, TrialEvent::Step(name, ProtocolPhase::Storm) if name == "storm"))
}

/// The phase of the protocol in which the trial ended.
fn last_phase(events: &[TrialEvent]) -> TrialPhase {
    let last = events.iter().rev().find_map(|event| {
        if let TrialEvent::Step(interpreter, step) = event {
            Some((interpreter.as_str(), *step))
        } else {
            None
        }
    });
    match last {
        Some(("B", ProtocolPhase::Start | ProtocolPhase::Import)) | Some((_, ProtocolPhase::Compare)) => {
            TrialPhase::SecondInterpreter
        }
        Some(("C" | "D", ProtocolPhase::Start | ProtocolPhase::Import)) | Some((_, ProtocolPhase::Touch)) => {
            TrialPhase::UseAfterEnd
        }
        None | Some((_, ProtocolPhase::Start)) => TrialPhase::Startup,
        Some((_, ProtocolPhase::Import)) => TrialPhase::Import,
        Some((_, ProtocolPhase::End)) => TrialPhase::Teardown,
        Some((_, ProtocolPhase::Exit)) => TrialPhase::Exit,
        Some((_, ProtocolPhase::Storm)) => TrialPhase::Storm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_gave_up_in_a_storm_blames_nobody() {
        let loaded = TrialEvent::Loaded { interpreter: "storm".to_owned(), name: "shop".to_owned() };
        let begun = TrialEvent::Step("storm".to_owned(), ProtocolPhase::Storm);
        let events = vec![begun, TrialEvent::Broken("no interpreter".to_owned()), loaded];
        let evidence = TrialEvidence { events, end: Some(ProcessExit::Exit(70)) };
        let result = interpret_evidence(Mode::OwnGil, &evidence, &BTreeSet::new());
        assert_eq!(result.outcome, probe_failure("the probe failed: no interpreter"));
    }
}
