//! Every subject in sub-interpreters of one mode. What a package's import has shown holds for all that is in
//! it: importing `a.b` imports `a` first, so nothing below a package that fails is tried again, and a module
//! that the import of another subject has loaded three times is not imported three times more.

use std::collections::BTreeSet;

use super::control;
use super::desk::Desk;
use super::protocol::Interpreters;
use super::read::read;
use super::schedule::{Listener, Subject, Trials};
use crate::model::{Mode, NotRun, Outcome, Refuser, Trial};

/// Tries one group in one mode; `control` has the control's answers.
pub(super) fn run(
    desk: &mut Desk<'_>,
    group: &[&Subject],
    place: Interpreters,
    control: &Trials,
    listener: &dyn Listener,
) -> Trials {
    let mode = match place {
        Interpreters::Main | Interpreters::Created => Mode::Main,
        Interpreters::Storm => Mode::FreeThreaded,
        Interpreters::FreeThreadedGroup => Mode::FreeThreadedGroup,
        Interpreters::SharedGil => Mode::SharedGil,
        Interpreters::OwnGil
        | Interpreters::OwnGilUnchecked
        | Interpreters::OwnGilAlone
        | Interpreters::OwnGilCalled
        | Interpreters::OwnGilStorm => Mode::OwnGil,
    };
    let in_control = |subject: &Subject| control.get(&subject.name, Mode::Main);
    let mut known = Known { mode, place, trials: Trials::default(), failing: BTreeSet::new() };
    for (number, subject) in group.iter().enumerate() {
        // The first is the package at the top: without it there is no use in trying the rest together.
        if number == 1 && mode == Mode::SharedGil {
            known.together(desk, &group[1..], &in_control);
        }
        listener.begins(&subject.name, mode);
        match in_control(subject) {
            Some(control) if control.outcome == Outcome::Imported => known.settle(desk, subject, control),
            Some(_) | None => {
                let why = NotRun::Because("it fails in the main interpreter too".to_owned());
                known.trials.add(Trial::not_run(&subject.name, mode, why));
            }
        }
        listener.answered(1);
    }
    known.trials
}

/// Subjects that make a group large.
const LARGE: usize = 8;

/// What is known of a group in this mode so far.
struct Known {
    mode: Mode,
    place: Interpreters,
    trials: Trials,
    /// Names that do not pass.
    failing: BTreeSet<String>,
}

impl Known {
    fn settle(&mut self, desk: &mut Desk<'_>, subject: &Subject, control: &Trial) {
        let name = &subject.name;
        let is_alone = self.place == Interpreters::OwnGilAlone;
        let needs = parents(name).filter(|_| !is_alone).chain(control.after.as_deref());
        if let Some(failing) = needs.into_iter().find(|needed| self.failing.contains(*needed)) {
            self.trials.add(Trial::not_run(name, self.mode, NotRun::Behind(failing.to_owned())));
            return;
        }
        if let Some(same) = self.loaded_elsewhere(name) {
            self.trials.add(same.answering_for(name));
            return;
        }
        let Some(through) = &control.through else {
            self.take(subject, self.attempt(desk, subject, control.after.as_deref(), control));
            return;
        };
        // The control has not imported it by itself. A failure by itself counts only where it is CPython's
        // refusal, or where the control can do it; else it is tried after the subject that loads it.
        let alone = self.attempt(desk, subject, None, control);
        let is_plain = match &alone.trial.outcome {
            Outcome::Imported | Outcome::NotRun(_) | Outcome::Refused { by: Refuser::CPython, .. } => true,
            Outcome::Refused { .. }
            | Outcome::Raised { .. }
            | Outcome::Crashed { .. }
            | Outcome::TimedOut { .. }
            | Outcome::LeftThreads { .. }
            | Outcome::Shares { .. } => control::imports(desk, subject, None).is_some(),
        };
        let tried = if is_plain { alone } else { self.attempt(desk, subject, Some(through), control) };
        self.take(subject, tried);
    }

