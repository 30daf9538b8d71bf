//! Trials of a free-threaded build with the GIL forced off, as mod_wsgi does under `WSGIFreeThreading On`.
//!
//! Also finds the modules that switch the GIL on by default. CPython reports only the first such module of a
//! process, so each module is created in its own process.

use std::collections::BTreeSet;

use super::control::trial_from_result;
use super::interpret::interpret_evidence;
use super::protocol::{Scenario, TrialEvent};
use super::schedule::{
    ProgressListener, TrialConfig, TrialSubject, Trials, group_subjects, run_in_parallel,
    try_in_sub_interpreters,
};
use super::session::TrialSession;
use crate::model::{Mode, NotRunReason, ReasonId, Trial, TrialOutcome, TrialPhase};

/// mod_wsgi sets `enable_gil` to this value under `WSGIFreeThreading On`.
const GIL_OFF: &[&str] = &["-X", "gil=0"];

/// Makes a free-threaded build run with the GIL.
const GIL_ON: &[&str] = &["-X", "gil=1"];

/// Tries every subject. `control` holds the trials of this build's main interpreter.
pub fn run_free_threaded(
    config: &TrialConfig<'_>,
    subjects: &[TrialSubject],
    control: &Trials,
    listener: &dyn ProgressListener,
) -> Trials {
    let files: Vec<&TrialSubject> = subjects.iter().filter(|subject| subject.file.is_some()).collect();
    listener.add_expected_count(2 * subjects.len() + files.len());
    let mut trials = run_in_parallel(config, &[], &files, |session, subject| {
        listener.trial_started(&subject.name, Mode::Main);
        let found = check_enables_gil(session, subject, control);
        listener.trials_finished(1);
        found
    });
    let off = TrialConfig { options: GIL_OFF, ..*config };
    let groups = group_subjects(subjects.iter());
    let wanted = [Scenario::Storm, Scenario::FreeThreadedGroup].map(|scenario| (scenario, groups.clone()));
    trials.extend(Trials::merge_all(try_in_sub_interpreters(&off, wanted, control, listener)));
    let need_gil = retry_failures_with_gil(&TrialConfig { options: GIL_ON, ..*config }, subjects, control);
    trials.extend(need_gil);
    let failed: Vec<&Trial> =
        trials.trials_in_mode(Mode::FreeThreaded).filter(|trial| is_failure(trial)).collect();
    let retried = retry_in_one_thread(&off, &failed);
    trials.extend(retried);
    let only_by_several: Vec<&Trial> =
        trials.trials_in_mode(Mode::FreeThreaded).filter(|trial| is_stress_test_failure(trial)).collect();
    let with_gil = retry_stress_test_with_gil(&TrialConfig { options: GIL_ON, ..*config }, &only_by_several);
    trials.extend(with_gil);
    trials
}

/// Retries the control's failures with the GIL on.
///
/// If a subject passes with the GIL, the control's failure counts as its outcome without it.
fn retry_failures_with_gil(on: &TrialConfig<'_>, subjects: &[TrialSubject], control: &Trials) -> Trials {
    let in_control =
        |subject: &TrialSubject| control.get(&subject.name, Mode::Main).filter(|trial| is_failure(trial));
    let failing: Vec<_> =
        subjects.iter().filter_map(|subject| Some((subject, in_control(subject)?))).collect();
    run_in_parallel(on, &[], &failing, |session, (subject, failure)| {
        let imported = super::control::try_import(session, subject, None);
        let fails = imported.map(|_| Trial { mode: Mode::FreeThreaded, ..(*failure).clone() });
        fails.into_iter().collect()
    })
}

fn is_failure(trial: &Trial) -> bool {
    match trial.outcome {
        TrialOutcome::Refused { .. }
        | TrialOutcome::Raised { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. } => true,
        TrialOutcome::Imported | TrialOutcome::NotRun(_) => false,
    }
}

/// Whether the trial failed in the stress test, but not in one thread.
fn is_stress_test_failure(trial: &Trial) -> bool {
    match trial.outcome {
        TrialOutcome::Refused { place, .. }
        | TrialOutcome::Raised { place, .. }
        | TrialOutcome::Crashed { place, .. }
        | TrialOutcome::LosesDescriptors { place, .. }
        | TrialOutcome::TimedOut { place, .. } => place == TrialPhase::Storm,
        TrialOutcome::Imported
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_) => false,
    }
}

