//! Many subjects in one child, one after the other in the same interpreters: most of what an import costs is what it
//! needs itself, and many need the same.
//!
//! Only names are tried so, with no extension modules but CPython's own and those that have passed by themselves, and of
//! what comes of it only that they pass, with everything loaded that the control has loaded, in a child that ended as it
//! should. Whatever else is found by itself. An extension module is not tried so: what it leaves behind in C may do no
//! harm where others have filled the memory, so that it passes in company would show nothing (orjson, measured).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::desk::Desk;
use super::protocol::{End, Event, Interpreters, Kept};
use super::read::{Evidence, Reading, read};
use super::schedule::{Subject, Trials};
use super::worker::Attempt;
use crate::model::{Load, Mode, Outcome};

/// What is tried with others: a name that the control has imported, with extension modules that may keep company.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'c> {
    pub(super) name: &'c str,
    /// The extension modules that the control loaded.
    loads: BTreeSet<&'c str>,
    /// Those of them that are not CPython's.
    passed: BTreeSet<&'c str>,
    /// What the control read from disk.
    touched: &'c [String],
}

impl<'c> Candidate<'c> {
    /// A subject, if it is one by what is known: the control, and what has passed in this mode by itself.
    pub(super) fn new(subject: &'c Subject, known: &'c Trials, mode: Mode) -> Option<Self> {
        let trial = known.get(&subject.name, Mode::Main)?;
        let has_passed = |load: &Load| {
            let own = known.get(&load.name, mode).filter(|own| own.outcome == Outcome::Imported);
            own.is_some_and(|own| {
                own.loaded().any(|other| other.name == load.name && other.path == load.path)
            })
        };
        let is_one = trial.outcome == Outcome::Imported
            && trial.after.is_none()
            && trial.through.is_none()
            && subject.file.is_none()
            && !subject.is_exercise
            && trial.loads.iter().all(|load| is_cpythons(load) || has_passed(load));
        let touched = known.touched(&subject.name).filter(|_| is_one)?;
        let passed = trial.loads.iter().filter(|load| !is_cpythons(load));
        Some(Self {
            name: &subject.name,
            loads: trial.loaded().map(|load| load.name.as_str()).collect(),
            passed: passed.map(|load| load.name.as_str()).collect(),
            touched,
        })
    }

    fn may_load(&self, load: &Load) -> bool {
        is_cpythons(load) || self.passed.contains(load.name.as_str())
    }
}

/// Whether this is one of CPython's extension modules: its makefile puts them into a folder of this name.
fn is_cpythons(load: &Load) -> bool {
    Path::new(&load.path).parent().is_some_and(|folder| folder.ends_with("lib-dynload"))
}

/// What is found of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// What its record would say if it had been alone.
    Plain(Vec<Event>),
    /// It has to be tried by itself.
    Odd,
    /// Another one's doing may have hidden it.
    Unknown,
}

/// How often those are tried together at most that another one spoils it for.
const AGAIN: usize = 4;

/// Fewer are no company.
const FEW: usize = 2;

/// Tries these together, and returns what is plain, by subject.
pub(super) fn attempts(
    desk: &mut Desk<'_>,
    mode: Mode,
    place: Interpreters,
    candidates: Vec<Candidate<'_>>,
) -> BTreeMap<String, Attempt> {
    let mut found = BTreeMap::new();
    if candidates.len() < FEW {
        return found;
    }
    let mut open = Vec::new();
    for candidate in candidates {
        match desk.known_in_company(place, candidate.name) {
            Some(attempt) => found.extend(attempt.map(|attempt| (candidate.name.to_owned(), attempt))),
            None => open.push(candidate),
        }
    }
    let mut waiting = vec![(open, AGAIN)];
    while let Some((candidates, again)) = waiting.pop() {
        if candidates.len() < FEW || again == 0 {
            for Candidate { name, touched, .. } in candidates {
                desk.remember_in_company(place, name, touched, &None);
            }
            continue;
        }
        let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name).collect();
        let Ok(attempt) = desk.attempt_in_company(place, &names) else { continue };
        let company = Company::new(mode, &attempt);
        let mut unknown = Vec::new();
        for candidate in candidates {
            let plain = match company.finding(&candidate) {
                Finding::Plain(events) => Some(Attempt::of_one(events)),
                Finding::Odd => None,
                Finding::Unknown => {
                    unknown.push(candidate);
                    continue;
                }
            };
            let touched = candidate.touched.iter().chain(company.touched(candidate.name));
            desk.remember_in_company(place, candidate.name, touched, &plain);
            found.extend(plain.map(|plain| (candidate.name.to_owned(), plain)));
        }
        waiting.extend(company.again(unknown).into_iter().map(|unknown| (unknown, again - 1)));
    }
    found
}

/// A child that has tried several.
struct Company<'a> {
    mode: Mode,
    attempt: &'a Attempt,
    /// Whose turn it was at each event.
    owners: Vec<Option<&'a str>>,
    /// Whether everything went well but for single imports.
    is_clean: bool,
}

impl<'a> Company<'a> {
    fn new(mode: Mode, attempt: &'a Attempt) -> Self {
        let events = &attempt.evidence.events;
        let owners: Vec<Option<&str>> = owners(events);
        let mut owned = events.iter().zip(&owners);
        let is_clean = attempt.evidence.end == Some(End::Exit(0))
            && events.contains(&Event::Done)
            && !owned.any(|(event, owner)| match owner {
                None => matches!(event, Event::LeftInMain(_) | Event::NativeThreads(_)) || ends_it(event),
                Some(_) => ends_it(event),
            });
        Self { mode, attempt, owners, is_clean }
    }

