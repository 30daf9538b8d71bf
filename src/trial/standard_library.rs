//! Faults of the Python itself: what modules of its standard library do in sub-interpreters, without any distribution.
//!
//! On a sound Python that is one storm. Where a subject dies, or that storm does, all that subjects import of the library is
//! tried together; where that dies too, each module by itself: first those in C, then, where these do not explain every death,
//! the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::control;
use super::desk::Desk;
use super::protocol::{Event, Interpreters};
use super::read::{Reading, read};
use super::schedule::{Subject, Trials, Trying, in_parallel};
use super::worker::Attempt;
use crate::model::{Mode, Outcome, Place, Trial};

/// What is tried, and where.
const PLACES: [(Mode, Interpreters); 2] =
    [(Mode::SharedGil, Interpreters::SharedGil), (Mode::OwnGil, Interpreters::OwnGil)];

/// The trials of modules of the standard library that die by themselves, and of which no other such module is the cause.
pub(super) fn faults(trying: &Trying<'_>, trials: &Trials, modes: &[Mode]) -> Trials {
    let controls = trials.of(Mode::Main).filter(|trial| trial.outcome == Outcome::Imported);
    let used: BTreeSet<&str> = controls.flat_map(|trial| trial.standard.iter()).map(String::as_str).collect();
    let places: Vec<_> = PLACES.into_iter().filter(|(mode, _)| modes.contains(mode)).collect();
    if used.is_empty() {
        return Trials::default();
    }
    in_parallel(trying, &[], &places, |desk, (mode, place)| {
        let mut library = Library { desk, mode: *mode, used: &used, failing: Vec::new() };
        library.look(*place, trials);
        library.roots().into_iter().collect()
    })
}

/// Puts on the Python's account what its faults do to subjects that import such a module.
pub(super) fn blame(trials: &mut Trials, faults: Trials) {
    let faults: Vec<Arc<Trial>> = PLACES
        .iter()
        .flat_map(|(mode, _)| faults.of(*mode).cloned().map(Arc::new).collect::<Vec<_>>())
        .collect();
    let blamed: Vec<Trial> = faults
        .iter()
        .flat_map(|fault| {
            trials.of(fault.mode).filter_map(|trial| blamed(trial, fault, trials)).collect::<Vec<_>>()
        })
        .collect();
    // Of several faults the last one found is named: any of them is enough.
    blamed.into_iter().for_each(|trial| trials.add(trial));
    trials.add_faults(faults);
}

/// The trial, if this fault befalls it.
fn blamed(trial: &Trial, fault: &Arc<Trial>, trials: &Trials) -> Option<Trial> {
    let python = befalls(fault, trial, trials).then(|| Arc::clone(fault))?;
    if trial.outcome != Outcome::Imported {
        return Some(Trial { python: Some(python), ..trial.clone() });
    }
    // It was lucky, or had no storm of its own.
    let (outcome, crash) = (fault.outcome.clone(), fault.crash.clone());
    Some(Trial { outcome, crash, python: Some(python), ..trial.clone() })
}

/// Whether this fault is enough for what came of a trial, or could have come. What fails before the fault shows itself fails
/// by its own.
fn befalls(fault: &Trial, trial: &Trial, trials: &Trials) -> bool {
    let imports = |control: &Trial| control.standard.contains(&fault.subject);
    let is_in_time = |(fault, own): (Place, Place)| order(fault) <= order(own);
    let could_be = trial.outcome == Outcome::Imported
        || place(&fault.outcome).zip(place(&trial.outcome)).is_some_and(is_in_time);
    could_be && trials.get(&trial.subject, Mode::Main).is_some_and(imports)
}

/// Where a process died, or hung.
fn place(outcome: &Outcome) -> Option<Place> {
    if let Outcome::Crashed { place, .. } | Outcome::TimedOut { place, .. } = outcome {
        Some(*place)
    } else {
        None
    }
}

/// When in a subject's trials a place comes: one interpreter ends before another is used, and the other way round.
fn order(place: Place) -> u8 {
    match place {
        Place::Startup => 0,
        Place::Import => 1,
        Place::SecondInterpreter => 2,
        Place::Teardown | Place::UseAfterEnd | Place::AfterAnotherEnded => 3,
        Place::Exit => 4,
        Place::Storm => 5,
    }
}

