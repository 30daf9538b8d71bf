//! Subjects, and the trials of an audit by subject and mode. Every step of the trials uses these types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Mode, Trial, TrialOutcome};

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

    pub(super) fn set_without_shared_memory(&mut self, is_without: bool) {
        self.without_shared_memory = is_without;
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

    pub(crate) fn add_python_faults(&mut self, faults: Vec<Arc<Trial>>) {
        self.faults.extend(faults);
    }

    /// Whether the process of any of them crashed.
    pub(super) fn has_crashes(&self) -> bool {
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
