//! Trials of a free-threaded build with the GIL forced off, as mod_wsgi does under `WSGIFreeThreading On`.
//!
//! Also finds the modules that switch the GIL on by default. CPython reports only the first such module of a
//! process, so each module is created in its own process.

use std::collections::BTreeSet;

use wsgiaudit_probes_core::protocol::{Scenario, TrialEvent};

use super::config::TrialConfig;
use super::interpret::interpret_attempt;
use super::parallel::{ProgressListener, run_in_parallel};
use super::schedule::try_in_sub_interpreters;
use super::session::TrialSession;
use super::trials::{TrialSubject, Trials, group_subjects};
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
    let mut trials = run_in_parallel(config, &files, |session, subject| {
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
        trials.trials_in_mode(Mode::FreeThreaded).filter(|trial| trial.outcome.is_failure()).collect();
    let retried = retry_in_one_thread(&off, &failed);
    trials.extend(retried);
    let only_by_several: Vec<&Trial> = trials
        .trials_in_mode(Mode::FreeThreaded)
        .filter(|trial| trial.outcome.phase() == Some(TrialPhase::Storm))
        .collect();
    let with_gil = retry_stress_test_with_gil(&TrialConfig { options: GIL_ON, ..*config }, &only_by_several);
    trials.extend(with_gil);
    trials
}

/// Retries the control's failures with the GIL on.
///
/// If a subject passes with the GIL, the control's failure counts as its outcome without it.
fn retry_failures_with_gil(on: &TrialConfig<'_>, subjects: &[TrialSubject], control: &Trials) -> Trials {
    let in_control = |subject: &TrialSubject| {
        control.get(&subject.name, Mode::Main).filter(|trial| trial.outcome.is_failure())
    };
    let failing: Vec<_> =
        subjects.iter().filter_map(|subject| Some((subject, in_control(subject)?))).collect();
    run_in_parallel(on, &failing, |session, (subject, failure)| {
        let imported = super::control::try_import(session, subject, None);
        let fails = imported.map(|_| Trial { mode: Mode::FreeThreaded, ..(*failure).clone() });
        fails.into_iter().collect()
    })
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
    let events = &attempt.events;
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
    run_in_parallel(off, failed, |session, stressed| {
        let Some(alone) = retry_trial(session, Scenario::Main, stressed) else { return Trials::default() };
        if !alone.outcome.has_passed() {
            return [alone].into_iter().collect();
        }
        let mut trial = (**stressed).clone();
        trial.outcome.set_phase(TrialPhase::Storm);
        [trial].into_iter().collect()
    })
}

/// Retries the stress test with the GIL on.
///
/// A failure with the GIL says nothing about free threading.
fn retry_stress_test_with_gil(on: &TrialConfig<'_>, stressed: &[&Trial]) -> Trials {
    run_in_parallel(on, stressed, |session, stressed| {
        let same = retry_trial(session, Scenario::Storm, stressed);
        same.and_then(void_failure_with_gil).into_iter().collect()
    })
}

/// Turns a failure of the stress test with the GIL on into a trial without a result. Returns `None` if it
/// passed or was not run.
fn void_failure_with_gil(same: Trial) -> Option<Trial> {
    let why = "fails when threads import and use it at the same time, with the GIL on too";
    let outcome = TrialOutcome::NotRun(NotRunReason::Because(ReasonId::FailsWithGil, why.to_owned()));
    same.outcome.is_failure().then_some(Trial { outcome, ..same })
}

/// Repeats the trial of a subject in another scenario.
fn retry_trial(session: &mut TrialSession<'_>, scenario: Scenario, stressed: &Trial) -> Option<Trial> {
    let subject = TrialSubject::from_name(stressed.subject.clone());
    let attempt = session.run_trial(scenario, stressed.after.as_deref().as_slice(), &subject.name).ok()?;
    let in_control: BTreeSet<String> = stressed.loads.iter().map(|load| load.name.clone()).collect();
    let trial = interpret_attempt(Mode::FreeThreaded, &subject, &attempt, &in_control);
    Some(Trial { after: stressed.after.clone(), ..trial })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_with_the_gil_on_says_nothing_about_free_threading() {
        let trial = |outcome| Trial {
            outcome,
            ..Trial::not_run("till", Mode::FreeThreaded, NotRunReason::Shadowed(None))
        };
        let hangs = TrialOutcome::TimedOut { place: TrialPhase::Storm, loading: None };
        let outcome = void_failure_with_gil(trial(hangs)).unwrap().outcome;
        let TrialOutcome::NotRun(NotRunReason::Because(reason, _)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason, ReasonId::FailsWithGil);
        assert_eq!(void_failure_with_gil(trial(TrialOutcome::Imported)), None);
        assert_eq!(void_failure_with_gil(trial(TrialOutcome::NotRun(NotRunReason::Shadowed(None)))), None);
    }
}