    fn finding(&self, candidate: &Candidate<'_>) -> Finding {
        let mut owned = self.attempt.evidence.events.iter().zip(&self.owners);
        if owned.any(|(event, owner)| *owner == Some(candidate.name) && matches!(event, Event::Error { .. }))
        {
            return Finding::Odd;
        }
        if !self.is_clean {
            return Finding::Unknown;
        }
        let evidence = Evidence { events: self.alone(candidate), end: Some(End::Exit(0)) };
        let in_control = candidate.loads.iter().map(|&name| name.to_owned()).collect();
        let reading = read(self.mode, &evidence, &in_control);
        if self.is_plain(candidate, &reading) { Finding::Plain(evidence.events) } else { Finding::Odd }
    }

    /// Whether it had its turn in every interpreter and passed, and each loaded what the control did, and nothing that
    /// may not keep company.
    fn is_plain(&self, candidate: &Candidate<'_>, reading: &Reading) -> bool {
        let is_loaded = |interpreter: &str, name: &str| {
            reading.loads.iter().any(|load| load.interpreter == interpreter && load.name == name)
        };
        let keeps = |event: &Event| {
            let is_its_own = |object: &Kept| reading.loads.iter().any(|load| load.path == object.file);
            matches!(event, Event::Kept { count, objects, .. }
                if *count > objects.len() || objects.iter().any(is_its_own))
        };
        let is_its_turn = |event: &&Event| matches!(event, Event::Turn(name) if name == candidate.name);
        reading.outcome == Outcome::Imported
            && self.attempt.evidence.events.iter().filter(is_its_turn).count()
                == self.mode.interpreters().len()
            && reading.left_in_main.is_empty()
            && reading.native_threads.is_empty()
            && reading.loads.iter().all(|load| load.result == Some(Ok(())) && candidate.may_load(load))
            && self
                .mode
                .interpreters()
                .iter()
                .all(|each| candidate.loads.iter().all(|name| is_loaded(each, name)))
            && !self.attempt.evidence.events.iter().any(keeps)
    }

    /// What the record would be if this one had been tried by itself: its own turns, what it needs that another's turn
    /// had loaded, and the steps that it shares with all.
    fn alone(&self, candidate: &Candidate<'_>) -> Vec<Event> {
        let events = &self.attempt.evidence.events;
        let loaded: BTreeSet<(&str, &str)> = events.iter().filter_map(loaded).collect();
        let is_needed = |event: &Event| {
            loading(event).is_some_and(|(interpreter, name)| {
                candidate.loads.contains(name) && loaded.contains(&(interpreter, name))
            })
        };
        let is_shared = |event: &Event| matches!(event, Event::Step(..) | Event::Confined | Event::Done);
        let is_in = |(event, owner): &(&Event, &Option<&str>)| match owner {
            Some(owner) if *owner == candidate.name => true,
            Some(_) => is_needed(event),
            None => is_shared(event),
        };
        events.iter().zip(&self.owners).filter(is_in).map(|(event, _)| event.clone()).collect()
    }

    /// What was read from disk in this one's turns.
    fn touched(&self, name: &str) -> impl Iterator<Item = &String> {
        let owner = |after: usize| after.checked_sub(1).and_then(|last| *self.owners.get(last)?);
        self.attempt
            .touched
            .iter()
            .filter(move |(after, _)| owner(*after) == Some(name))
            .map(|(_, path)| path)
    }

    /// How those are tried again of which nothing is known: apart from the one in whose turn the child died; else, where
    /// that cannot be told, in two halves. What has used up its time is not given as much again.
    fn again<'c>(&self, mut unknown: Vec<Candidate<'c>>) -> Vec<Vec<Candidate<'c>>> {
        if matches!(self.attempt.evidence.end, Some(End::Deadline | End::Overfull)) {
            return Vec::new();
        }
        let died = self.attempt.evidence.end != Some(End::Exit(0));
        if let Some(name) = self.owners.last().copied().flatten().filter(|_| died) {
            let (itself, others) = unknown.into_iter().partition(|candidate| candidate.name == name);
            return vec![itself, others];
        }
        let half = unknown.split_off(unknown.len() / 2);
        vec![unknown, half]
    }
}

/// Whether it is said of all of them, and no trial goes on after it.
fn ends_it(event: &Event) -> bool {
    matches!(
        event,
        Event::Shared { .. }
            | Event::Kept { used: true, .. }
            | Event::DescriptorsLost(_)
            | Event::ThreadsLeft(_)
            | Event::Broken(_)
    )
}

/// Whose turn it is at each event.
fn owners(events: &[Event]) -> Vec<Option<&str>> {
    let turns = events.iter().scan(None, |owner, event| {
        if let Event::Turn(name) = event {
            *owner = Some(name.as_str());
        } else if let Event::Step(..) | Event::Done = event {
            *owner = None;
        }
        Some(*owner)
    });
    turns.collect()
}

/// The interpreter and the module of an event of a load.
fn loading(event: &Event) -> Option<(&str, &str)> {
    if let Event::Loading { interpreter, name, .. }
    | Event::Declared { interpreter, name, .. }
    | Event::GilEnabled { interpreter, name }
    | Event::Failed { interpreter, name, .. }
    | Event::Loaded { interpreter, name } = event
    {
        Some((interpreter, name))
    } else {
        None
    }
}

/// The interpreter and the module, where it is loaded.
fn loaded(event: &Event) -> Option<(&str, &str)> {
    loading(event).filter(|_| matches!(event, Event::Loaded { .. }))
}
