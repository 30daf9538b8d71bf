//! Schedules the trials of an audit.
//!
//! Decides which trials run, in which order, and which are not needed because an earlier one answers them.
//! The order in which workers finish does not affect the result.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::BatchCandidate;
use super::control;
use super::diagnostic_runs::{DiagnosticMode, DiagnosticPlan, DiagnosticRuns};
use super::inputs::TrialInputs;
use super::probe_library::ProbeLibrary;
use super::protocol::Scenario;
use super::python_faults;
use super::search_path::SearchPath;
use super::session::TrialSession;
use super::sub_interpreters;
use super::worker::{StopFlag, TrialLimits, WorkerConfig};
use crate::cache::TrialCache;
use crate::model::{Mode, NotRunReason, Trial, TrialOutcome};

/// A subject: an extension module, or a distribution's top-level name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialSubject {
    /// Dotted name.
    pub name: String,
    /// The file that importing it must load; `None` for a name that may be pure Python.
    pub file: Option<PathBuf>,
    /// Whether it is an extension module that could declare support for an own GIL and does not.
    pub could_declare: bool,
    /// Whether CPython's check refuses its declaration with an own GIL.
    pub is_refused: bool,
    /// Whether importing it runs an exercise script, and its `__exercise__` runs that script again.
    pub is_exercise: bool,
}

impl TrialSubject {
    /// A subject that may be pure Python.
    pub fn from_name(name: String) -> Self {
        Self { name, file: None, could_declare: false, is_refused: false, is_exercise: false }
    }
}

/// Subjects with the same first name, sorted.
pub(super) type SubjectGroup<'a> = Vec<&'a TrialSubject>;

/// Every trial of an audit, by subject and mode.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    all: BTreeMap<(String, Mode), Trial>,
    enables_gil: BTreeMap<String, bool>,
    /// Paths that the control read from disk, by subject.
    touched: BTreeMap<String, Vec<String>>,
    without_shared_memory: bool,
    /// Trials of standard library modules that crash alone.
    faults: Vec<Arc<Trial>>,
}

impl Trials {
    /// The trial of this name in this mode.
    ///
    /// There is one for every subject, and for every other package whose import failed.
    pub fn get(&self, name: &str, mode: Mode) -> Option<&Trial> {
        self.all.get(&(name.to_owned(), mode))
    }

    /// The trials of one mode, by name.
    pub fn trials_in_mode(&self, mode: Mode) -> impl Iterator<Item = &Trial> {
        self.all.iter().filter(move |((_, each), _)| *each == mode).map(|(_, trial)| trial)
    }

    /// Whether some trials had no shared memory because they could not be given their own.
    pub fn without_shared_memory(&self) -> bool {
        self.without_shared_memory
    }

    /// Whether a free-threaded CPython switched the GIL on when it created this module alone; `None` if
    /// unknown.
    pub fn enables_gil(&self, name: &str) -> Option<bool> {
        self.enables_gil.get(name).copied()
    }

    pub(super) fn set_enables_gil(&mut self, name: &str, enables: bool) {
        self.enables_gil.insert(name.to_owned(), enables);
    }

    /// Paths that the control of this name read from disk.
    ///
    /// Empty if reads were not watched; `None` if the name was not imported alone.
    pub(super) fn paths_read(&self, name: &str) -> Option<&[String]> {
        self.touched.get(name).map(Vec::as_slice)
    }

    pub(super) fn set_paths_read(&mut self, name: &str, touched: impl Iterator<Item = String>) {
        self.touched.insert(name.to_owned(), touched.collect());
    }

    /// Faults of Python: trials of standard library modules that crash alone.
    pub fn python_faults(&self) -> &[Arc<Trial>] {
        &self.faults
    }

    pub(super) fn add_python_faults(&mut self, faults: Vec<Arc<Trial>>) {
        self.faults.extend(faults);
    }

    fn has_crashes(&self) -> bool {
        self.all.values().any(|trial| matches!(trial.outcome, TrialOutcome::Crashed { .. }))
    }

    pub(crate) fn add_trial(&mut self, trial: Trial) {
        self.all.insert((trial.subject.clone(), trial.mode), trial);
    }

    /// Merges the trials of all parts.
    pub(super) fn merge_all(found: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        found.into_iter().for_each(|found| all.extend(found));
        all
    }

    /// Adds other trials.
    pub fn extend(&mut self, other: Self) {
        self.all.extend(other.all);
        self.enables_gil.extend(other.enables_gil);
        self.touched.extend(other.touched);
        self.without_shared_memory |= other.without_shared_memory;
        self.faults.extend(other.faults);
    }
}

impl FromIterator<Trial> for Trials {
    fn from_iter<I: IntoIterator<Item = Trial>>(all: I) -> Self {
        let mut trials = Self::default();
        all.into_iter().for_each(|trial| trials.add_trial(trial));
        trials
    }
}

