//! Every subject in sub-interpreters of one mode. What a package's import has shown holds for all that is in
//! it: importing `a.b` imports `a` first, so nothing below a package that fails is tried again, and a module
//! that the import of another subject has loaded three times is not imported three times more.

use std::collections::{BTreeMap, BTreeSet};

use super::company::{self, Candidate};
use super::control;
use super::desk::Desk;
use super::protocol::{End, Event, Interpreters};
use super::read::{Evidence, read};
use super::refused::refusal;
use super::schedule::{Listener, Subject, Trials};
use super::worker::Attempt;
use crate::model::{Mode, NotRun, Outcome, Place, ReasonId, Refuser, Trial};

/// Tries some groups in one mode; `control` has the control's answers, and those of what was tried before. Where this
/// kind of interpreter allows it, the first of each are tried in one child.
pub(super) fn run(
    desk: &mut Desk<'_>,
    groups: &[Vec<&Subject>],
    place: Interpreters,
    control: &Trials,
    listener: &dyn Listener,
) -> Trials {
    let mode = mode_of(place);
    let mut known: Vec<Known<'_>> =
        groups.iter().map(|group| Known::new(mode, place, group, control)).collect();
    // The first of each is the package at the top, without which there is no use in trying the rest.
    for first in [true, false] {
        if !first && mode == Mode::SharedGil {
            known.iter_mut().for_each(|known| known.together(desk, known.part(false)));
        }
        if keeps_company(place) {
            let open: Vec<Candidate<'_>> = known.iter().flat_map(|known| known.open(first)).collect();
            for some in open.chunks(COMPANY) {
                some.first().iter().for_each(|some| listener.begins(some.name, mode));
                for (name, attempt) in company::attempts(desk, mode, place, some.to_vec()) {
                    let whose = known.iter_mut().find(|known| known.has(&name));
                    whose
                        .into_iter()
                        .for_each(|known| drop(known.in_company.insert(name.clone(), attempt.clone())));
                }
            }
        }
        known.iter_mut().for_each(|known| known.settle_all(desk, first, listener));
    }
    let mut found = Trials::default();
    known.into_iter().for_each(|known| found.extend(known.trials));
    found
}

/// What trials in such interpreters answer.
pub(super) fn mode_of(place: Interpreters) -> Mode {
    match place {
        Interpreters::Main | Interpreters::MainToTheEnd | Interpreters::Created => Mode::Main,
        Interpreters::Storm => Mode::FreeThreaded,
        Interpreters::FreeThreadedGroup => Mode::FreeThreadedGroup,
        Interpreters::SharedGil => Mode::SharedGil,
        Interpreters::OwnGil
        | Interpreters::OwnGilUnchecked
        | Interpreters::OwnGilAlone
        | Interpreters::OwnGilCalled
        | Interpreters::OwnGilStorm => Mode::OwnGil,
    }
}

/// Whether several subjects may be tried in one child: each must be imported as if it were alone.
pub(super) fn keeps_company(place: Interpreters) -> bool {
    match place {
        Interpreters::SharedGil | Interpreters::OwnGil => true,
        Interpreters::Main
        | Interpreters::MainToTheEnd
        | Interpreters::OwnGilUnchecked
        | Interpreters::OwnGilAlone
        | Interpreters::FreeThreadedGroup
        | Interpreters::OwnGilCalled
        | Interpreters::Storm
        | Interpreters::OwnGilStorm
        | Interpreters::Created => false,
    }
}

/// Subjects that make a group large.
const LARGE: usize = 8;

/// The most subjects that are tried in one child.
pub(super) const COMPANY: usize = 16;

/// What is known of a group in this mode so far.
struct Known<'c> {
    mode: Mode,
    place: Interpreters,
    group: &'c [&'c Subject],
    control: &'c Trials,
    /// What was found in the company of others, by subject.
    in_company: BTreeMap<String, Attempt>,
    trials: Trials,
    /// Names that do not pass.
    failing: BTreeSet<String>,
}