    /// Tries all of a large group in one go. Where that passes, every module in it has been loaded by each
    /// interpreter, and what one of them alone lacks is still told by what the control loaded and this did
    /// not. Where it does not pass it tells nothing, and each is tried by itself. Under a shared GIL only:
    /// there hundreds may pass, each of them at the price of loading a large library anew, and the mode that
    /// the audit is about gets a trial for each.
    fn together<'c>(
        &mut self,
        desk: &mut Desk<'_>,
        subjects: &[&Subject],
        control: &impl Fn(&Subject) -> Option<&'c Trial>,
    ) {
        let is_open = |subject: &&&Subject| {
            control(subject).is_some_and(|control| passes(control) && control.after.is_none())
                && subject.file.is_some()
                && !parents(&subject.name).any(|parent| self.failing.contains(parent))
                && self.loaded_elsewhere(&subject.name).is_none()
        };
        let open: Vec<&str> = subjects.iter().filter(is_open).map(|subject| subject.name.as_str()).collect();
        let Some((last, others)) = open.split_last().filter(|_| open.len() >= LARGE) else { return };
        let Ok(attempt) = desk.attempt(Interpreters::SharedGil, others, last) else { return };
        let reading = read(self.mode, &attempt.evidence, &BTreeSet::new());
        let name = format!("{last}, together with {} others", others.len());
        let subject = Subject::name(name);
        let trial = control::trial_in(self.mode, &subject, reading, attempt.left);
        if passes(&trial) {
            self.trials.add(trial);
        }
    }

    /// A trial that passed and loaded this module in each of its interpreters.
    fn loaded_elsewhere(&self, name: &str) -> Option<&Trial> {
        self.trials.of(self.mode).find(|trial| passes(trial) && trial.loaded_in_all(name))
    }

    fn attempt(&self, desk: &mut Desk<'_>, subject: &Subject, after: Option<&str>, control: &Trial) -> Tried {
        let tried = self.attempt_in(desk, self.place, subject, after, control);
        if !passes(&tried.trial) || self.place != Interpreters::OwnGil {
            return tried;
        }
        if !tried.trial.kept.is_empty() && desk.is_confined() {
            // Its statics keep what nobody was seen to use: is it used when its functions are called?
            let called = self.attempt_in(desk, Interpreters::OwnGilCalled, subject, after, control);
            if matches!(called.trial.outcome, Outcome::Shares { .. }) {
                return called;
            }
        }
        if subject.file.is_none() && !subject.is_exercise {
            return tried;
        }
        let storm = self.attempt_in(desk, Interpreters::OwnGilStorm, subject, after, control);
        let is_failure = !passes(&storm.trial) && !matches!(storm.trial.outcome, Outcome::NotRun(_));
        if !is_failure || !desk.survives_a_storm_of_nothing() {
            return tried;
        }
        // What the first has seen when all was over holds all the same.
        let Trial { left_in_main, native_threads, .. } = tried.trial;
        Tried { trial: Trial { left_in_main, native_threads, ..storm.trial }, ..storm }
    }

    fn attempt_in(
        &self,
        desk: &mut Desk<'_>,
        place: Interpreters,
        subject: &Subject,
        after: Option<&str>,
        control: &Trial,
    ) -> Tried {
        let own = subject.name.clone();
        match desk.attempt(place, after.as_slice(), &subject.name) {
            Ok(attempt) => {
                let in_control = control.loaded().map(|load| load.name.clone()).collect();
                let reading = read(self.mode, &attempt.evidence, &in_control);
                let importing = reading.importing.clone().unwrap_or(own);
                let trial = control::trial_in(self.mode, subject, reading, attempt.left);
                Tried { importing, trial: Trial { after: after.map(str::to_owned), ..trial } }
            }
            Err(why) => Tried {
                importing: own,
                trial: Trial::not_run(&subject.name, self.mode, NotRun::Because(why)),
            },
        }
    }

    /// Keeps a trial. What failed on the way to the subject is that one's failure.
    fn take(&mut self, subject: &Subject, tried: Tried) {
        let Tried { importing, trial } = tried;
        if passes(&trial) || matches!(trial.outcome, Outcome::NotRun(_)) {
            self.trials.add(trial);
            return;
        }
        self.failing.insert(importing.clone());
        if importing != subject.name {
            self.trials.add(Trial::not_run(&subject.name, self.mode, NotRun::Behind(importing.clone())));
        }
        if self.trials.get(&importing, self.mode).is_none() {
            self.trials.add(Trial { subject: importing, ..trial });
        }
    }
}

/// A trial, and the name whose import it ended in.
struct Tried {
    importing: String,
    trial: Trial,
}

fn passes(trial: &Trial) -> bool {
    trial.outcome == Outcome::Imported
}

/// `a`, `a.b` for `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}
