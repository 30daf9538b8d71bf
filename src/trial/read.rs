//! From what the two witnesses say to an outcome. Pure: the record's events and how the process ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::culprit::failed;
use super::denied::way_to_write;
use super::loads::loads;
use super::protocol::{End, Event, Exception, Kept, Shared, Step};
use crate::image::symbol_at_address;
use crate::model::{Death, Load, Mode, NotRun, Outcome, Place, ReasonId, Refuser, Reply, SharedObject};

/// What is left of a trial: both witnesses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Evidence {
    /// The record.
    pub(super) events: Vec<Event>,
    /// How the child ended; `None` for a zygote that has imported its subject and lives.
    pub(super) end: Option<End>,
}

/// An outcome, and the name whose import led to it: the subject, or something that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) outcome: Outcome,
    pub(super) importing: Option<String>,
    pub(super) loads: Vec<Load>,
    /// What the data of shared objects kept, though nobody was seen to use it.
    pub(super) kept: Vec<SharedObject>,
    /// The names of threads that outlived its interpreters.
    pub(super) native_threads: Vec<String>,
    /// What it left in the main interpreter.
    pub(super) left_in_main: Vec<String>,
    /// What the first interpreter has imported of the standard library.
    pub(super) standard: Vec<String>,
    /// What an application answered to the subject.
    pub(super) answers: Vec<String>,
    /// Where something of a module can be found that an init function has loaded.
    pub(super) held: BTreeMap<String, BTreeSet<String>>,
    /// Whether it happened in the sandbox.
    pub(super) is_confined: bool,
}