impl<'c> Known<'c> {
    fn new(mode: Mode, place: Interpreters, group: &'c [&'c Subject], control: &'c Trials) -> Self {
        let (in_company, trials, failing) = (BTreeMap::new(), Trials::default(), BTreeSet::new());
        Self { mode, place, group, control, in_company, trials, failing }
    }

    fn has(&self, name: &str) -> bool {
        self.group.iter().any(|subject| subject.name == name)
    }

    /// Its first subject, or the others.
    fn part(&self, first: bool) -> &'c [&'c Subject] {
        let (head, rest) = self.group.split_at(self.group.len().min(1));
        if first { head } else { rest }
    }

    /// Those of them that may be tried in company, as far as nothing they need fails.
    fn open(&self, first: bool) -> Vec<Candidate<'c>> {
        let may_pass =
            |candidate: &Candidate<'_>| !parents(candidate.name).any(|parent| self.failing.contains(parent));
        let part = self.part(first).iter();
        part.filter_map(|subject| Candidate::new(subject, self.control, self.mode)).filter(may_pass).collect()
    }

    fn settle_all(&mut self, desk: &mut Desk<'_>, first: bool, listener: &dyn Listener) {
        for subject in self.part(first) {
            listener.begins(&subject.name, self.mode);
            match self.control.get(&subject.name, Mode::Main) {
                Some(control) if control.outcome == Outcome::Imported => self.settle(desk, subject, control),
                Some(_) | None => {
                    let why = NotRun::Because(
                        ReasonId::NotTried,
                        "not tried: the main interpreter does not import it either".to_owned(),
                    );
                    self.trials.add(Trial::not_run(&subject.name, self.mode, why));
                }
            }
            listener.answered(1);
        }
    }

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
        if let Some(trial) = self.refused_elsewhere(subject).filter(|_| !is_alone) {
            self.take(subject, Tried { importing: name.clone(), trial });
            return;
        }
        let Some(through) = &control.through else {
            let tried = self.attempt(desk, subject, control.after.as_deref(), control);
            self.take(subject, tried);
            return;
        };
        // The control has not imported it by itself. A failure by itself counts where it is CPython's refusal, or where
        // an interpreter or the control can do it by itself; else it is tried after the subject that loads it.
        let alone = self.attempt(desk, subject, None, control);
        let is_plain = match &alone.trial.outcome {
            Outcome::Imported
            | Outcome::NotRun(_)
            | Outcome::Refused { by: Refuser::CPython, .. }
            | Outcome::LosesDescriptors { .. }
            | Outcome::LeftThreads { .. }
            | Outcome::Shares { .. } => true,
            Outcome::Refused { place, .. }
            | Outcome::Raised { place, .. }
            | Outcome::Crashed { place, .. }
            | Outcome::TimedOut { place, .. } => {
                !matches!(place, Place::Startup | Place::Import)
                    || control::imports(desk, subject, None).is_some()
            }
        };
        let tried = if is_plain { alone } else { self.attempt(desk, subject, Some(through), control) };
        self.take(subject, tried);
    }

    /// Tries all of a large group in one go. Where that passes, every module in it has been loaded by each
    /// interpreter, and what one of them alone lacks is still told by what the control loaded and this did
    /// not. Where it does not pass it tells nothing, and each is tried by itself. Under a shared GIL only:
    /// there hundreds may pass, each of them at the price of loading a large library anew, and the mode that
    /// the audit is about gets a trial for each.
    fn together(&mut self, desk: &mut Desk<'_>, subjects: &[&Subject]) {
        let is_open = |subject: &&&Subject| {
            self.control
                .get(&subject.name, Mode::Main)
                .is_some_and(|control| passes(control) && control.after.is_none())
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

    /// What the trial of a package that passes without this module in it has seen: that the module was refused, by
    /// CPython's check, or by itself in the second interpreter. To import it by itself begins with that package.
    fn refused_elsewhere(&self, subject: &Subject) -> Option<Trial> {
        let passing = |package: &str| self.trials.get(package, self.mode).filter(|trial| passes(trial));
        parents(&subject.name).filter_map(passing).find_map(|trial| {
            let leaves_nothing = trial.left_in_main.is_empty() && trial.native_threads.is_empty();
            let (loads, outcome) =
                refusal(trial, subject).filter(|_| leaves_nothing && trial.kept.is_empty())?;
            Some(Trial { loads, outcome, ..trial.answering_for(&subject.name) })
        })
    }

    fn attempt(
        &mut self,
        desk: &mut Desk<'_>,
        subject: &Subject,
        after: Option<&str>,
        control: &Trial,
    ) -> Tried {
        let tried = match self.in_company.remove(&subject.name) {
            Some(attempt) => self.read(attempt, subject, after, control),
            None => self.attempt_in(desk, self.place, subject, after, control),
        };
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
        match desk.attempt(place, after.as_slice(), &subject.name) {
            Ok(attempt)
                if self.fails_at_exit(&attempt.evidence) && control_fails_at_exit(desk, after, subject) =>
            {
                self.read(without_exit(attempt), subject, after, control)
            }
            Ok(attempt) => self.read(attempt, subject, after, control),
            Err(why) => Tried {
                importing: subject.name.clone(),
                trial: Trial::not_run(&subject.name, self.mode, why),
            },
        }
    }

    /// Whether all has passed but the end of Python.
    fn fails_at_exit(&self, evidence: &Evidence) -> bool {
        is_at_exit(&read(self.mode, evidence, &BTreeSet::new()).outcome)
    }

    fn read(&self, attempt: Attempt, subject: &Subject, after: Option<&str>, control: &Trial) -> Tried {
        let in_control = control.loaded().map(|load| load.name.clone()).collect();
        let reading = read(self.mode, &attempt.evidence, &in_control);
        let importing = reading.importing.clone().unwrap_or_else(|| subject.name.clone());
        let trial = control::trial_in(self.mode, subject, reading, attempt.left);
        Tried { importing, trial: Trial { after: after.map(str::to_owned), ..trial } }
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

/// Whether the process of a control fails at its end, too: then that is no matter of sub-interpreters.
fn control_fails_at_exit(desk: &mut Desk<'_>, after: Option<&str>, subject: &Subject) -> bool {
    let attempt = desk.attempt(Interpreters::MainToTheEnd, after.as_slice(), &subject.name);
    attempt.is_ok_and(|attempt| is_at_exit(&read(Mode::Main, &attempt.evidence, &BTreeSet::new()).outcome))
}

/// What the attempt has found before the end of Python.
fn without_exit(attempt: Attempt) -> Attempt {
    let Attempt { mut evidence, mut left, touched } = attempt;
    evidence.events.push(Event::Done);
    evidence.end = Some(End::Exit(0));
    left.crash = None;
    Attempt { evidence, left, touched }
}

fn is_at_exit(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Crashed { place: Place::Exit, .. } | Outcome::TimedOut { place: Place::Exit, .. }
    )
}

fn passes(trial: &Trial) -> bool {
    trial.outcome == Outcome::Imported
}

/// `a`, `a.b` for `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}
