//! Schedules the trials of an audit.
//!
//! Decides which trials run, in which order, and which are not needed because an earlier one answers them.
//! The order in which workers finish does not affect the result.

use std::cmp::Reverse;

use wsgiaudit_probes_core::protocol::Scenario;

use super::batch::BatchCandidate;
use super::config::TrialConfig;
use super::control;
use super::diagnostic_runs::{DiagnosticMode, DiagnosticPlan, DiagnosticRuns};
use super::parallel::{ProgressListener, run_in_parallel, run_tasks};
use super::python_faults;
use super::sub_interpreters;
use super::trials::{SubjectGroup, TrialSubject, Trials, group_subjects};
use crate::model::{Mode, NotRunReason, PythonError, TrialOutcome};

/// Limits numerical libraries to one thread in the control.
///
/// They start a thread per core when imported, and threads do not survive the forks of a zygote. One thread
/// keeps the control cheap and does not affect any verdict.
const ONE_THREAD: &[(&str, &str)] =
    &[("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1")];

/// Maximum number of modules of a circular import that are tried as the first one.
const MAX_CIRCLE: usize = 8;

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
    let one_thread = TrialConfig { variables: ONE_THREAD, ..*config };
    let mut trials =
        run_in_parallel(&one_thread, &groups, |session, group| control::try_group(session, group, listener));

    let failed = find_prerequisites(&trials, subjects);
    let retried = run_in_parallel(&one_thread, &failed, |session, (subject, prerequisites)| {
        listener.trial_started(&subject.name, Mode::Main);
        let mut tried =
            prerequisites.iter().filter_map(|first| control::try_import(session, subject, Some(first)));
        tried.next().into_iter().collect()
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
    let [shared, own, copies] = groups_by_scenario(modes, &names);
    let wanted = [shared, own, copies, plan.unchecked_groups(), plan.alone_groups()];
    let [shared, own, copies, unchecked, alone] = try_in_sub_interpreters(config, wanted, &trials, listener);
    let diagnostic_runs = plan.into_runs(unchecked, alone);
    trials.extend(Trials::merge_all([shared, own, copies]));
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
) -> [(Scenario, Vec<SubjectGroup<'a>>); 3] {
    [
        (Mode::SharedGil, Scenario::SharedGil),
        (Mode::OwnGil, Scenario::OwnGil),
        (Mode::OwnGilCopies, Scenario::OwnGilCopies),
    ]
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
        batchable.sort_by_key(|group| Reverse(loads(group)));
        // Keep enough tasks for every worker.
        let size = (batchable.len() / config.jobs.get() / 2).clamp(1, sub_interpreters::MAX_BATCH_SIZE);
        let together = others.chunks(1).chain(batchable.chunks(size));
        tasks.extend(together.map(|groups| (scenario, groups.to_vec())));
    }
    let length =
        |groups: &[SubjectGroup<'_>]| groups.iter().map(|group| loads(group) + group.len()).sum::<usize>();
    tasks.sort_by_key(|(_, groups)| Reverse(length(groups)));
    let found = run_tasks(config, &tasks, |session, (scenario, groups)| {
        sub_interpreters::try_groups(session, groups, *scenario, control, listener)
    });
    let mut found: Vec<_> = tasks.iter().map(|(scenario, _)| *scenario).zip(found).collect();
    scenarios.map(|scenario| {
        Trials::merge_all(found.extract_if(.., |(other, _)| *other == scenario).map(|(_, trials)| trials))
    })
}

/// Modules that do not import alone, with the modules whose import may make it work, likeliest first: the first subject
/// whose control loads the module, and, after a circular import, the modules of the circle.
fn find_prerequisites<'a>(
    trials: &Trials,
    subjects: &'a [TrialSubject],
) -> Vec<(&'a TrialSubject, Vec<String>)> {
    let loading = |subject: &TrialSubject| {
        trials
            .trials_in_mode(Mode::Main)
            .filter(|trial| trial.outcome.has_passed() && trial.subject != subject.name)
            .find(|trial| trial.is_loaded_in_all_interpreters(&subject.name))
            .map(|trial| trial.subject.clone())
    };
    let prerequisites = |subject: &TrialSubject| {
        let circle = match &trials.get(&subject.name, Mode::Main)?.outcome {
            TrialOutcome::Raised { error, .. } => circular_importers(error, &subject.name),
            TrialOutcome::NotRun(NotRunReason::Behind(_)) => Vec::new(),
            TrialOutcome::Imported
            | TrialOutcome::Refused { .. }
            | TrialOutcome::Crashed { .. }
            | TrialOutcome::TimedOut { .. }
            | TrialOutcome::LosesDescriptors { .. }
            | TrialOutcome::LeftThreads { .. }
            | TrialOutcome::Shares { .. }
            | TrialOutcome::BreaksIsolation { .. }
            | TrialOutcome::NotRun(_) => return None,
        };
        let found: Vec<String> = loading(subject).into_iter().chain(circle).collect();
        (!found.is_empty()).then_some(found)
    };
    subjects.iter().filter_map(|subject| Some((subject, prerequisites(subject)?))).collect()
}

/// The modules that were being imported as a module raised this error, if it tells of a circular import; without the
/// module itself. The words are CPython's (`Objects/moduleobject.c`, `Python/ceval.c`).
fn circular_importers(error: &PythonError, module: &str) -> Vec<String> {
    match error.text.contains("(most likely due to a circular import)") {
        true => error.chain.iter().filter(|name| *name != module).take(MAX_CIRCLE).cloned().collect(),
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circular_import_names_who_imported_the_module() {
        let circular = "cannot import name 'x' from partially initialized module 'shop._a' (most likely due to a \
                        circular import)";
        for (text, expected) in [(circular, vec!["shop.a", "shop.b"]), ("cannot import name 'x'", vec![])] {
            let chain = ["shop.a", "shop._a", "shop.b"].map(str::to_owned).to_vec();
            let error = PythonError { kind: "ImportError".to_owned(), text: text.to_owned(), chain };
            assert_eq!(circular_importers(&error, "shop._a"), expected);
        }
    }
}
