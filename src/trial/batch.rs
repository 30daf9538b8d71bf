//! Batches: many subjects tried in one child, one after the other in the same interpreters.
//!
//! Most of the time of an import goes into its dependencies, and many subjects share these.
//!
//! A batch accepts only names whose extension modules are CPython's or have passed alone, and only together
//! with names that load the same ones: foreign C code could change the result of a name that does not load it.
//! A subject passes if each interpreter has loaded everything that the control loaded, and the
//! child exits normally. All other subjects are tried alone.
//!
//! Extension modules are always tried alone. What they leave behind in C may do no harm once other subjects
//! have filled the memory, so a pass in a batch would prove nothing (observed with orjson).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wsgiaudit_probes_core::protocol::{ProcessExit, RetainedObject, Scenario, TrialEvent};

use super::attempt::Attempt;
use super::interpret::interpret_attempt;
use super::session::TrialSession;
use super::trials::{TrialSubject, Trials};
use crate::model::{Mode, ModuleLoad, Trial};

/// A subject that may join a batch: a name that the control imported, whose extension modules are all
/// allowed.
#[derive(Clone, Debug)]
pub(super) struct BatchCandidate<'c> {
    pub(super) name: &'c str,
    /// Extension modules that the control loaded.
    loads: BTreeSet<&'c str>,
    /// Those of them that are not CPython's.
    passed: BTreeSet<&'c str>,
    /// Paths that the control read from disk.
    touched: &'c [String],
}

impl<'c> BatchCandidate<'c> {
    /// Returns a candidate if the subject is eligible, given the control and the trials that passed in this
    /// mode.
    pub(super) fn new(subject: &'c TrialSubject, known: &'c Trials, mode: Mode) -> Option<Self> {
        let trial = known.get(&subject.name, Mode::Main)?;
        let has_passed = |load: &ModuleLoad| {
            let own = known.get(&load.name, mode).filter(|own| own.outcome.has_passed());
            own.is_some_and(|own| {
                own.successful_loads().any(|other| other.name == load.name && other.path == load.path)
            })
        };
        let is_one = trial.outcome.has_passed()
            && trial.after.is_none()
            && trial.through.is_none()
            && subject.file.is_none()
            && !subject.is_exercise
            && trial.loads.iter().all(|load| is_cpython_module(load) || has_passed(load));
        let touched = known.paths_read(&subject.name).filter(|_| is_one)?;
        let passed = trial.loads.iter().filter(|load| !is_cpython_module(load));
        Some(Self {
            name: &subject.name,
            loads: trial.successful_loads().map(|load| load.name.as_str()).collect(),
            passed: passed.map(|load| load.name.as_str()).collect(),
            touched,
        })
    }

    /// The extension modules that each member of its batch loads, except CPython's.
    pub(super) fn foreign_modules(&self) -> &BTreeSet<&'c str> {
        &self.passed
    }

    /// Whether the subject may load this module in a batch.
    fn may_load(&self, load: &ModuleLoad) -> bool {
        is_cpython_module(load) || self.passed.contains(load.name.as_str())
    }
}

/// Whether this is one of CPython's extension modules: its makefile installs them into `lib-dynload`.
pub(super) fn is_cpython_module(load: &ModuleLoad) -> bool {
    Path::new(&load.path).parent().is_some_and(|folder| folder.ends_with("lib-dynload"))
}

/// What a batch shows about one subject.
enum BatchResult {
    /// It passed: its attempt, as if it had been tried alone.
    Passed(Attempt),
    /// It must be tried alone.
    TryAlone,
    /// Inconclusive: another subject may have caused the failure.
    Inconclusive,
}

/// Maximum number of batch attempts for a subject whose result is inconclusive.
const MAX_ATTEMPTS: usize = 4;

/// Minimum batch size.
const MIN_SIZE: usize = 2;