/// Creates one module in its own process, to see whether that switches the GIL on.
///
/// No trial is needed if the control has seen the module switch the GIL on.
fn check_enables_gil(session: &mut TrialSession<'_>, subject: &TrialSubject, control: &Trials) -> Trials {
    let mut found = Trials::default();
    let in_control = control.trials_in_mode(Mode::Main).flat_map(|trial| trial.loads.iter());
    if in_control.into_iter().any(|load| load.name == subject.name && load.enables_gil) {
        found.set_enables_gil(&subject.name, true);
        return found;
    }
    let Ok(attempt) = session.run_trial(Scenario::Created, &[], &subject.name) else { return found };
    let events = &attempt.evidence.events;
    let switched: Vec<&String> = events
        .iter()
        .filter_map(|event| if let TrialEvent::GilEnabled { name, .. } = event { Some(name) } else { None })
        .collect();
    let is_created = events.last() == Some(&TrialEvent::Done)
        && events
            .iter()
            .any(|event| matches!(event, TrialEvent::Loading { name, .. } if *name == subject.name))
        && !events.iter().any(|event| matches!(event, TrialEvent::Failed { .. }));
    match switched.as_slice() {
        [] if is_created => found.set_enables_gil(&subject.name, false),
        [name] if **name == subject.name => found.set_enables_gil(&subject.name, true),
        // Another module, loaded while this one was created, switched the GIL on; or this one was not
        // created.
        _ => {}
    }
    found
}

/// Retries failures of the stress test in one thread.
///
/// If that passes, concurrency causes the failure. If it fails, its evidence is clearer than that of several
/// threads.
fn retry_in_one_thread(off: &TrialConfig<'_>, failed: &[&Trial]) -> Trials {
    run_in_parallel(off, &[], failed, |session, stressed| {
        let Some(alone) = retry_trial(session, Scenario::Main, stressed) else { return Trials::default() };
        let trial = match alone.outcome {
            TrialOutcome::Imported => {
                Trial { outcome: outcome_in_stress_test(stressed.outcome.clone()), ..(**stressed).clone() }
            }
            TrialOutcome::Refused { .. }
            | TrialOutcome::Raised { .. }
            | TrialOutcome::Crashed { .. }
            | TrialOutcome::TimedOut { .. }
            | TrialOutcome::LosesDescriptors { .. }
            | TrialOutcome::LeftThreads { .. }
            | TrialOutcome::Shares { .. }
            | TrialOutcome::NotRun(_) => alone,
        };
        [trial].into_iter().collect()
    })
}

/// Retries the stress test with the GIL on.
///
/// A failure with the GIL says nothing about free threading.
fn retry_stress_test_with_gil(on: &TrialConfig<'_>, stressed: &[&Trial]) -> Trials {
    run_in_parallel(on, &[], stressed, |session, stressed| {
        let same = retry_trial(session, Scenario::Storm, stressed);
        let fails_too = same.filter(is_failure).map(|same| Trial {
            outcome: TrialOutcome::NotRun(NotRunReason::Because(
                ReasonId::FailsWithGil,
                "fails when threads import and use it at the same time, with the GIL on too".to_owned(),
            )),
            ..same
        });
        fails_too.into_iter().collect()
    })
}

/// Repeats the trial of a subject in another scenario.
fn retry_trial(session: &mut TrialSession<'_>, scenario: Scenario, stressed: &Trial) -> Option<Trial> {
    let subject = TrialSubject::from_name(stressed.subject.clone());
    let attempt = session.run_trial(scenario, stressed.after.as_deref().as_slice(), &subject.name).ok()?;
    let in_control: BTreeSet<String> = stressed.loads.iter().map(|load| load.name.clone()).collect();
    let result = interpret_evidence(Mode::FreeThreaded, &attempt.evidence, &in_control);
    let trial = trial_from_result(Mode::FreeThreaded, &subject, result, attempt.left);
    Some(Trial { after: stressed.after.clone(), ..trial })
}

/// The same outcome, with the stress test as its phase.
fn outcome_in_stress_test(outcome: TrialOutcome) -> TrialOutcome {
    let place = TrialPhase::Storm;
    match outcome {
        TrialOutcome::Refused { by, module, error, .. } => TrialOutcome::Refused { by, module, place, error },
        TrialOutcome::Raised { error, suspect, .. } => TrialOutcome::Raised { place, error, suspect },
        TrialOutcome::Crashed { how, loading, .. } => TrialOutcome::Crashed { how, place, loading },
        TrialOutcome::TimedOut { loading, .. } => TrialOutcome::TimedOut { place, loading },
        TrialOutcome::LosesDescriptors { loading, .. } => TrialOutcome::LosesDescriptors { place, loading },
        other @ (TrialOutcome::Imported
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_)) => other,
    }
}
