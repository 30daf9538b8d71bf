//! Which trials take place, in which order, and which need not, because an earlier one with the same inputs
//! has answered already. The order in which workers finish never shows in the result.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::company::Candidate;
use super::control;
use super::desk::Desk;
use super::given::Given;
use super::library::Library;
use super::once_more::{Again, OnceMore, Wanted};
use super::protocol::Interpreters;
use super::search_path::SearchPath;
use super::standard_library;
use super::sub_interpreters;
use super::worker::{Limits, Setup, Stop};
use crate::cache::Cache;
use crate::model::{Mode, NotRun, Outcome, Trial};

/// Something to import: an extension module, or a distribution's top-level name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Dotted name.
    pub name: String,
    /// The file that importing it must load; `None` for what may be pure Python.
    pub file: Option<PathBuf>,
    /// Whether it is an extension module that could declare support for an own GIL and does not.
    pub could_declare: bool,
    /// Whether CPython's check refuses what it declares, with an own GIL.
    pub is_refused: bool,
    /// Whether its import runs a script that uses what is installed, and its `__exercise__` runs it again.
    pub is_exercise: bool,
}

impl Subject {
    /// What may be pure Python.
    pub fn name(name: String) -> Self {
        Self { name, file: None, could_declare: false, is_refused: false, is_exercise: false }
    }
}

/// Subjects below the same first name, sorted.
pub(super) type Group<'a> = Vec<&'a Subject>;

/// Every trial of an audit, by subject and mode.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    all: BTreeMap<(String, Mode), Trial>,
    enables_gil: BTreeMap<String, bool>,
    /// What the control read from disk, by subject.
    touched: BTreeMap<String, Vec<String>>,
    without_shared_memory: bool,
    /// Of modules of the standard library that die by themselves.
    faults: Vec<Arc<Trial>>,
}

impl Trials {
    /// The trial of this name in this mode. There is one for every subject, and for every package whose
    /// import failed on the way to one.
    pub fn get(&self, name: &str, mode: Mode) -> Option<&Trial> {
        self.all.get(&(name.to_owned(), mode))
    }

    /// All of one mode, by name.
    pub fn of(&self, mode: Mode) -> impl Iterator<Item = &Trial> {
        self.all.iter().filter(move |((_, each), _)| *each == mode).map(|(_, trial)| trial)
    }

    /// Whether some of them could not be given shared memory of their own, and so had none.
    pub fn without_shared_memory(&self) -> bool {
        self.without_shared_memory
    }

    /// Whether a free-threaded CPython switched the GIL on when it created this module by itself; `None` where
    /// that was not found out.
    pub fn enables_gil(&self, name: &str) -> Option<bool> {
        self.enables_gil.get(name).copied()
    }

    pub(super) fn add_enables_gil(&mut self, name: &str, enables: bool) {
        self.enables_gil.insert(name.to_owned(), enables);
    }

    /// What the control of this name read from disk: nothing where that was not asked for; `None` where it was not
    /// imported by itself.
    pub(super) fn touched(&self, name: &str) -> Option<&[String]> {
        self.touched.get(name).map(Vec::as_slice)
    }

    pub(super) fn add_touched(&mut self, name: &str, touched: impl Iterator<Item = String>) {
        self.touched.insert(name.to_owned(), touched.collect());
    }

    /// The trials of modules of the standard library that die by themselves: the Python's own faults.
    pub fn faults(&self) -> &[Arc<Trial>] {
        &self.faults
    }

    pub(super) fn add_faults(&mut self, faults: Vec<Arc<Trial>>) {
        self.faults.extend(faults);
    }

    fn have_deaths(&self) -> bool {
        self.all.values().any(|trial| matches!(trial.outcome, Outcome::Crashed { .. }))
    }

    pub(crate) fn add(&mut self, trial: Trial) {
        self.all.insert((trial.subject.clone(), trial.mode), trial);
    }

    /// Those of all of these.
    pub(super) fn of_all(found: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        found.into_iter().for_each(|found| all.extend(found));
        all
    }

    /// Takes in others.
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
        all.into_iter().for_each(|trial| trials.add(trial));
        trials
    }
}

