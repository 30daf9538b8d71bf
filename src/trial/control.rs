//! The control: every subject in the main interpreter.
//!
//! A package with several subjects is imported once. Its members are tried in children forked from that
//! process.

use std::collections::BTreeSet;

use wsgiaudit_probes_core::protocol::{Scenario, TrialEvent};

use super::attempt::Attempt;
use super::interpret::{interpret_attempt, is_same_file};
use super::loads::collect_loads;
use super::parallel::ProgressListener;
use super::session::TrialSession;
use super::trials::{TrialSubject, Trials};
use super::worker::EnterResult;
use crate::model::{Mode, ModuleLoad, NotRunReason, Trial};

/// Tries one group: subjects with the same first name.
pub(super) fn try_group(
    session: &mut TrialSession<'_>,
    group: &[&TrialSubject],
    listener: &dyn ProgressListener,
) -> Trials {
    let mut control = ControlGroup { session, listener, trials: Trials::default(), before: Vec::new() };
    control.try_subjects_below("", group);
    control.trials
}

/// Tries a subject alone, or after importing `after`.
///
/// Returns `None` unless the subject was imported.
pub(super) fn try_import(
    session: &mut TrialSession<'_>,
    subject: &TrialSubject,
    after: Option<&str>,
) -> Option<Trial> {
    let attempt = session.run_trial(Scenario::Main, after.as_slice(), &subject.name).ok()?;
    let trial = interpret_attempt(Mode::Main, subject, &attempt, &BTreeSet::new());
    trial.outcome.has_passed().then(|| Trial { after: after.map(str::to_owned), ..trial })
}

struct ControlGroup<'d, 'w> {
    session: &'d mut TrialSession<'w>,
    listener: &'d dyn ProgressListener,
    trials: Trials,
    /// Events of the entered packages, outermost first.
    before: Vec<TrialEvent>,
}

impl ControlGroup<'_, '_> {
    /// Tries the subjects below a package that is imported already; an empty name is the root.
    fn try_subjects_below(&mut self, package: &str, subjects: &[&TrialSubject]) {
        let depth = if package.is_empty() { 0 } else { package.len() + 1 };
        let subjects: Vec<&TrialSubject> =
            subjects.iter().copied().filter(|subject| !self.reuse_other_trial(subject)).collect();
        for part in
            subjects.chunk_by(|a, b| first_name_part(&a.name[depth..]) == first_name_part(&b.name[depth..]))
        {
            let Some(head) = part.first() else { continue };
            let name = &head.name[..depth + first_name_part(&head.name[depth..]).len()];
            let rest = if head.name == name { &part[1..] } else { part };
            match (rest, head.name == name) {
                ([], _) => self.try_subject(head),
                ([only], false) => self.try_subject(only),
                (rest, is_subject) => self.try_package(name, is_subject.then_some(*head), rest),
            }
        }
    }

    /// Imports a package, then tries its members on top of it.
    fn try_package(&mut self, name: &str, subject: Option<&TrialSubject>, inside: &[&TrialSubject]) {
        self.listener.trial_started(name, Mode::Main);
        let file = subject.and_then(|subject| subject.file.clone());
        let package = TrialSubject { file, ..TrialSubject::from_name(name.to_owned()) };
        match self.session.enter_package(name) {
            Some(EnterResult::Inside(attempt)) => {
                let kept = self.before.len();
                self.add_trial(&package, &attempt);
                self.before.extend(attempt.events);
                self.try_subjects_below(name, inside);
                self.before.truncate(kept);
                self.session.leave_package();
            }
            Some(EnterResult::Outside(attempt)) => {
                self.add_trial(&package, &attempt);
                let imported =
                    self.trials.get(name, Mode::Main).is_some_and(|trial| trial.outcome.has_passed());
                for subject in inside {
                    if imported {
                        self.try_subject(subject);
                    } else {
                        self.trials.add_trial(Trial::not_run(
                            &subject.name,
                            Mode::Main,
                            NotRunReason::Behind(name.to_owned()),
                        ));
                    }
                }
            }
            // The zygote was lost: try each subject alone.
            None => subject
                .into_iter()
                .chain(inside.iter().copied())
                .for_each(|subject| self.try_subject(subject)),
        }
        self.listener.trials_finished(subject.map_or(0, |_| 1));
    }

    /// Reuses a trial of another subject that loaded this one.
    ///
    /// Returns whether there was such a trial.
    fn reuse_other_trial(&mut self, subject: &TrialSubject) -> bool {
        let Some(file) = &subject.file else { return false };
        let is_it = |load: &ModuleLoad| load.name == subject.name && is_same_file(load.path.as_ref(), file);
        let other = self.trials.trials_in_mode(Mode::Main).find(|trial| {
            let is_no_parent = !subject.name.starts_with(&format!("{}.", trial.subject));
            trial.outcome.has_passed() && is_no_parent && trial.successful_loads().any(is_it)
        });
        let Some(trial) = other.map(|trial| trial.clone_for_subject(&subject.name)) else { return false };
        self.trials.add_trial(trial);
        self.listener.trials_finished(1);
        true
    }

    /// Tries one subject, on top of the entered packages if there are any.
    fn try_subject(&mut self, subject: &TrialSubject) {
        if self.reuse_other_trial(subject) {
            return;
        }
        self.listener.trial_started(&subject.name, Mode::Main);
        let known = collect_loads(&self.before, &BTreeSet::new());
        let is_loaded = known.iter().any(|load| load.name == subject.name && load.result == Some(Ok(())));
        let is_inside = !self.before.is_empty();
        if is_loaded {
            let trial = self.interpret_inside(subject, &Attempt::from_events(vec![TrialEvent::Done]));
            self.trials.add_trial(trial);
        } else if let Some(attempt) =
            is_inside.then(|| self.session.run_trial_inside(&subject.name)).flatten()
        {
            self.add_trial(subject, &attempt);
        } else {
            self.before.clear();
            match self.session.run_trial(Scenario::Main, &[], &subject.name) {
                Ok(attempt) => self.add_trial(subject, &attempt),
                Err(why) => self.trials.add_trial(Trial::not_run(&subject.name, Mode::Main, why)),
            }
        }
        self.listener.trials_finished(1);
    }

    /// Adds the trial of a subject.
    fn add_trial(&mut self, subject: &TrialSubject, attempt: &Attempt) {
        self.trials.add_trial(self.interpret_inside(subject, attempt));
        self.trials.set_paths_read(&subject.name, attempt.touched.iter().map(|(_, path)| path.clone()));
    }

    /// Interprets the attempt of a subject: its own events after those of the entered packages.
    fn interpret_inside(&self, subject: &TrialSubject, attempt: &Attempt) -> Trial {
        let events = self.before.iter().chain(&attempt.events).cloned().collect();
        let (printed, crash) = (attempt.printed.clone(), attempt.crash.clone());
        let whole =
            Attempt { events, end: attempt.end, printed, crash, touched: Vec::new(), compiled: Vec::new() };
        interpret_attempt(Mode::Main, subject, &whole, &BTreeSet::new())
    }
}

fn first_name_part(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}