/// Reads the evidence of one trial. `loads_in_control` names what the control could load: where another load fails,
/// nothing comes of that alone.
pub(super) fn read(mode: Mode, evidence: &Evidence, loads_in_control: &BTreeSet<String>) -> Reading {
    let loads = loads(&evidence.events, loads_in_control);
    let named = |event: &Event| if let Event::Importing(name) = event { Some(name.clone()) } else { None };
    let importing = evidence.events.iter().rev().find_map(named);
    let outcome = outcome((mode, importing.as_deref()), evidence, &loads, loads_in_control);
    let kept = evidence.events.iter().filter_map(|event| {
        if let Event::Kept { used: false, objects, .. } = event { Some(objects) } else { None }
    });
    let kept = kept.flatten().map(|object| kept_object(object, &loads)).collect();
    let left_in_main =
        told(evidence, |event| if let Event::LeftInMain(told) = event { Some(told) } else { None });
    let left_in_main = left_in_main.flatten().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let native_threads =
        told(evidence, |event| if let Event::NativeThreads(told) = event { Some(told) } else { None });
    let native_threads = native_threads.flatten().cloned().collect();
    let standard = told(evidence, |event| if let Event::Standard(told) = event { Some(told) } else { None });
    let standard = standard.flatten().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let answers = answers(evidence);
    let is_confined = is_confined(evidence);
    let held = evidence.events.iter().filter_map(|event| {
        if let Event::Held { module, by, .. } = event {
            Some((module.clone(), by.iter().cloned().collect()))
        } else {
            None
        }
    });
    let held = held.collect();
    Reading {
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

/// What each event of a kind says.
fn told<'e>(
    evidence: &'e Evidence,
    of: impl Fn(&'e Event) -> Option<&'e Vec<String>>,
) -> impl Iterator<Item = &'e Vec<String>> {
    evidence.events.iter().filter_map(of)
}

/// What the first interpreter has told, and of requests, what each has.
fn answers(evidence: &Evidence) -> Vec<String> {
    let mut all = told(evidence, |event| if let Event::Answered(told) = event { Some(told) } else { None });
    let mut answers = all.next().cloned().unwrap_or_default();
    answers.extend(all.flatten().filter(|line| line.starts_with(Reply::MARK)).cloned());
    answers
}

fn is_confined(evidence: &Evidence) -> bool {
    evidence.events.contains(&Event::Confined)
}

/// The sandbox may have caused a failure: it says nothing about the subject then.
pub(super) fn in_the_sandboxs_way(what: &str) -> Outcome {
    let way_out = way_to_write(what).map_or_else(
        || "try --no-sandbox".to_owned(),
        |way| format!("{way} gives trials a copy of the folder to write to; else try --no-sandbox"),
    );
    let why = format!(
        "may fail because of the sandbox (no network, no writes or signals elsewhere, bounded memory and \
         files): {}; {way_out}",
        what.trim_end_matches([':', ' '])
    );
    Outcome::NotRun(NotRun::Because(ReasonId::Sandbox, why))
}

fn outcome(
    (mode, importing): (Mode, Option<&str>),
    evidence: &Evidence,
    loads: &[Load],
    in_control: &BTreeSet<String>,
) -> Outcome {
    let place = place(&evidence.events);
    let lost = || loads.iter().rev().find(|load| load.result.is_none()).map(|load| load.name.clone());
    let died = |end| match end {
        End::Deadline => Outcome::TimedOut { place, loading: lost() },
        End::Signal(number) => Outcome::Crashed { how: Death::Signal(number), place, loading: lost() },
        End::Exit(status) => Outcome::Crashed { how: Death::Exit(status), place, loading: lost() },
        End::Overfull => Outcome::NotRun(NotRun::Because(
            ReasonId::WritesTooMuch,
            "it was stopped when it had written more than 1 GiB, or 20000 files".to_owned(),
        )),
    };
    match (last(mode, &evidence.events), evidence.end) {
        (Some(Event::Broken(why)), _) => probe_failed(&format!("the probe failed: {why}")),
        (Some(Event::Done), None | Some(End::Exit(0))) => Outcome::Imported,
        (Some(Event::DescriptorsLost(module)), None | Some(End::Exit(0))) => {
            Outcome::LosesDescriptors { place, loading: module.clone() }
        }
        (Some(Event::ThreadsLeft(names)), Some(End::Exit(0))) => {
            Outcome::LeftThreads { names: names.clone() }
        }
        (Some(Event::Shared { count, objects }), Some(End::Exit(0))) => Outcome::Shares {
            count: *count,
            objects: objects.iter().map(|object| shared(object, loads)).collect(),
        },
        (Some(Event::Kept { used: true, count, objects }), Some(End::Exit(0))) => Outcome::Shares {
            count: *count,
            objects: objects.iter().map(|object| kept_object(object, loads)).collect(),
        },
        (Some(Event::Error { denied, error }), None | Some(End::Exit(0))) => {
            let place =
                if is_broken_by_an_end(mode, evidence, error) { Place::AfterAnotherEnded } else { place };
            let failed = failed((mode, place), importing, error, loads, in_control);
            let is_cpythons = matches!(failed, Outcome::Refused { by: Refuser::CPython, .. });
            match denied.as_ref().filter(|_| is_confined(evidence) && !is_cpythons) {
                Some(what) => in_the_sandboxs_way(what),
                None => failed,
            }
        }
        (None, Some(End::Exit(70)) | None) => probe_failed("the probe could not begin"),
        (_, Some(end)) => died(end),
        (Some(_), None) => probe_failed("its record breaks off"),
    }
}

fn probe_failed(how: &str) -> Outcome {
    Outcome::NotRun(NotRun::Because(ReasonId::ProbeFailed, how.to_owned()))
}

/// Whether what was done again while every interpreter lived has raised after one of them had ended, with no load in the
/// way.
fn is_broken_by_an_end(mode: Mode, evidence: &Evidence, error: &Exception) -> bool {
    let step = |event: &Event| if let Event::Step(_, step) = event { Some(*step) } else { None };
    let last = evidence.events.iter().rev().find_map(step);
    let has_several = match mode {
        Mode::SharedGil | Mode::OwnGil | Mode::FreeThreadedGroup => true,
        Mode::Main | Mode::FreeThreaded => false,
    };
    has_several && last == Some(Step::Touch) && error.behind.is_empty()
}

/// A shared object, and the module that has it: whose file it is part of, or whose name its way begins with.
fn shared(object: &Shared, loads: &[Load]) -> SharedObject {
    let leads = |way: &str, name: &str| {
        way.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ', '[']))
    };
    let by_file = loads.iter().find(|load| Some(&load.path) == object.file.as_ref());
    let by_name =
        || loads.iter().filter(|load| leads(&object.second, &load.name)).max_by_key(|load| load.name.len());
    SharedObject {
        kind: object.kind.clone(),
        is_type: object.is_type,
        is_static: object.file.is_some(),
        module: by_file.or_else(by_name).map(|load| load.name.clone()),
        ways: [object.first.clone(), object.second.clone()],
    }
}

/// An object that only C reaches, and the module whose data, or whose library's, keeps it; of one on the heap of C, whose
/// code has used it.
fn kept_object(object: &Kept, loads: &[Load]) -> SharedObject {
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
    SharedObject {
        kind: object.kind.clone(),
        is_type: object.is_type,
        is_static: false,
        module,
        ways: [way.clone(), way],
    }
}

/// The event that tells how it went. Where several threads import at the same time, what one of them says last
/// may follow the error of another, or that the probe has given up.
fn last(mode: Mode, events: &[Event]) -> Option<&Event> {
    let tells = |event: &&Event| {
        matches!(event, Event::Error { .. } | Event::DescriptorsLost(_) | Event::ThreadsLeft(_))
    };
    let are_several = mode == Mode::FreeThreaded || is_storm(events);
    let given_up = events.iter().find(|event| matches!(event, Event::Broken(_)));
    let told = given_up.or_else(|| events.iter().rev().find(tells)).filter(|_| are_several);
    // What was left in main, and in statics, is found when all is over.
    let is_after = |event: &&Event| matches!(event, Event::LeftInMain(_) | Event::Kept { used: false, .. });
    told.or_else(|| events.iter().rev().find(|event| !is_after(event)))
}

/// Whether interpreters begin, import, use and end at the same time.
fn is_storm(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Step(name, Step::Storm) if name == "storm"))
}

fn place(events: &[Event]) -> Place {
    let last = events.iter().rev().find_map(|event| {
        if let Event::Step(interpreter, step) = event { Some((interpreter.as_str(), *step)) } else { None }
    });
    match last {
        Some(("B", Step::Start | Step::Import)) | Some((_, Step::Compare)) => Place::SecondInterpreter,
        Some(("C" | "D", Step::Start | Step::Import)) | Some((_, Step::Touch)) => Place::UseAfterEnd,
        None | Some((_, Step::Start)) => Place::Startup,
        Some((_, Step::Import)) => Place::Import,
        Some((_, Step::End)) => Place::Teardown,
        Some((_, Step::Exit)) => Place::Exit,
        Some((_, Step::Storm)) => Place::Storm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_gave_up_in_a_storm_blames_nobody() {
        let loaded = Event::Loaded { interpreter: "storm".to_owned(), name: "shop".to_owned() };
        let begun = Event::Step("storm".to_owned(), Step::Storm);
        let events = vec![begun, Event::Broken("no interpreter".to_owned()), loaded];
        let evidence = Evidence { events, end: Some(End::Exit(70)) };
        let reading = read(Mode::OwnGil, &evidence, &BTreeSet::new());
        assert_eq!(reading.outcome, probe_failed("the probe failed: no interpreter"));
    }
}