/// Hears of the progress. Called from several threads.
pub trait Listener: Sync {
    /// So many answers are wanted in all.
    fn wanted(&self, _answers: usize) {}
    /// So many on top of that.
    fn wanted_too(&self, _answers: usize) {}
    /// This trial begins.
    fn begins(&self, _subject: &str, _mode: Mode) {}
    /// So many more answers are there.
    fn answered(&self, _answers: usize) {}
}

/// How to run trials.
#[derive(Debug)]
pub struct Trying<'a> {
    /// The environment's python.
    pub python: &'a Path,
    /// The probes.
    pub library: &'a Library,
    /// A folder of our own.
    pub scratch: &'a Path,
    /// What a trial may use.
    pub limits: Limits,
    /// What everything that is tried is given.
    pub given: &'a Given,
    /// How many at a time.
    pub jobs: NonZeroUsize,
    /// Options of the python, e.g. `-X gil=0`.
    pub options: &'a [&'a str],
    /// What each interpreter adds to its `sys.path`.
    pub path: &'a SearchPath,
    /// Set when the user wants out.
    pub stop: &'a Stop,
    /// Answers of earlier audits, where they may be used.
    pub cache: Option<&'a Cache>,
}

/// Libraries that start a thread for each core when imported. A zygote that has imported one forks, which
/// threads do not survive; one thread each keeps the control cheap and changes nothing that is judged.
const ONE_THREAD: &[(&str, &str)] =
    &[("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1")];

/// Tries every subject in every mode; the control first, since it decides what the others can tell.
pub fn run(
    trying: &Trying<'_>,
    subjects: &[Subject],
    modes: &[Mode],
    again: Again,
    listener: &dyn Listener,
) -> (Trials, OnceMore) {
    listener.wanted(subjects.len() * modes.iter().filter(|mode| !mode.is_free_threaded()).count());
    let groups = groups(subjects.iter());
    let mut trials =
        in_parallel(trying, ONE_THREAD, &groups, |desk, group| control::run(desk, group, listener));

    let early = siblings(&trials, subjects);
    let retried = in_parallel(trying, ONE_THREAD, &early, |desk, (subject, after)| {
        listener.begins(&subject.name, Mode::Main);
        control::imports(desk, subject, Some(after)).into_iter().collect()
    });
    trials.extend(retried);

    // The GIL is not forced off here. Extension modules come first: names whose own have passed may keep company.
    let has_files = |group: &Group<'_>| group.iter().any(|subject| subject.file.is_some());
    let (with_files, names): (Vec<_>, Vec<_>) = groups.into_iter().partition(has_files);
    let tried = in_sub_interpreters(trying, in_modes(modes, &with_files), &trials, listener);
    trials.extend(Trials::of_all(tried));
    let more = Wanted::new(subjects, &trials, again);
    listener.wanted_too(more.count());
    let [shared, own] = in_modes(modes, &names);
    let wanted = [shared, own, more.unchecked(), more.alone()];
    let [shared, own, unchecked, alone] = in_sub_interpreters(trying, wanted, &trials, listener);
    let once_more = more.with(unchecked, alone);
    trials.extend(Trials::of_all([shared, own]));
    // A few subjects on top of an audit's add nothing to it unless one of them dies.
    if again != Again::Never || trials.have_deaths() {
        let faults = standard_library::faults(trying, &trials, modes);
        standard_library::blame(&mut trials, faults);
    }
    (trials, once_more)
}