/// What subjects import of the standard library, in one mode.
struct Library<'d, 'w, 'u> {
    desk: &'d mut Desk<'w>,
    mode: Mode,
    used: &'u BTreeSet<&'u str>,
    /// What dies by itself.
    failing: Vec<Trial>,
}

impl<'u> Library<'_, '_, 'u> {
    fn look(&mut self, place: Interpreters, trials: &Trials) {
        if self.mode == Mode::OwnGil {
            self.look_in_storm(trials);
        }
        // Every order of ends is part of each subject's own trial.
        if self.explains_all(trials) {
            return;
        }
        let all: Vec<&'u str> = self.used.iter().copied().collect();
        let Ok(together) = self.desk.attempt_together(place, &all) else { return };
        if !is_death(&self.read(&together).outcome) {
            return;
        }
        let in_c = self.in_c(&together);
        in_c.iter().for_each(|name| self.try_alone(place, name));
        if self.explains_all(trials) {
            return;
        }
        let others: Vec<&str> =
            all.into_iter().filter(|name| !name.contains('.') && !in_c.contains(name)).collect();
        others.into_iter().for_each(|name| self.try_alone(place, name));
    }

    /// Whether each subject that dies in this mode imports a module whose fault can be why.
    fn explains_all(&self, trials: &Trials) -> bool {
        let is_explained = |trial: &Trial| self.failing.iter().any(|fault| befalls(fault, trial, trials));
        trials.of(self.mode).filter(|trial| is_death(&trial.outcome)).all(is_explained)
    }

    /// Several interpreters at the same time, which names without extension modules of their own are not tried in: all that
    /// is in C, or looks so, and that passing trials have imported.
    fn look_in_storm(&mut self, trials: &Trials) {
        let passing = trials.of(self.mode).filter(|trial| trial.outcome == Outcome::Imported);
        let imported: BTreeSet<&str> = passing
            .flat_map(|trial| trial.standard.iter())
            .map(String::as_str)
            .filter(|name| is_private(name))
            .collect();
        let names: Vec<&str> = imported.into_iter().collect();
        if names.is_empty() {
            return;
        }
        let Ok(storm) = self.desk.attempt_together(Interpreters::OwnGilStorm, &names) else { return };
        if is_death(&self.read(&storm).outcome) && self.desk.survives_a_storm_of_nothing() {
            names.iter().for_each(|name| self.try_alone(Interpreters::OwnGilStorm, name));
        }
    }

    fn try_alone(&mut self, place: Interpreters, name: &str) {
        let is_known = self
            .failing
            .iter()
            .any(|trial| trial.subject == name && self::place(&trial.outcome) != Some(Place::Storm));
        let Ok(attempt) = self.desk.attempt(place, &[], name) else { return };
        let reading = self.read(&attempt);
        if is_death(&reading.outcome) && !is_known {
            self.failing.retain(|trial| trial.subject != name);
            self.failing.push(control::trial_in(
                self.mode,
                &Subject::name(name.to_owned()),
                reading,
                attempt.left,
            ));
        }
    }

    /// Those that import no other one that dies by itself.
    fn roots(self) -> Vec<Trial> {
        let names: BTreeSet<String> = self.failing.iter().map(|trial| trial.subject.clone()).collect();
        let is_root =
            |trial: &Trial| !trial.standard.iter().any(|name| *name != trial.subject && names.contains(name));
        self.failing.into_iter().filter(is_root).collect()
    }

    /// Extension modules, and what may be built into the interpreter: by its name.
    fn in_c(&self, together: &Attempt) -> Vec<&'u str> {
        let loaded: BTreeSet<&str> = together
            .evidence
            .events
            .iter()
            .filter_map(
                |event| if let Event::Loading { name, .. } = event { Some(name.as_str()) } else { None },
            )
            .collect();
        self.used.iter().copied().filter(|name| loaded.contains(name) || is_private(name)).collect()
    }

    fn read(&self, attempt: &Attempt) -> Reading {
        read(self.mode, &attempt.evidence, &BTreeSet::new())
    }
}

/// Whether the process died. What merely hangs may have had too little time.
fn is_death(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Crashed { .. })
}

/// Whether this is named as the parts in C of modules are.
fn is_private(name: &str) -> bool {
    name.starts_with('_') && !name.contains('.')
}