/// Receives progress. Called from several threads.
pub trait ProgressListener: Sync {
    /// The number of trials to expect in total.
    fn set_expected_count(&self, _answers: usize) {}
    /// Adds to the number of trials to expect.
    fn add_expected_count(&self, _answers: usize) {}
    /// A trial starts.
    fn trial_started(&self, _subject: &str, _mode: Mode) {}
    /// This many more trials have a result.
    fn trials_finished(&self, _answers: usize) {}
}

/// How to run trials.
#[derive(Debug)]
pub struct TrialConfig<'a> {
    /// The environment's Python.
    pub python: &'a Path,
    /// The library of the probes.
    pub library: &'a ProbeLibrary,
    /// The audit's scratch folder.
    pub scratch: &'a Path,
    /// Limits of each trial.
    pub limits: TrialLimits,
    /// The user's inputs to trials.
    pub given: &'a TrialInputs,
    /// Number of parallel workers.
    pub jobs: NonZeroUsize,
    /// Python options, such as `-X gil=0`.
    pub options: &'a [&'a str],
    /// Folders that each interpreter adds to its `sys.path`.
    pub path: &'a SearchPath,
    /// Set when the user interrupts the audit.
    pub stop: &'a StopFlag,
    /// Results of earlier audits, if they may be used.
    pub cache: Option<&'a TrialCache>,
}

/// Limits numerical libraries to one thread in the control.
///
/// They start a thread per core when imported, and threads do not survive the forks of a zygote. One thread
/// keeps the control cheap and does not affect any verdict.
const ONE_THREAD: &[(&str, &str)] =
    &[("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1")];

/// Tries every subject in every mode. The control runs first, since the other modes depend on its results.
pub fn run_trials(
    config: &TrialConfig<'_>,
    subjects: &[TrialSubject],
    modes: &[Mode],
    diagnostic_mode: DiagnosticMode,
    listener: &dyn ProgressListener,
) -> (Trials, DiagnosticRuns) {
    listener
        .set_expected_count(subjects.len() * modes.iter().filter(|mode| !mode.is_free_threaded()).count());
    let groups = group_subjects(subjects.iter());
    let mut trials = run_in_parallel(config, ONE_THREAD, &groups, |session, group| {
        control::try_group(session, group, listener)
    });

    let siblings = find_siblings(&trials, subjects);
    let retried = run_in_parallel(config, ONE_THREAD, &siblings, |session, (subject, after)| {
        listener.trial_started(&subject.name, Mode::Main);
        control::try_import(session, subject, Some(after)).into_iter().collect()
    });
    trials.extend(retried);

    // These trials do not force the GIL off. Extension modules come first: names whose extension modules have
    // passed may be tried in batches.
    let has_files = |group: &SubjectGroup<'_>| group.iter().any(|subject| subject.file.is_some());
    let (with_files, names): (Vec<_>, Vec<_>) = groups.into_iter().partition(has_files);
    let tried = try_in_sub_interpreters(config, groups_by_scenario(modes, &with_files), &trials, listener);
    trials.extend(Trials::merge_all(tried));
    let plan = DiagnosticPlan::new(subjects, &trials, diagnostic_mode);
    listener.add_expected_count(plan.trial_count());
    let [shared, own] = groups_by_scenario(modes, &names);
    let wanted = [shared, own, plan.unchecked_groups(), plan.alone_groups()];
    let [shared, own, unchecked, alone] = try_in_sub_interpreters(config, wanted, &trials, listener);
    let diagnostic_runs = plan.into_runs(unchecked, alone);
    trials.extend(Trials::merge_all([shared, own]));
    // Without diagnostic runs this is a small additional run: it needs no search unless a subject crashed.
    if diagnostic_mode != DiagnosticMode::Never || trials.has_crashes() {
        let faults = python_faults::find_faults(config, &trials, modes);
        python_faults::attribute_faults(&mut trials, faults);
    }
    (trials, diagnostic_runs)
}

