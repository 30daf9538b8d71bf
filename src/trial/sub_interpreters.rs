//! Trials of every subject in the sub-interpreters of one mode.
//!
//! Results are reused where one import implies another. Importing `a.b` imports `a` first, so nothing below a
//! failed package is tried. A module that another subject's trial has loaded in each of its interpreters is
//! not tried again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use wsgiaudit_probes_core::protocol::{Scenario, TrialEvent};

use super::attempt::Attempt;
use super::batch::{self, BatchCandidate};
use super::control;
use super::inferred_refusal::infer_refusal;
use super::interpret::interpret_attempt;
use super::loads::collect_loads;
use super::outcome::{last_import, outcome_of_attempt};
use super::parallel::ProgressListener;
use super::session::TrialSession;
use super::trials::{TrialSubject, Trials};
use crate::model::{AbnormalExit, Mode, NotRunReason, ReasonId, Refuser, Trial, TrialOutcome, TrialPhase};

/// Tries groups in one scenario. `control` holds the control's trials and those of earlier rounds.
///
/// If the scenario allows batches, the first subjects of the groups are tried in one child, then the rest.
pub(super) fn try_groups(
    session: &mut TrialSession<'_>,
    groups: &[Vec<&TrialSubject>],
    scenario: Scenario,
    control: &Trials,
    listener: &dyn ProgressListener,
) -> Trials {
    let mode = mode_of_scenario(scenario);
    let mut progress: Vec<GroupProgress<'_>> =
        groups.iter().map(|group| GroupProgress::new(mode, scenario, group, control)).collect();
    // The first subject of a group is its top-level package. If it fails, the rest need not be tried.
    for first in [true, false] {
        if !first && mode == Mode::SharedGil {
            progress.iter_mut().for_each(|group| group.try_large_group(session, group.first_or_rest(false)));
        }
        if allows_batches(scenario) {
            let mut open: Vec<BatchCandidate<'_>> =
                progress.iter().flat_map(|group| group.batch_candidates(first)).collect();
            open.sort_by(|a, b| a.foreign_modules().cmp(b.foreign_modules()));
            let same = open.chunk_by(|a, b| a.foreign_modules() == b.foreign_modules());
            for chunk in same.flat_map(|same| same.chunks(MAX_BATCH_SIZE)) {
                chunk.first().iter().for_each(|first| listener.trial_started(first.name, mode));
                for (name, attempt) in batch::try_in_batches(session, mode, scenario, chunk.to_vec()) {
                    let owner = progress.iter_mut().find(|group| group.has_subject(&name));
                    owner
                        .into_iter()
                        .for_each(|group| drop(group.batch_attempts.insert(name.clone(), attempt.clone())));
                }
            }
        }
        progress.iter_mut().for_each(|group| group.try_subjects(session, first, listener));
    }
    let mut found = Trials::default();
    progress.into_iter().for_each(|group| found.extend(group.trials));
    found
}

/// The mode whose verdict a scenario serves.
pub(super) fn mode_of_scenario(scenario: Scenario) -> Mode {
    match scenario {
        Scenario::Main | Scenario::MainToTheEnd | Scenario::Created => Mode::Main,
        Scenario::Storm => Mode::FreeThreaded,
        Scenario::FreeThreadedGroup => Mode::FreeThreadedGroup,
        Scenario::SharedGil => Mode::SharedGil,
        Scenario::OwnGil
        | Scenario::OwnGilUnchecked
        | Scenario::OwnGilAlone
        | Scenario::OwnGilCalled
        | Scenario::OwnGilStorm => Mode::OwnGil,
        Scenario::OwnGilCopies | Scenario::OwnGilCopiesCalled | Scenario::OwnGilCopiesStorm => {
            Mode::OwnGilCopies
        }
    }
}

