//! Diagnostic runs: additional trials with an own GIL, as evidence for maintainers. They change no verdict.

use wsgiaudit_probes_core::protocol::Scenario;

use super::trials::{SubjectGroup, TrialSubject, Trials, group_subjects};
use crate::model::{Mode, NotRunReason, Refuser, Trial, TrialOutcome};

/// Which diagnostic runs take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiagnosticMode {
    /// None.
    Never,
    /// Only without the subjects' packages: this Python does not allow its check to be overridden.
    Alone,
    /// Also with CPython's check overridden.
    Unchecked,
}

/// Results of the diagnostic runs.
#[derive(Clone, Debug, Default)]
pub struct DiagnosticRuns {
    /// Trials with CPython's check overridden: modules that could declare support for an own GIL and were
    /// refused, or that need a refused module.
    ///
    /// Where a module refuses itself with a shared GIL too, which CPython does not check, that trial is
    /// reused.
    pub unchecked: Trials,
    /// Trials without the packages: extension modules that CPython would not refuse, but that were not tried
    /// because their package failed.
    pub alone: Trials,
}

/// The subjects of the diagnostic runs.
pub(super) struct DiagnosticPlan<'a> {
    unchecked: Vec<&'a TrialSubject>,
    /// Results that are known without another trial.
    known: Trials,
    alone: Vec<&'a TrialSubject>,
}

impl<'a> DiagnosticPlan<'a> {
    /// Selects subjects by the outcomes of their trials with an own GIL.
    pub(super) fn new(
        subjects: &'a [TrialSubject],
        trials: &Trials,
        diagnostic_mode: DiagnosticMode,
    ) -> Self {
        let own =
            |subject: &TrialSubject| trials.get(&subject.name, Mode::OwnGil).map(|trial| &trial.outcome);
        let is_behind = |subject: &TrialSubject| {
            matches!(own(subject), Some(TrialOutcome::NotRun(NotRunReason::Behind(_))))
        };
        let is_refused = |subject: &&TrialSubject| {
            let by_cpython = matches!(own(subject), Some(TrialOutcome::Refused { by: Refuser::CPython, .. }));
            diagnostic_mode == DiagnosticMode::Unchecked
                && subject.could_declare
                && (by_cpython || is_behind(subject))
        };
        let refused = subjects.iter().filter(is_refused);
        let chains = refused.map(|subject| (subject, self_refusal_chain(trials, &subject.name)));
        let (open, known): (Vec<_>, Vec<_>) = chains.partition(|(_, chain)| chain.is_empty());
        let unchecked = open.into_iter().map(|(subject, _)| subject).collect();
        let known = known.into_iter().flat_map(|(_, chain)| chain).cloned().collect();
        let is_kept_out = |subject: &&TrialSubject| {
            diagnostic_mode != DiagnosticMode::Never
                && subject.file.is_some()
                && !subject.is_refused
                && is_behind(subject)
        };
        Self { unchecked, known, alone: subjects.iter().filter(is_kept_out).collect() }
    }

    /// Number of trials to run.
    pub(super) fn trial_count(&self) -> usize {
        self.unchecked.len() + self.alone.len()
    }

    /// Groups to try with CPython's check overridden.
    pub(super) fn unchecked_groups(&self) -> (Scenario, Vec<SubjectGroup<'a>>) {
        (Scenario::OwnGilUnchecked, group_subjects(self.unchecked.iter().copied()))
    }

    /// Groups to try without their packages.
    pub(super) fn alone_groups(&self) -> (Scenario, Vec<SubjectGroup<'a>>) {
        (Scenario::OwnGilAlone, group_subjects(self.alone.iter().copied()))
    }

    /// Combines the new trials with the results that were known before.
    pub(super) fn into_runs(self, unchecked: Trials, alone: Trials) -> DiagnosticRuns {
        DiagnosticRuns { unchecked: Trials::merge_all([self.known, unchecked]), alone }
    }
}

/// Follows `Behind` outcomes with a shared GIL from this name.
///
/// Returns the trials on that chain if it ends in a module that refuses itself; empty otherwise.
fn self_refusal_chain<'t>(trials: &'t Trials, name: &str) -> Vec<&'t Trial> {
    let mut chain: Vec<&Trial> = trials.get(name, Mode::SharedGil).into_iter().collect();
    while let Some(TrialOutcome::NotRun(NotRunReason::Behind(other))) =
        chain.last().map(|trial| &trial.outcome)
    {
        match trials.get(other, Mode::SharedGil) {
            Some(trial) if chain.iter().all(|before| before.subject != trial.subject) => chain.push(trial),
            Some(_) | None => return Vec::new(),
        }
    }
    let is_by_itself = chain
        .last()
        .is_some_and(|trial| matches!(trial.outcome, TrialOutcome::Refused { by: Refuser::Module, .. }));
    if is_by_itself { chain } else { Vec::new() }
}
