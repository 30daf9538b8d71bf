//! The control: every subject in the main interpreter. A package with several subjects is imported once, and
//! what is in it is tried in children of that process.

use std::collections::BTreeSet;

use super::desk::Desk;
use super::protocol::{Event, Interpreters};
use super::read::{Evidence, Reading, in_the_sandboxs_way, read};
use super::schedule::{Listener, Subject, Trials};
use super::worker::{Attempt, Entered, Left};
use crate::model::{Load, Mode, NotRun, Outcome, Trial};

/// Tries one group: subjects below the same first name.
pub(super) fn run(desk: &mut Desk<'_>, group: &[&Subject], listener: &dyn Listener) -> Trials {
    let mut control = Control { desk, listener, trials: Trials::default(), before: Vec::new() };
    control.below("", group);
    control.trials
}

/// Tries a subject by itself, or with another one imported first. `None` where that does not import it.
pub(super) fn imports(desk: &mut Desk<'_>, subject: &Subject, after: Option<&str>) -> Option<Trial> {
    let attempt = desk.attempt(Interpreters::Main, after.as_slice(), &subject.name).ok()?;
    let reading = read(Mode::Main, &attempt.evidence, &BTreeSet::new());
    let trial = trial(subject, reading, attempt.left);
    (trial.outcome == Outcome::Imported).then(|| Trial { after: after.map(str::to_owned), ..trial })
}

struct Control<'d, 'w> {
    desk: &'d mut Desk<'w>,
    listener: &'d dyn Listener,
    trials: Trials,
    /// The records of the packages entered, outermost first.
    before: Vec<Event>,
}

impl Control<'_, '_> {
    /// Tries subjects whose names lie in this package, which is imported (or is nothing: the root).
    fn below(&mut self, package: &str, subjects: &[&Subject]) {
        let depth = if package.is_empty() { 0 } else { package.len() + 1 };
        let subjects: Vec<&Subject> =
            subjects.iter().copied().filter(|subject| !self.is_answered(subject)).collect();
        for part in subjects.chunk_by(|a, b| first(&a.name[depth..]) == first(&b.name[depth..])) {
            let Some(head) = part.first() else { continue };
            let name = &head.name[..depth + first(&head.name[depth..]).len()];
            let rest = if head.name == name { &part[1..] } else { part };
            match (rest, head.name == name) {
                ([], _) => self.alone(head),
                ([only], false) => self.alone(only),
                (rest, is_subject) => self.package(name, is_subject.then_some(*head), rest),
            }
        }
    }

    /// Imports a package, and then what is in it on top of that.
    fn package(&mut self, name: &str, subject: Option<&Subject>, inside: &[&Subject]) {
        self.listener.begins(name, Mode::Main);
        let file = subject.and_then(|subject| subject.file.clone());
        let package = Subject { file, ..Subject::name(name.to_owned()) };
        match self.desk.enter(name) {
            Some(Entered::Inside(attempt)) => {
                let kept = self.before.len();
                self.answer(&package, &attempt);
                self.before.extend(attempt.evidence.events);
                self.below(name, inside);
                self.before.truncate(kept);
                self.desk.leave();
            }
            Some(Entered::Outside(attempt)) => {
                self.answer(&package, &attempt);
                let imported =
                    self.trials.get(name, Mode::Main).is_some_and(|trial| trial.outcome == Outcome::Imported);
                for subject in inside {
                    if imported {
                        self.alone(subject);
                    } else {
                        self.trials.add(Trial::not_run(
                            &subject.name,
                            Mode::Main,
                            NotRun::Behind(name.to_owned()),
                        ));
                    }
                }
            }
            // Its zygote was lost: from here on each by itself.
            None => subject.into_iter().chain(inside.iter().copied()).for_each(|subject| self.alone(subject)),
        }
        self.listener.answered(subject.map_or(0, |_| 1));
    }

    /// Whether the import of another subject has loaded this one: then it is not imported once more.
    fn is_answered(&mut self, subject: &Subject) -> bool {
        let Some(file) = &subject.file else { return false };
        let is_it = |load: &Load| load.name == subject.name && same_file(load.path.as_ref(), file);
        let other = self.trials.of(Mode::Main).find(|trial| {
            let is_no_parent = !subject.name.starts_with(&format!("{}.", trial.subject));
            trial.outcome == Outcome::Imported && is_no_parent && trial.loaded().any(is_it)
        });
        let Some(trial) = other.map(|trial| trial.answering_for(&subject.name)) else { return false };
        self.trials.add(trial);
        self.listener.answered(1);
        true
    }

