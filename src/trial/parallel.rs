//! Runs tasks on several workers at the same time.

use std::sync::{Mutex, PoisonError};

use super::config::TrialConfig;
use super::session::TrialSession;
use super::trials::Trials;
use crate::model::Mode;

/// Receives progress. Called from several threads.
pub trait ProgressListener: Sync {
    /// The number of trials to expect in total.
    fn set_expected_count(&self, _count: usize) {}
    /// Adds to the number of trials to expect.
    fn add_expected_count(&self, _count: usize) {}
    /// A trial starts.
    fn trial_started(&self, _subject: &str, _mode: Mode) {}
    /// This many more trials have a result.
    fn trials_finished(&self, _count: usize) {}
}

/// Runs the tasks on several workers and merges their trials.
pub(super) fn run_in_parallel<T: Sync>(
    config: &TrialConfig<'_>,
    tasks: &[T],
    work: impl Fn(&mut TrialSession<'_>, &T) -> Trials + Sync,
) -> Trials {
    Trials::merge_all(run_tasks(config, tasks, work))
}

/// Runs the tasks on several workers. Returns the trials of each task, in the order of the tasks.
pub(super) fn run_tasks<T: Sync>(
    config: &TrialConfig<'_>,
    tasks: &[T],
    work: impl Fn(&mut TrialSession<'_>, &T) -> Trials + Sync,
) -> Vec<Trials> {
    let found: Vec<Mutex<Trials>> = tasks.iter().map(|_| Mutex::default()).collect();
    let waiting = Mutex::new(tasks.iter().zip(&found));
    let next = || waiting.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..config.jobs.get().min(tasks.len()) {
            scope.spawn(|| {
                let mut session = TrialSession::new(config);
                while let Some((task, found)) = next() {
                    let mut trials = work(&mut session, task);
                    trials.set_without_shared_memory(!session.has_shared_memory());
                    *found.lock().unwrap_or_else(PoisonError::into_inner) = trials;
                }
            });
        }
    });
    found.into_iter().map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}