/// The groups for the scenario of each of these modes; empty for a mode that was not asked for.
fn groups_by_scenario<'a>(
    modes: &[Mode],
    groups: &[SubjectGroup<'a>],
) -> [(Scenario, Vec<SubjectGroup<'a>>); 2] {
    [(Mode::SharedGil, Scenario::SharedGil), (Mode::OwnGil, Scenario::OwnGil)]
        .map(|(mode, scenario)| (scenario, if modes.contains(&mode) { groups.to_vec() } else { Vec::new() }))
}

/// Tries groups in each of these scenarios.
///
/// Each group is one task; groups whose first subjects may join a batch are combined. The longest tasks start
/// first, so that all workers finish at about the same time.
pub(super) fn try_in_sub_interpreters<const N: usize>(
    config: &TrialConfig<'_>,
    wanted: [(Scenario, Vec<SubjectGroup<'_>>); N],
    control: &Trials,
    listener: &dyn ProgressListener,
) -> [Trials; N] {
    let scenarios = wanted.each_ref().map(|(scenario, _)| *scenario);
    let loads = |group: &SubjectGroup<'_>| {
        let trial = group.first().and_then(|first| control.get(&first.name, Mode::Main));
        trial.map_or(0, |trial| trial.loads.len())
    };
    let mut tasks = Vec::new();
    for (scenario, groups) in wanted {
        let (mut batchable, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| {
            let mode = sub_interpreters::mode_of_scenario(scenario);
            let first = group.first().and_then(|first| BatchCandidate::new(first, control, mode));
            sub_interpreters::allows_batches(scenario) && first.is_some()
        });
        batchable.sort_by_key(|group| std::cmp::Reverse(loads(group)));
        // Keep enough tasks for every worker.
        let size = (batchable.len() / config.jobs.get() / 2).clamp(1, sub_interpreters::MAX_BATCH_SIZE);
        let together = others.chunks(1).chain(batchable.chunks(size));
        tasks.extend(together.map(|groups| (scenario, groups.to_vec())));
    }
    let length =
        |groups: &[SubjectGroup<'_>]| groups.iter().map(|group| loads(group) + group.len()).sum::<usize>();
    tasks.sort_by_key(|(_, groups)| std::cmp::Reverse(length(groups)));
    let found = run_tasks(config, &[], &tasks, |session, (scenario, groups)| {
        sub_interpreters::try_groups(session, groups, *scenario, control, listener)
    });
    let mut found: Vec<_> = tasks.iter().map(|(scenario, _)| *scenario).zip(found).collect();
    scenarios.map(|scenario| {
        Trials::merge_all(found.extract_if(.., |(other, _)| *other == scenario).map(|(_, trials)| trials))
    })
}

/// Groups subjects by the first part of their names, each group sorted.
///
/// Parents come before their members, and one worker's results for a group serve the rest of it.
pub(super) fn group_subjects<'a>(subjects: impl Iterator<Item = &'a TrialSubject>) -> Vec<SubjectGroup<'a>> {
    let mut groups: BTreeMap<&str, BTreeSet<&TrialSubject>> = BTreeMap::new();
    for subject in subjects {
        groups.entry(subject.name.split('.').next().unwrap_or_default()).or_default().insert(subject);
    }
    let mut groups: Vec<Vec<_>> = groups.into_values().map(|group| group.into_iter().collect()).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

/// Modules that do not import alone although another subject's control loads them, each with the first such
/// subject.
fn find_siblings<'a>(trials: &Trials, subjects: &'a [TrialSubject]) -> Vec<(&'a TrialSubject, String)> {
    let fails = |subject: &&TrialSubject| {
        trials.get(&subject.name, Mode::Main).is_some_and(|trial| {
            matches!(
                trial.outcome,
                TrialOutcome::Raised { .. } | TrialOutcome::NotRun(NotRunReason::Behind(_))
            )
        })
    };
    let loads = |subject: &TrialSubject| {
        trials
            .trials_in_mode(Mode::Main)
            .filter(|trial| trial.outcome == TrialOutcome::Imported && trial.subject != subject.name)
            .find(|trial| trial.is_loaded_in_all_interpreters(&subject.name))
            .map(|trial| trial.subject.clone())
    };
    subjects.iter().filter(fails).filter_map(|subject| Some((subject, loads(subject)?))).collect()
}

/// Runs the tasks on several workers and merges their trials.
pub(super) fn run_in_parallel<T: Sync>(
    config: &TrialConfig<'_>,
    variables: &[(&str, &str)],
    tasks: &[T],
    work: impl Fn(&mut TrialSession<'_>, &T) -> Trials + Sync,
) -> Trials {
    Trials::merge_all(run_tasks(config, variables, tasks, work))
}

/// Runs the tasks on several workers. Returns the trials of each task, in the order of the tasks.
fn run_tasks<T: Sync>(
    config: &TrialConfig<'_>,
    variables: &[(&str, &str)],
    tasks: &[T],
    work: impl Fn(&mut TrialSession<'_>, &T) -> Trials + Sync,
) -> Vec<Trials> {
    let worker_config = WorkerConfig {
        python: config.python,
        library: config.library,
        scratch: config.scratch,
        limits: config.limits,
        stop: config.stop,
        given: config.given,
        variables,
        options: config.options,
        path: config.path,
        cache: config.cache,
    };
    let found: Vec<Mutex<Trials>> = tasks.iter().map(|_| Mutex::default()).collect();
    let waiting = Mutex::new(tasks.iter().zip(&found));
    let next = || waiting.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..config.jobs.get().min(tasks.len()) {
            scope.spawn(|| {
                let mut session = TrialSession::new(&worker_config);
                while let Some((task, found)) = next() {
                    let mut trials = work(&mut session, task);
                    trials.without_shared_memory = !session.has_shared_memory();
                    *found.lock().unwrap_or_else(PoisonError::into_inner) = trials;
                }
            });
        }
    });
    found.into_iter().map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}