    /// One subject, on top of the packages entered where there are any.
    fn alone(&mut self, subject: &Subject) {
        if self.is_answered(subject) {
            return;
        }
        self.listener.begins(&subject.name, Mode::Main);
        let before = Evidence { events: self.before.clone(), end: None };
        let known = read(Mode::Main, &before, &BTreeSet::new());
        let is_loaded =
            known.loads.iter().any(|load| load.name == subject.name && load.result == Some(Ok(())));
        let is_inside = !self.before.is_empty();
        if is_loaded {
            self.trials.add(trial(subject, Reading { outcome: Outcome::Imported, ..known }, Left::default()));
        } else if let Some(attempt) = is_inside.then(|| self.desk.attempt_inside(&subject.name)).flatten() {
            self.answer(subject, &attempt);
        } else {
            self.before.clear();
            match self.desk.attempt(Interpreters::Main, &[], &subject.name) {
                Ok(attempt) => self.answer(subject, &attempt),
                Err(why) => self.trials.add(Trial::not_run(&subject.name, Mode::Main, why)),
            }
        }
        self.listener.answered(1);
    }

    fn answer(&mut self, subject: &Subject, attempt: &Attempt) {
        let events = self.before.iter().chain(&attempt.evidence.events).cloned().collect();
        let reading = read(Mode::Main, &Evidence { events, end: attempt.evidence.end }, &BTreeSet::new());
        self.trials.add(trial(subject, reading, attempt.left.clone()));
        self.trials.add_touched(&subject.name, attempt.touched.iter().map(|(_, path)| path.clone()));
    }
}

fn first(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// A trial from its reading. Importing the name must have loaded the very file that is on trial.
pub(super) fn trial_in(mode: Mode, subject: &Subject, reading: Reading, left: Left) -> Trial {
    let outcome = match denial(mode, &reading, &left.printed) {
        Some(what) => in_the_sandboxs_way(what),
        None => reading.outcome,
    };
    let mut trial = Trial {
        subject: subject.name.clone(),
        mode,
        outcome,
        loads: reading.loads.into(),
        printed: left.printed,
        crash: left.crash,
        kept: reading.kept,
        native_threads: reading.native_threads,
        left_in_main: reading.left_in_main,
        standard: reading.standard.into(),
        python: None,
        answers: reading.answers,
        held: reading.held,
        after: None,
        through: None,
    };
    if let (Outcome::Imported, Some(file)) = (&trial.outcome, &subject.file) {
        let loaded = trial.loaded().filter(|load| load.name == subject.name).map(|load| load.path.clone());
        let loaded: BTreeSet<String> = loaded.collect();
        let is_it = |path: &String| same_file(path.as_ref(), file);
        if !loaded.iter().all(is_it) || !trial.loaded_in_all(&subject.name) {
            let other = loaded.into_iter().find(|path| !is_it(path));
            trial.outcome = Outcome::NotRun(NotRun::Shadowed(other));
        }
    }
    trial
}

/// What a control that fails in the sandbox says of a refusal, where no Python exception tells: a panic of
/// Rust, or what it prints before it gives up.
fn denial<'a>(mode: Mode, reading: &'a Reading, printed: &'a str) -> Option<&'a str> {
    let said = match &reading.outcome {
        Outcome::Crashed { .. } => printed,
        // dlopen says the same of a file that cannot be read.
        Outcome::Raised { error, .. } if error.kind != "ImportError" => &error.text,
        Outcome::Imported
        | Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(_) => return None,
    };
    let is_refusal = |line: &&str| {
        ["Permission denied", "Operation not permitted"].iter().any(|words| line.contains(words))
    };
    said.lines().find(is_refusal).filter(|_| mode == Mode::Main && reading.is_confined)
}

fn same_file(a: &std::path::Path, b: &std::path::Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn trial(subject: &Subject, reading: Reading, left: Left) -> Trial {
    trial_in(Mode::Main, subject, reading, left)
}