/// Groups with the interpreters of each of these modes.
fn in_modes<'a>(modes: &[Mode], groups: &[Group<'a>]) -> [(Interpreters, Vec<Group<'a>>); 2] {
    [(Mode::SharedGil, Interpreters::SharedGil), (Mode::OwnGil, Interpreters::OwnGil)]
        .map(|(mode, place)| (place, if modes.contains(&mode) { groups.to_vec() } else { Vec::new() }))
}

/// Tries groups in each of these kinds of interpreters: each group by itself, but for those whose first subjects may keep
/// company. What takes long begins first, so that no worker is left with it when the others are done.
pub(super) fn in_sub_interpreters<const N: usize>(
    trying: &Trying<'_>,
    wanted: [(Interpreters, Vec<Group<'_>>); N],
    control: &Trials,
    listener: &dyn Listener,
) -> [Trials; N] {
    let places = wanted.each_ref().map(|(place, _)| *place);
    let loads = |group: &Group<'_>| {
        let trial = group.first().and_then(|first| control.get(&first.name, Mode::Main));
        trial.map_or(0, |trial| trial.loads.len())
    };
    let mut tasks = Vec::new();
    for (place, groups) in wanted {
        let (mut companions, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| {
            let mode = sub_interpreters::mode_of(place);
            let first = group.first().and_then(|first| Candidate::new(first, control, mode));
            sub_interpreters::keeps_company(place) && first.is_some()
        });
        companions.sort_by_key(|group| std::cmp::Reverse(loads(group)));
        // Enough of them to keep every worker busy.
        let size = (companions.len() / trying.jobs.get() / 2).clamp(1, sub_interpreters::COMPANY);
        let together = others.chunks(1).chain(companions.chunks(size));
        tasks.extend(together.map(|groups| (place, groups.to_vec())));
    }
    let length = |groups: &[Group<'_>]| groups.iter().map(|group| loads(group) + group.len()).sum::<usize>();
    tasks.sort_by_key(|(_, groups)| std::cmp::Reverse(length(groups)));
    let found = task_by_task(trying, &[], &tasks, |desk, (place, groups)| {
        sub_interpreters::run(desk, groups, *place, control, listener)
    });
    let mut found: Vec<_> = tasks.iter().map(|(place, _)| *place).zip(found).collect();
    places.map(|place| {
        Trials::of_all(found.extract_if(.., |(other, _)| *other == place).map(|(_, trials)| trials))
    })
}

/// Subjects by the first part of their names, each group sorted: parents come before what is in them, and
/// what one worker learns of a group serves the rest of it.
pub(super) fn groups<'a>(subjects: impl Iterator<Item = &'a Subject>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<&str, BTreeSet<&Subject>> = BTreeMap::new();
    for subject in subjects {
        groups.entry(subject.name.split('.').next().unwrap_or_default()).or_default().insert(subject);
    }
    let mut groups: Vec<Vec<_>> = groups.into_values().map(|group| group.into_iter().collect()).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

/// Modules that do not import by themselves though another subject's control loads them: each with the
/// first such subject.
fn siblings<'a>(trials: &Trials, subjects: &'a [Subject]) -> Vec<(&'a Subject, String)> {
    let fails = |subject: &&Subject| {
        trials.get(&subject.name, Mode::Main).is_some_and(|trial| {
            matches!(trial.outcome, Outcome::Raised { .. } | Outcome::NotRun(NotRun::Behind(_)))
        })
    };
    let loads = |subject: &Subject| {
        trials
            .of(Mode::Main)
            .filter(|trial| trial.outcome == Outcome::Imported && trial.subject != subject.name)
            .find(|trial| trial.loaded_in_all(&subject.name))
            .map(|trial| trial.subject.clone())
    };
    subjects.iter().filter(fails).filter_map(|subject| Some((subject, loads(subject)?))).collect()
}

/// Hands the tasks to so many workers and collects what they find.
pub(super) fn in_parallel<T: Sync>(
    trying: &Trying<'_>,
    variables: &[(&str, &str)],
    tasks: &[T],
    work: impl Fn(&mut Desk<'_>, &T) -> Trials + Sync,
) -> Trials {
    Trials::of_all(task_by_task(trying, variables, tasks, work))
}

/// The same, with what was found of each task apart, in their order.
fn task_by_task<T: Sync>(
    trying: &Trying<'_>,
    variables: &[(&str, &str)],
    tasks: &[T],
    work: impl Fn(&mut Desk<'_>, &T) -> Trials + Sync,
) -> Vec<Trials> {
    let setup = Setup {
        python: trying.python,
        library: trying.library,
        scratch: trying.scratch,
        limits: trying.limits,
        stop: trying.stop,
        given: trying.given,
        variables,
        options: trying.options,
        path: trying.path,
        cache: trying.cache,
    };
    let found: Vec<Mutex<Trials>> = tasks.iter().map(|_| Mutex::default()).collect();
    let waiting = Mutex::new(tasks.iter().zip(&found));
    let next = || waiting.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..trying.jobs.get().min(tasks.len()) {
            scope.spawn(|| {
                let mut desk = Desk::new(&setup);
                while let Some((task, found)) = next() {
                    let mut trials = work(&mut desk, task);
                    trials.without_shared_memory = !desk.has_shared_memory();
                    *found.lock().unwrap_or_else(PoisonError::into_inner) = trials;
                }
            });
        }
    });
    found.into_iter().map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}