/// Whether a scenario allows several subjects in one child: each must import as if it were alone.
pub(super) fn allows_batches(scenario: Scenario) -> bool {
    match scenario {
        Scenario::SharedGil | Scenario::OwnGil | Scenario::OwnGilCopies => true,
        Scenario::Main
        | Scenario::MainToTheEnd
        | Scenario::OwnGilUnchecked
        | Scenario::OwnGilAlone
        | Scenario::FreeThreadedGroup
        | Scenario::OwnGilCalled
        | Scenario::Storm
        | Scenario::OwnGilStorm
        | Scenario::OwnGilCopiesCalled
        | Scenario::OwnGilCopiesStorm
        | Scenario::Created => false,
    }
}

/// Minimum size of a group that is tried in one go.
const MIN_LARGE_GROUP: usize = 8;

/// Maximum number of subjects in a batch.
pub(super) const MAX_BATCH_SIZE: usize = 16;

/// State of a group's trials in one mode.
struct GroupProgress<'c> {
    mode: Mode,
    scenario: Scenario,
    group: &'c [&'c TrialSubject],
    control: &'c Trials,
    /// Attempts from batches, by subject.
    batch_attempts: BTreeMap<String, Attempt>,
    trials: Trials,
    /// Names that failed.
    failing: BTreeSet<String>,
    /// Extension modules that a stress test has loaded and passed.
    stressed: BTreeSet<String>,
    /// Extension modules of which a trial that passed has called functions.
    called: BTreeSet<String>,
}

