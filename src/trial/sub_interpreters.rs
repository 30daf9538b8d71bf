//! Every subject in sub-interpreters of one mode. What a package's import has shown holds for all that is in
//! it: importing `a.b` imports `a` first, so nothing below a package that fails is tried again, and a module
//! that the import of another subject has loaded three times is not imported three times more.

use std::collections::BTreeSet;

use super::control::trial_in;
use super::desk::Desk;
use super::protocol::Interpreters;
use super::read::read;
use super::schedule::{Listener, Subject, Trials};
use crate::model::{Mode, NotRun, Outcome, Trial};

/// Tries one group in one mode; `control` has the control's answers.
pub(super) fn run(
    desk: &mut Desk<'_>,
    group: &[&Subject],
    mode: Mode,
    control: &Trials,
    listener: &dyn Listener,
) -> Trials {
    let mut known = Known { mode, trials: Trials::default(), failing: BTreeSet::new() };
    for subject in group {
        listener.begins(&subject.name, mode);
        let control = control.get(&subject.name, Mode::Main);
        match control {
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

/// What is known of a group in this mode so far.
struct Known {
    mode: Mode,
    trials: Trials,
    /// Names that do not pass.
    failing: BTreeSet<String>,
}

impl Known {
    fn settle(&mut self, desk: &mut Desk<'_>, subject: &Subject, control: &Trial) {
        let name = &subject.name;
        let needs = parents(name).chain(control.after.as_deref());
        if let Some(failing) = needs.into_iter().find(|needed| self.failing.contains(*needed)) {
            self.trials.add(Trial::not_run(name, self.mode, NotRun::Behind(failing.to_owned())));
        } else if let Some(same) = self.loaded_elsewhere(name) {
            self.trials.add(Trial { subject: name.clone(), ..same });
        } else {
            self.attempt(desk, subject, control);
        }
    }

    /// A trial that passed and loaded this module in each of its interpreters.
    fn loaded_elsewhere(&self, name: &str) -> Option<Trial> {
        self.trials.of(self.mode).find(|trial| passes(trial) && trial.loaded_in_all(name)).cloned()
    }

    fn attempt(&mut self, desk: &mut Desk<'_>, subject: &Subject, control: &Trial) {
        let place = match self.mode {
            Mode::Main => Interpreters::Main,
            Mode::SharedGil => Interpreters::SharedGil,
            Mode::OwnGil => Interpreters::OwnGil,
        };
        let attempt = match desk.attempt(place, control.after.as_deref(), &subject.name) {
            Ok(attempt) => attempt,
            Err(why) => {
                self.trials.add(Trial::not_run(&subject.name, self.mode, NotRun::Because(why)));
                return;
            }
        };
        let in_control = control.loaded().map(|load| load.name.clone()).collect();
        let reading = read(self.mode, &attempt.evidence, &in_control);
        let importing = reading.importing.clone().unwrap_or_else(|| subject.name.clone());
        let trial = trial_in(self.mode, subject, reading, attempt.printed);
        let trial = Trial { after: control.after.clone(), ..trial };
        if passes(&trial) || matches!(trial.outcome, Outcome::NotRun(_)) {
            self.trials.add(trial);
            return;
        }
        self.failing.insert(importing.clone());
        if importing != subject.name {
            self.trials.add(Trial::not_run(&subject.name, self.mode, NotRun::Behind(importing.clone())));
        }
        self.trials.add(Trial { subject: importing, ..trial });
    }
}

fn passes(trial: &Trial) -> bool {
    trial.outcome == Outcome::Imported
}

/// `a`, `a.b` for `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}
