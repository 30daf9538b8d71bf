//! What is tried again under an own GIL: evidence for maintainers. It changes no verdict.

use super::protocol::Interpreters;
use super::schedule::{Group, Subject, Trials, groups};
use crate::model::{Mode, NotRun, Outcome, Refuser, Trial};

/// Whether that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Nothing is.
    Never,
    /// Without their packages only: this Python does not let its check be overridden.
    Alone,
    /// With CPython's check overridden, too.
    Unchecked,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct OnceMore {
    /// With CPython's check overridden, what could declare its support for an own GIL and was refused, or needs
    /// something that was. Where a module refuses by itself with a shared GIL too, which CPython does not check, that
    /// is the answer.
    pub unchecked: Trials,
    /// Without their packages, the extension modules that their packages keep from being tried and that CPython would
    /// not refuse: what is behind an obstacle.
    pub alone: Trials,
}

/// What is to be tried again.
pub(super) struct Wanted<'a> {
    unchecked: Vec<&'a Subject>,
    /// The answers that are known.
    known: Trials,
    alone: Vec<&'a Subject>,
}

impl<'a> Wanted<'a> {
    /// Those of these subjects, by how their trials ended.
    pub(super) fn new(subjects: &'a [Subject], trials: &Trials, again: Again) -> Self {
        let own = |subject: &Subject| trials.get(&subject.name, Mode::OwnGil).map(|trial| &trial.outcome);
        let is_behind = |subject: &Subject| matches!(own(subject), Some(Outcome::NotRun(NotRun::Behind(_))));
        let is_refused = |subject: &&Subject| {
            let by_cpython = matches!(own(subject), Some(Outcome::Refused { by: Refuser::CPython, .. }));
            again == Again::Unchecked && subject.could_declare && (by_cpython || is_behind(subject))
        };
        let refused = subjects.iter().filter(is_refused);
        let ways = refused.map(|subject| (subject, refused_by_itself(trials, &subject.name)));
        let (open, known): (Vec<_>, Vec<_>) = ways.partition(|(_, way)| way.is_empty());
        let unchecked = open.into_iter().map(|(subject, _)| subject).collect();
        let known = known.into_iter().flat_map(|(_, way)| way).cloned().collect();
        let is_kept_out = |subject: &&Subject| {
            again != Again::Never && subject.file.is_some() && !subject.is_refused && is_behind(subject)
        };
        Self { unchecked, known, alone: subjects.iter().filter(is_kept_out).collect() }
    }

    /// How many trials that takes.
    pub(super) fn count(&self) -> usize {
        self.unchecked.len() + self.alone.len()
    }

    pub(super) fn unchecked(&self) -> (Interpreters, Vec<Group<'a>>) {
        (Interpreters::OwnGilUnchecked, groups(self.unchecked.iter().copied()))
    }

    pub(super) fn alone(&self) -> (Interpreters, Vec<Group<'a>>) {
        (Interpreters::OwnGilAlone, groups(self.alone.iter().copied()))
    }

    /// What came of these, and what was known before.
    pub(super) fn with(self, unchecked: Trials, alone: Trials) -> OnceMore {
        OnceMore { unchecked: Trials::of_all([self.known, unchecked]), alone }
    }
}

/// The trial of this name with a shared GIL, and those of what it is behind, if they end in a module that refuses by
/// itself; else none.
fn refused_by_itself<'t>(trials: &'t Trials, name: &str) -> Vec<&'t Trial> {
    let mut way: Vec<&Trial> = trials.get(name, Mode::SharedGil).into_iter().collect();
    while let Some(Outcome::NotRun(NotRun::Behind(other))) = way.last().map(|trial| &trial.outcome) {
        match trials.get(other, Mode::SharedGil) {
            Some(trial) if way.iter().all(|before| before.subject != trial.subject) => way.push(trial),
            Some(_) | None => return Vec::new(),
        }
    }
    let is_by_itself =
        way.last().is_some_and(|trial| matches!(trial.outcome, Outcome::Refused { by: Refuser::Module, .. }));
    if is_by_itself { way } else { Vec::new() }
}