impl<'c> GroupProgress<'c> {
    fn new(mode: Mode, scenario: Scenario, group: &'c [&'c TrialSubject], control: &'c Trials) -> Self {
        let (batch_attempts, trials) = (BTreeMap::new(), Trials::default());
        let (failing, stressed, called) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { mode, scenario, group, control, batch_attempts, trials, failing, stressed, called }
    }

    fn has_subject(&self, name: &str) -> bool {
        self.group.iter().any(|subject| subject.name == name)
    }

    /// The group's first subject, or the others.
    fn first_or_rest(&self, first: bool) -> &'c [&'c TrialSubject] {
        let (head, rest) = self.group.split_at(self.group.len().min(1));
        if first { head } else { rest }
    }

    /// Subjects that may join a batch and whose parent packages have not failed.
    fn batch_candidates(&self, first: bool) -> Vec<BatchCandidate<'c>> {
        let may_pass = |candidate: &BatchCandidate<'_>| {
            !parent_packages(candidate.name).any(|parent| self.failing.contains(parent))
        };
        let part = self.first_or_rest(first).iter();
        part.filter_map(|subject| BatchCandidate::new(subject, self.control, self.mode))
            .filter(may_pass)
            .collect()
    }

    /// Tries the group's first subject, or the others, except those that the control could not import.
    fn try_subjects(&mut self, session: &mut TrialSession<'_>, first: bool, listener: &dyn ProgressListener) {
        for subject in self.order_subjects(self.first_or_rest(first)) {
            listener.trial_started(&subject.name, self.mode);
            match self.control.get(&subject.name, Mode::Main) {
                Some(control) if control.outcome.has_passed() => self.try_subject(session, subject, control),
                Some(_) | None => {
                    let why = NotRunReason::Because(
                        ReasonId::NotTried,
                        "not tried: the main interpreter does not import it either".to_owned(),
                    );
                    self.trials.add_trial(Trial::not_run(&subject.name, self.mode, why));
                }
            }
            listener.trials_finished(1);
        }
    }

    /// The order in which to try subjects. With private copies, those come first that load the most modules: their trials
    /// answer for the others. In the other modes most extension modules are refused, so the order gains nothing.
    fn order_subjects(&self, subjects: &'c [&'c TrialSubject]) -> Vec<&'c TrialSubject> {
        let mut ordered = subjects.to_vec();
        if self.scenario.uses_copies() {
            let loads = |subject: &TrialSubject| {
                self.control.get(&subject.name, Mode::Main).map_or(0, |trial| trial.loads.len())
            };
            ordered.sort_by_key(|subject| Reverse(loads(subject)));
        }
        ordered
    }

    /// Tries one subject, unless another trial answers for it.
    fn try_subject(&mut self, session: &mut TrialSession<'_>, subject: &TrialSubject, control: &Trial) {
        let name = &subject.name;
        let is_alone = self.scenario == Scenario::OwnGilAlone;
        let needs = parent_packages(name).filter(|_| !is_alone).chain(control.after.as_deref());
        if let Some(failing) = needs.into_iter().find(|needed| self.failing.contains(*needed)) {
            self.trials.add_trial(Trial::not_run(name, self.mode, NotRunReason::Behind(failing.to_owned())));
            return;
        }
        if let Some(same) = self.find_trial_loading(name) {
            self.trials.add_trial(same.clone_for_subject(name));
            return;
        }
        if let Some(trial) = self.infer_refused_trial(subject).filter(|_| !is_alone) {
            self.record_trial(subject, ImportTrial { importing: name.clone(), trial });
            return;
        }
        let Some(through) = &control.through else {
            let tried = self.try_with_follow_ups(session, subject, control.after.as_deref(), control);
            self.record_trial(subject, tried);
            return;
        };
        // The control could import this subject only together with another one (`through`). A failure alone
        // counts if it is CPython's refusal, if it happened after the first import, or if the control can
        // import the subject alone. Otherwise it is tried again after the subject that loads it.
        let alone = self.try_with_follow_ups(session, subject, None, control);
        let outcome = &alone.trial.outcome;
        let counts = matches!(
            outcome,
            TrialOutcome::Refused { by: Refuser::CPython, .. } | TrialOutcome::LosesDescriptors { .. }
        ) || !matches!(outcome.phase(), Some(TrialPhase::Startup | TrialPhase::Import))
            || control::try_import(session, subject, None).is_some();
        let tried =
            if counts { alone } else { self.try_with_follow_ups(session, subject, Some(through), control) };
        self.record_trial(subject, tried);
    }

    /// Tries all subjects of a large group in one trial.
    ///
    /// If it passes, each interpreter has loaded every module of the group; modules that only the control
    /// loaded are still tried alone. If it fails, it shows nothing and each subject is tried alone.
    ///
    /// Only with a shared GIL: hundreds of subjects may pass there, and each trial would load a large library
    /// again. With an own GIL, the mode that the audit is about, every subject gets its own trial.
    fn try_large_group(&mut self, session: &mut TrialSession<'_>, subjects: &[&TrialSubject]) {
        let is_open = |subject: &&&TrialSubject| {
            self.control
                .get(&subject.name, Mode::Main)
                .is_some_and(|control| control.outcome.has_passed() && control.after.is_none())
                && subject.file.is_some()
                && !parent_packages(&subject.name).any(|parent| self.failing.contains(parent))
                && self.find_trial_loading(&subject.name).is_none()
        };
        let open: Vec<&str> = subjects.iter().filter(is_open).map(|subject| subject.name.as_str()).collect();
        let Some((last, others)) = open.split_last().filter(|_| open.len() >= MIN_LARGE_GROUP) else {
            return;
        };
        let Ok(attempt) = session.run_trial(Scenario::SharedGil, others, last) else { return };
        let name = format!("{last}, together with {} others", others.len());
        let subject = TrialSubject::from_name(name);
        let trial = interpret_attempt(self.mode, &subject, &attempt, &BTreeSet::new());
        if trial.outcome.has_passed() {
            self.trials.add_trial(trial);
        }
    }

    /// A passed trial that loaded this module in each of its interpreters.
    fn find_trial_loading(&self, name: &str) -> Option<&Trial> {
        self.trials
            .trials_in_mode(self.mode)
            .find(|trial| trial.outcome.has_passed() && trial.is_loaded_in_all_interpreters(name))
    }

    /// Infers from a passed trial of a parent package that this module was refused in it.
    ///
    /// A trial of the module would import that package first and show the same refusal.
    fn infer_refused_trial(&self, subject: &TrialSubject) -> Option<Trial> {
        let passing =
            |package: &str| self.trials.get(package, self.mode).filter(|trial| trial.outcome.has_passed());
        parent_packages(&subject.name).filter_map(passing).find_map(|trial| {
            let leaves_nothing = trial.left_in_main.is_empty() && trial.native_threads.is_empty();
            let (loads, outcome) =
                infer_refusal(trial, subject).filter(|_| leaves_nothing && trial.kept.is_empty())?;
            Some(Trial { loads, outcome, ..trial.clone_for_subject(&subject.name) })
        })
    }

    /// Tries a subject.
    ///
    /// If it passes with an own GIL, further trials may follow: one that calls its functions, and a stress
    /// test.
    fn try_with_follow_ups(
        &mut self,
        session: &mut TrialSession<'_>,
        subject: &TrialSubject,
        after: Option<&str>,
        control: &Trial,
    ) -> ImportTrial {
        let tried = match self.batch_attempts.remove(&subject.name) {
            Some(attempt) => self.interpret_attempt(attempt, subject, after, control),
            None => self.try_in_scenario(session, self.scenario, subject, after, control),
        };
        let Some(scenarios) =
            FollowUps::of_scenario(self.scenario).filter(|_| tried.trial.outcome.has_passed())
        else {
            return tried;
        };
        let is_new = self.loads_unstressed_module(&tried.trial);
        if session.is_sandboxed()
            && let Some(skipped) = self.find_skipped_modules(scenarios.called, &tried.trial, is_new)
            && let Some(failed) =
                self.find_failed_call(session, scenarios.called, subject, after, control, &skipped)
        {
            return failed;
        }
        if !subject.is_exercise && !is_new {
            return tried;
        }
        let stressed = self.try_in_scenario(session, scenarios.storm, subject, after, control);
        if stressed.trial.outcome.has_passed() {
            let loads = stressed.trial.successful_loads();
            self.stressed.extend(loads.map(|load| load.name.clone()));
        }
        if !stressed.trial.outcome.is_failure() || !session.survives_empty_stress_test() {
            return tried;
        }
        // Observations made at the end of the first trial still hold.
        let Trial { left_in_main, native_threads, .. } = tried.trial;
        ImportTrial { trial: Trial { left_in_main, native_threads, ..stressed.trial }, ..stressed }
    }

    /// Returns the loaded modules whose functions a further trial does not call; `None` if that trial is not needed.
    ///
    /// Without private copies it is needed only if static C data retain objects whose use was not seen. With private
    /// copies, which nobody promised anything for, the functions of each module are called once, by a trial of the module's
    /// own group. `is_new` says whether the trial that passed has loaded a module for the first time.
    fn find_skipped_modules(
        &self,
        scenario: Scenario,
        passed: &Trial,
        is_new: bool,
    ) -> Option<BTreeSet<String>> {
        let retains = !passed.kept.is_empty();
        if !scenario.uses_copies() {
            return retains.then(BTreeSet::new);
        }
        let is_of_other_group = |name: &str| {
            !self.has_subject(name)
                && self.control.get(name, Mode::Main).is_some_and(|own| own.outcome.has_passed())
        };
        let loads = passed.successful_loads().filter(|load| !batch::is_cpython_module(load));
        let names: BTreeSet<&String> = loads.map(|load| &load.name).collect();
        let is_skipped = |name: &&&String| self.called.contains(**name) || is_of_other_group(name);
        let skipped: BTreeSet<String> = names.iter().filter(is_skipped).map(|name| (*name).clone()).collect();
        ((is_new || retains) && skipped.len() < names.len()).then_some(skipped)
    }

    /// Calls the functions of the loaded modules, except those in `skipped`, with arbitrary arguments. Returns the trial if
    /// it counts as a failure: if an object of another interpreter was used, or, where only functions are called that the
    /// main interpreter can call, if the same one crashes twice.
    fn find_failed_call(
        &mut self,
        session: &mut TrialSession<'_>,
        scenario: Scenario,
        subject: &TrialSubject,
        after: Option<&str>,
        control: &Trial,
        skipped: &BTreeSet<String>,
    ) -> Option<ImportTrial> {
        let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
        let attempt = session.run_calls(scenario, after.as_slice(), &subject.name, &skipped);
        let modules = attempt.as_ref().map(list_called_modules).unwrap_or_default();
        let called = self.interpret_result(session, attempt, subject, after, control);
        if called.trial.outcome.has_passed() {
            self.called.extend(modules);
        }
        if matches!(called.trial.outcome, TrialOutcome::Shares { .. } | TrialOutcome::BreaksIsolation { .. })
        {
            return Some(called);
        }
        if !scenario.uses_copies() || !is_crash_of_call(&called.trial.outcome) {
            return None;
        }
        let again = session.repeat_calls(scenario, after.as_slice(), &subject.name, &skipped).ok()?;
        let again = self.interpret_attempt(again, subject, after, control).trial;
        let is_same = is_crash_of_call(&again.outcome) && again.called == called.trial.called;
        is_same.then_some(called)
    }

    /// Whether a trial has loaded an extension module that no stress test has loaded yet.
    ///
    /// CPython's own modules do not count, nor do modules whose own trials have passed, since those were
    /// stressed.
    fn loads_unstressed_module(&self, trial: &Trial) -> bool {
        let has_passed =
            |name: &str| self.control.get(name, self.mode).is_some_and(|own| own.outcome.has_passed());
        trial.successful_loads().any(|load| {
            !batch::is_cpython_module(load) && !self.stressed.contains(&load.name) && !has_passed(&load.name)
        })
    }

    /// Tries a subject in one scenario.
    fn try_in_scenario(
        &self,
        session: &mut TrialSession<'_>,
        scenario: Scenario,
        subject: &TrialSubject,
        after: Option<&str>,
        control: &Trial,
    ) -> ImportTrial {
        let attempt = session.run_trial(scenario, after.as_slice(), &subject.name);
        self.interpret_result(session, attempt, subject, after, control)
    }

    /// Interprets what a trial returned. A failure at exit is ignored if the control fails there, too.
    fn interpret_result(
        &self,
        session: &mut TrialSession<'_>,
        attempt: Result<Attempt, NotRunReason>,
        subject: &TrialSubject,
        after: Option<&str>,
        control: &Trial,
    ) -> ImportTrial {
        match attempt {
            Ok(attempt)
                if fails_at_exit(self.mode, &attempt) && control_fails_at_exit(session, after, subject) =>
            {
                self.interpret_attempt(without_exit(attempt), subject, after, control)
            }
            Ok(attempt) => self.interpret_attempt(attempt, subject, after, control),
            Err(why) => ImportTrial {
                importing: subject.name.clone(),
                trial: Trial::not_run(&subject.name, self.mode, why),
            },
        }
    }

    fn interpret_attempt(
        &self,
        attempt: Attempt,
        subject: &TrialSubject,
        after: Option<&str>,
        control: &Trial,
    ) -> ImportTrial {
        let in_control = control.successful_loads().map(|load| load.name.clone()).collect();
        let importing = last_import(&attempt.events).unwrap_or(&subject.name).to_owned();
        let trial = interpret_attempt(self.mode, subject, &attempt, &in_control);
        ImportTrial { importing, trial: Trial { after: after.map(str::to_owned), ..trial } }
    }

    /// Records a trial. If another import failed first, that name gets the failure, and the subject is behind
    /// it.
    fn record_trial(&mut self, subject: &TrialSubject, tried: ImportTrial) {
        let ImportTrial { importing, trial } = tried;
        if !trial.outcome.is_failure() {
            self.trials.add_trial(trial);
            return;
        }
        self.failing.insert(importing.clone());
        if importing != subject.name {
            self.trials.add_trial(Trial::not_run(
                &subject.name,
                self.mode,
                NotRunReason::Behind(importing.clone()),
            ));
        }
        if self.trials.get(&importing, self.mode).is_none() {
            self.trials.add_trial(Trial { subject: importing, ..trial });
        }
    }
}