/// Tries candidates in batches. Returns the attempts of those that passed, by subject.
pub(super) fn try_in_batches(
    session: &mut TrialSession<'_>,
    mode: Mode,
    scenario: Scenario,
    candidates: Vec<BatchCandidate<'_>>,
) -> BTreeMap<String, Attempt> {
    let mut found = BTreeMap::new();
    if candidates.len() < MIN_SIZE {
        return found;
    }
    let mut uncached = Vec::new();
    for candidate in candidates {
        match session.find_batch_result(scenario, candidate.name) {
            Some(attempt) => found.extend(attempt.map(|attempt| (candidate.name.to_owned(), attempt))),
            None => uncached.push(candidate),
        }
    }
    let mut waiting = vec![(uncached, MAX_ATTEMPTS)];
    while let Some((candidates, attempts_left)) = waiting.pop() {
        if candidates.len() < MIN_SIZE || attempts_left == 0 {
            for BatchCandidate { name, touched, .. } in candidates {
                session.store_batch_result(scenario, name, touched, &None);
            }
            continue;
        }
        let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name).collect();
        let Ok(attempt) = session.run_batch(scenario, &names) else { continue };
        let batch = Batch::new(mode, &attempt);
        let mut inconclusive = Vec::new();
        for candidate in candidates {
            let passed = match batch.result_of_candidate(&candidate) {
                BatchResult::Passed(attempt) => Some(attempt),
                BatchResult::TryAlone => None,
                BatchResult::Inconclusive => {
                    inconclusive.push(candidate);
                    continue;
                }
            };
            let touched = candidate.touched.iter().chain(batch.paths_read_by(candidate.name));
            session.store_batch_result(scenario, candidate.name, touched, &passed);
            found.extend(passed.map(|passed| (candidate.name.to_owned(), passed)));
        }
        waiting.extend(
            batch
                .split_for_retry(inconclusive)
                .into_iter()
                .map(|inconclusive| (inconclusive, attempts_left - 1)),
        );
    }
    found
}

/// The attempt of a batch.
struct Batch<'a> {
    mode: Mode,
    attempt: &'a Attempt,
    /// The subject whose turn it was at each event.
    owners: Vec<Option<&'a str>>,
    /// Whether the child ended normally and no event invalidates the batch. Single imports may have failed.
    is_clean: bool,
}

impl<'a> Batch<'a> {
    fn new(mode: Mode, attempt: &'a Attempt) -> Self {
        let events = &attempt.events;
        let owners: Vec<Option<&str>> = subject_of_each_event(events);
        let mut owned = events.iter().zip(&owners);
        let is_clean = attempt.end == Some(ProcessExit::Exit(0))
            && events.contains(&TrialEvent::Done)
            && !owned.any(|(event, owner)| match owner {
                None => {
                    matches!(event, TrialEvent::LeftInMain(_) | TrialEvent::NativeThreads(_))
                        || invalidates_batch(event)
                }
                Some(_) => invalidates_batch(event),
            });
        Self { mode, attempt, owners, is_clean }
    }

    /// What the batch shows about a subject.
    ///
    /// Unless the batch is clean, only an exception of the subject itself counts.
    fn result_of_candidate(&self, candidate: &BatchCandidate<'_>) -> BatchResult {
        let mut owned = self.attempt.events.iter().zip(&self.owners);
        if owned
            .any(|(event, owner)| *owner == Some(candidate.name) && matches!(event, TrialEvent::Error { .. }))
        {
            return BatchResult::TryAlone;
        }
        if !self.is_clean {
            return BatchResult::Inconclusive;
        }
        let attempt = Attempt::from_events(self.events_of_candidate(candidate));
        let in_control = candidate.loads.iter().map(|&name| name.to_owned()).collect();
        let subject = TrialSubject::from_name(candidate.name.to_owned());
        let trial = interpret_attempt(self.mode, &subject, &attempt, &in_control);
        if self.has_passed(candidate, &trial) { BatchResult::Passed(attempt) } else { BatchResult::TryAlone }
    }

    /// Whether the subject passed in every interpreter, and each interpreter loaded what the control loaded
    /// and nothing that a batch does not allow.
    fn has_passed(&self, candidate: &BatchCandidate<'_>, trial: &Trial) -> bool {
        let is_loaded = |interpreter: &str, name: &str| {
            trial.loads.iter().any(|load| load.interpreter == interpreter && load.name == name)
        };
        let retains_objects = |event: &TrialEvent| {
            let is_its_own =
                |object: &RetainedObject| trial.loads.iter().any(|load| load.path == object.file);
            matches!(event, TrialEvent::Kept { count, objects, .. }
                if *count > objects.len() || objects.iter().any(is_its_own))
        };
        let is_its_turn =
            |event: &&TrialEvent| matches!(event, TrialEvent::Turn(name) if name == candidate.name);
        trial.outcome.has_passed()
            && self.attempt.events.iter().filter(is_its_turn).count() == self.mode.interpreters().len()
            && trial.left_in_main.is_empty()
            && trial.native_threads.is_empty()
            && trial.doubts.is_empty()
            && trial.loads.iter().all(|load| load.result == Some(Ok(())) && candidate.may_load(load))
            && self
                .mode
                .interpreters()
                .iter()
                .all(|each| candidate.loads.iter().all(|name| is_loaded(each, name)))
            && !self.attempt.events.iter().any(retains_objects)
    }