/// The scenarios of further trials of a subject that passed with an own GIL.
struct FollowUps {
    /// Calls functions with arbitrary arguments.
    called: Scenario,
    /// The stress test.
    storm: Scenario,
}

impl FollowUps {
    /// The further trials after this scenario; `None` if there are none.
    fn of_scenario(scenario: Scenario) -> Option<Self> {
        match scenario {
            Scenario::OwnGil => Some(Self { called: Scenario::OwnGilCalled, storm: Scenario::OwnGilStorm }),
            Scenario::OwnGilCopies => {
                Some(Self { called: Scenario::OwnGilCopiesCalled, storm: Scenario::OwnGilCopiesStorm })
            }
            Scenario::Main
            | Scenario::MainToTheEnd
            | Scenario::SharedGil
            | Scenario::OwnGilUnchecked
            | Scenario::OwnGilAlone
            | Scenario::OwnGilCalled
            | Scenario::OwnGilCopiesCalled
            | Scenario::OwnGilCopiesStorm
            | Scenario::FreeThreadedGroup
            | Scenario::Storm
            | Scenario::OwnGilStorm
            | Scenario::Created => None,
        }
    }
}

/// A trial, and the name whose import it ended in.
struct ImportTrial {
    importing: String,
    trial: Trial,
}