    /// The record as if this subject had been tried alone: its own events, the loads of its dependencies in
    /// other subjects' turns, and the events that belong to no subject.
    fn events_of_candidate(&self, candidate: &BatchCandidate<'_>) -> Vec<TrialEvent> {
        let events = &self.attempt.events;
        let loaded: BTreeSet<(&str, &str)> = events.iter().filter_map(module_of_loaded_event).collect();
        let is_needed = |event: &TrialEvent| {
            event.load().is_some_and(|(interpreter, name)| {
                candidate.loads.contains(name) && loaded.contains(&(interpreter, name))
            })
        };
        let is_shared = |event: &TrialEvent| {
            matches!(event, TrialEvent::Step(..) | TrialEvent::Confined | TrialEvent::Done)
        };
        let is_in = |(event, owner): &(&TrialEvent, &Option<&str>)| match owner {
            Some(owner) if *owner == candidate.name => true,
            Some(_) => is_needed(event),
            None => is_shared(event),
        };
        events.iter().zip(&self.owners).filter(is_in).map(|(event, _)| event.clone()).collect()
    }

    /// Paths read from disk during this subject's turns.
    fn paths_read_by(&self, name: &str) -> impl Iterator<Item = &String> {
        let owner = |after: usize| after.checked_sub(1).and_then(|last| *self.owners.get(last)?);
        self.attempt
            .touched
            .iter()
            .filter(move |(after, _)| owner(*after) == Some(name))
            .map(|(_, path)| path)
    }

    /// Splits inconclusive candidates into new batches.
    ///
    /// The subject in whose turn the child died is separated from the others; if that is unknown, the batch
    /// is halved. A batch that hit its deadline, or wrote too much, is not tried again.
    fn split_for_retry<'c>(&self, mut inconclusive: Vec<BatchCandidate<'c>>) -> Vec<Vec<BatchCandidate<'c>>> {
        if let Some(ProcessExit::Deadline | ProcessExit::Overfull | ProcessExit::TooMuchMemory) =
            self.attempt.end
        {
            return Vec::new();
        }
        let died = self.attempt.end != Some(ProcessExit::Exit(0));
        if let Some(name) = self.owners.last().copied().flatten().filter(|_| died) {
            let (culprit, others) = inconclusive.into_iter().partition(|candidate| candidate.name == name);
            return vec![culprit, others];
        }
        let half = inconclusive.split_off(inconclusive.len() / 2);
        vec![inconclusive, half]
    }
}

/// Whether this event concerns the whole batch, and ends it.
fn invalidates_batch(event: &TrialEvent) -> bool {
    if let TrialEvent::Isolation(event) = event {
        return event.concerns_whole_process();
    }
    matches!(
        event,
        TrialEvent::Shared { .. }
            | TrialEvent::Kept { used: true, .. }
            | TrialEvent::DescriptorsLost(_)
            | TrialEvent::ThreadsLeft(_)
            | TrialEvent::Broken(_)
    )
}

/// The subject whose turn it is at each event; `None` outside of turns.
fn subject_of_each_event(events: &[TrialEvent]) -> Vec<Option<&str>> {
    let turns = events.iter().scan(None, |owner, event| {
        if let TrialEvent::Turn(name) = event {
            *owner = Some(name.as_str());
        } else if let TrialEvent::Step(..) | TrialEvent::Done = event {
            *owner = None;
        }
        Some(*owner)
    });
    turns.collect()
}

/// Interpreter and module of a successful load.
fn module_of_loaded_event(event: &TrialEvent) -> Option<(&str, &str)> {
    event.load().filter(|_| matches!(event, TrialEvent::Loaded { .. }))
}