/// The modules of which a trial has called at least one function.
fn list_called_modules(attempt: &Attempt) -> BTreeSet<String> {
    let called = attempt
        .events
        .iter()
        .filter_map(|event| if let TrialEvent::Calling(name) = event { name.rsplit_once('.') } else { None });
    called.map(|(module, _)| module.to_owned()).collect()
}

/// Whether a function crashed that the main interpreter can call. Functions that exit, or take too long, may
/// have got other arguments from their surroundings.
fn is_crash_of_call(outcome: &TrialOutcome) -> bool {
    matches!(
        outcome,
        TrialOutcome::Crashed { how: AbnormalExit::Signal(4 | 6 | 7 | 8 | 11), place: TrialPhase::Call, .. }
    )
}

/// Whether the control's process fails at exit, too. Then sub-interpreters are not the cause.
fn control_fails_at_exit(
    session: &mut TrialSession<'_>,
    after: Option<&str>,
    subject: &TrialSubject,
) -> bool {
    let attempt = session.run_trial(Scenario::MainToTheEnd, after.as_slice(), &subject.name);
    attempt.is_ok_and(|attempt| fails_at_exit(Mode::Main, &attempt))
}

/// The attempt up to the end of Python, as if it had exited normally.
fn without_exit(attempt: Attempt) -> Attempt {
    let Attempt { mut events, printed, touched, .. } = attempt;
    events.push(TrialEvent::Done);
    Attempt { printed, touched, ..Attempt::from_events(events) }
}

/// Whether everything passed except ending Python.
fn fails_at_exit(mode: Mode, attempt: &Attempt) -> bool {
    let loads = collect_loads(&attempt.events, &BTreeSet::new());
    matches!(
        outcome_of_attempt(mode, attempt, &loads, &BTreeSet::new()),
        TrialOutcome::Crashed { place: TrialPhase::Exit, .. }
            | TrialOutcome::TimedOut { place: TrialPhase::Exit, .. }
    )
}

/// `a` and `a.b` for `a.b.c`.
fn parent_packages(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at])
}
