//! A trial session: one thread's worker, its cached results and its retries.
//!
//! A lost worker is replaced. A cached result that is still valid is used instead of a new trial.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wsgiaudit_probes_core::protocol::{ProcessExit, Scenario, TrialEvent};

use super::attempt::Attempt;
use super::config::{StressTest, TrialConfig};
use super::worker::{EnterResult, Worker, WorkerLost};
use crate::model::{NotRunReason, ReasonId};

/// Runs trials with one worker at a time, and replaces it when it is lost.
#[derive(Debug)]
pub(super) struct TrialSession<'a> {
    config: &'a TrialConfig<'a>,
    worker: Option<Worker<'a>>,
    /// Why no worker can be started, set after two failures in a row.
    start_error: Option<NotRunReason>,
    /// Whether every worker so far had shared memory for its trials.
    has_shared_memory: bool,
    /// Whether interpreters survive an empty stress test; `None` until that was tried.
    survives: Option<bool>,
    /// The entered packages, outermost first.
    inside: Vec<String>,
    /// How many of them the worker has entered. The rest is known from the cache so far.
    entered: usize,
}

/// Cache key of an attempt: all inputs except the files that it reads.
#[derive(Serialize)]
struct AttemptKey<'q> {
    inside: Vec<String>,
    enters: bool,
    place: Scenario,
    after: &'q [&'q str],
    subject: &'q str,
    /// Whether the subject was tried in a batch.
    in_company: bool,
    options: &'q [&'q str],
    variables: &'q [(&'q str, &'q str)],
    /// Modules whose functions are not called.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    skipped: &'q [&'q str],
    /// Digest of the user's inputs. Values of variables are not stored.
    #[serde(skip_serializing_if = "str::is_empty")]
    given: &'q str,
    storm: StressTest,
}

impl<'a> TrialSession<'a> {
    pub(super) fn new(config: &'a TrialConfig<'a>) -> Self {
        Self {
            config,
            worker: None,
            start_error: None,
            has_shared_memory: true,
            survives: None,
            inside: Vec::new(),
            entered: 0,
        }
    }

    /// Runs a trial, or returns a cached attempt. Retries once after SIGKILL of the child or the zygote.
    ///
    /// # Errors
    /// Returns the reason if there is no result.
    pub(super) fn run_trial(
        &mut self,
        scenario: Scenario,
        after: &[&str],
        subject: &str,
    ) -> Result<Attempt, NotRunReason> {
        self.run_calls(scenario, after, subject, &[])
    }

    /// Runs a trial that calls functions, but not those of the modules in `skipped`, or returns a cached attempt.
    ///
    /// # Errors
    /// Returns the reason if there is no result.
    pub(super) fn run_calls(
        &mut self,
        scenario: Scenario,
        after: &[&str],
        subject: &str,
        skipped: &[&str],
    ) -> Result<Attempt, NotRunReason> {
        let key = AttemptKey { skipped, ..self.key_of_attempt(scenario, after, subject) };
        self.run_unless_cached(&key, &[subject])
    }

    /// Runs a trial that calls functions again, without the cache.
    ///
    /// # Errors
    /// Returns the reason if there is no result.
    pub(super) fn repeat_calls(
        &mut self,
        scenario: Scenario,
        after: &[&str],
        subject: &str,
        skipped: &[&str],
    ) -> Result<Attempt, NotRunReason> {
        self.run_with_retry(scenario, after, &[subject], skipped)
    }

    /// Runs a batch: tries several subjects in one child.
    ///
    /// # Errors
    /// Returns the reason if there is no result.
    pub(super) fn run_batch(
        &mut self,
        scenario: Scenario,
        subjects: &[&str],
    ) -> Result<Attempt, NotRunReason> {
        self.run_with_retry(scenario, &[], subjects, &[])
    }

    /// Runs a batch, or returns a cached attempt.
    ///
    /// Only for modules of the standard library: files that other subjects read are not part of the key.
    ///
    /// # Errors
    /// Returns the reason if there is no result.
    pub(super) fn run_cached_batch(
        &mut self,
        scenario: Scenario,
        subjects: &[&str],
    ) -> Result<Attempt, NotRunReason> {
        let names = subjects.join(",");
        let key = AttemptKey { in_company: true, ..self.key_of_attempt(scenario, &[], &names) };
        self.run_unless_cached(&key, subjects)
    }

    /// Returns the cached attempt of a key, or runs its trial with these subjects and caches the attempt.
    fn run_unless_cached(
        &mut self,
        key: &AttemptKey<'_>,
        subjects: &[&str],
    ) -> Result<Attempt, NotRunReason> {
        if let Some(attempt) = self.find_attempt(key) {
            return Ok(attempt);
        }
        let attempt = self.run_with_retry(key.place, key.after, subjects, key.skipped)?;
        self.store_attempt(key, &attempt);
        Ok(attempt)
    }

    /// Returns an earlier audit's batch result of a subject: an attempt, or `Some(None)` if it must be tried
    /// alone. `None` if it is not cached.
    pub(super) fn find_batch_result(&mut self, scenario: Scenario, subject: &str) -> Option<Option<Attempt>> {
        let key = AttemptKey { in_company: true, ..self.key_of_attempt(scenario, &[], subject) };
        self.find_cached_value(&key).map(|(attempt, _)| attempt)
    }

    /// Caches the batch result of a subject.
    pub(super) fn store_batch_result<'t>(
        &self,
        scenario: Scenario,
        subject: &str,
        touched: impl IntoIterator<Item = &'t String>,
        found: &Option<Attempt>,
    ) {
        self.store_value(
            &AttemptKey { in_company: true, ..self.key_of_attempt(scenario, &[], subject) },
            touched,
            found,
        );
    }

    /// Runs a trial without the cache, and repeats it once if a process was killed or no worker started.
    fn run_with_retry(
        &mut self,
        scenario: Scenario,
        after: &[&str],
        subjects: &[&str],
        skipped: &[&str],
    ) -> Result<Attempt, NotRunReason> {
        let killed = |how: &str| NotRunReason::Because(ReasonId::Killed, how.to_owned());
        let mut why = killed("the process of its trial was killed");
        for _ in 0..2 {
            let worker = match self.live_worker() {
                Ok(worker) => worker,
                Err(error) => {
                    why = error;
                    continue;
                }
            };
            match worker.run_trial(scenario, after, subjects, skipped) {
                Ok(attempt) if attempt.was_killed() => {
                    why = killed(
                        "killed by SIGKILL twice: by itself, another process or the system (out of memory)",
                    );
                }
                Ok(attempt) => return Ok(attempt),
                Err(WorkerLost) => {
                    self.worker = None;
                    why = killed("the zygote that ran its trial was killed twice");
                }
            }
        }
        if self.worker.is_none() && matches!(why, NotRunReason::Because(ReasonId::NoTrials, _)) {
            self.start_error = Some(why.clone());
        }
        Err(why)
    }

    /// Imports a package in the control and enters it.
    ///
    /// Returns `None` if there is no result: no worker could be started, it was lost, or the child was killed.
    pub(super) fn enter_package(&mut self, package: &str) -> Option<EnterResult> {
        let key = AttemptKey { enters: true, ..self.key_of_attempt(Scenario::Main, &[], package) };
        if let Some(attempt) = self.find_attempt(&key) {
            if attempt.end.is_some() {
                return Some(EnterResult::Outside(attempt));
            }
            self.inside.push(package.to_owned());
            return Some(EnterResult::Inside(attempt));
        }
        let entered = self.enter_in_worker(package)?;
        let (EnterResult::Inside(attempt) | EnterResult::Outside(attempt)) = &entered;
        self.store_attempt(&key, attempt);
        if let EnterResult::Inside(_) = entered {
            self.inside.push(package.to_owned());
            self.entered += 1;
        }
        Some(entered)
    }

    /// Has the worker enter a package, after the packages around it.
    fn enter_in_worker(&mut self, package: &str) -> Option<EnterResult> {
        if !self.restore_entered_packages() {
            return None;
        }
        match self.live_worker().ok()?.enter_package(package) {
            Ok(EnterResult::Outside(attempt)) if attempt.was_killed() => None,
            Ok(entered) => Some(entered),
            Err(WorkerLost) => {
                self.worker = None;
                None
            }
        }
    }

    /// Has the worker enter the packages that only the cache has answered so far.
    ///
    /// Returns whether the worker is now inside all entered packages.
    fn restore_entered_packages(&mut self) -> bool {
        while self.is_worker_up_to_date() && self.entered < self.inside.len() {
            let name = self.inside[self.entered].clone();
            // Count it before the result is known: on failure the worker is dropped, and the depths differ.
            self.entered += 1;
            let entered = self.live_worker().ok().map(|worker| worker.enter_package(&name));
            if !matches!(entered, Some(Ok(EnterResult::Inside(_)))) {
                self.worker = None;
            }
        }
        self.is_worker_up_to_date()
    }

    /// Whether the worker has entered all packages counted in `entered`. A replacement of a lost worker has
    /// not.
    fn is_worker_up_to_date(&self) -> bool {
        self.worker.as_ref().map_or(0, Worker::depth) == self.entered
    }

    /// Runs a trial on top of the entered packages.
    ///
    /// Returns `None` if the worker was lost, or the child was killed.
    pub(super) fn run_trial_inside(&mut self, subject: &str) -> Option<Attempt> {
        let key = self.key_of_attempt(Scenario::Main, &[], subject);
        if let Some(attempt) = self.find_attempt(&key) {
            return Some(attempt);
        }
        if !self.restore_entered_packages() {
            return None;
        }
        match self.worker.as_mut()?.run_trial(Scenario::Main, &[], &[subject], &[]) {
            Ok(attempt) if !attempt.was_killed() => {
                self.store_attempt(&key, &attempt);
                Some(attempt)
            }
            Ok(_) | Err(WorkerLost) => {
                self.worker = None;
                None
            }
        }
    }

    /// Leaves the innermost entered package.
    pub(super) fn leave_package(&mut self) {
        self.inside.pop();
        self.entered = self.entered.min(self.inside.len());
        let is_deeper = |worker: &&mut Worker<'a>| worker.depth() > self.entered;
        if self.worker.as_mut().filter(is_deeper).is_some_and(|worker| worker.leave_package().is_err()) {
            self.worker = None;
        }
    }

    /// The cache key of a trial on top of the entered packages.
    fn key_of_attempt<'q>(&self, scenario: Scenario, after: &'q [&'q str], subject: &'q str) -> AttemptKey<'q>
    where
        'a: 'q,
    {
        AttemptKey {
            inside: self.inside.clone(),
            enters: false,
            place: scenario,
            after,
            subject,
            in_company: false,
            options: self.config.options,
            variables: self.config.variables,
            skipped: &[],
            given: self.config.given.digest(),
            storm: self.config.limits.storm,
        }
    }

    fn find_attempt(&mut self, key: &AttemptKey<'_>) -> Option<Attempt> {
        let (attempt, touched): (Attempt, _) = self.find_cached_value(key)?;
        Some(Attempt { touched: touched.into_iter().map(|path| (0, path)).collect(), ..attempt })
    }

    /// Caches an attempt, unless its result may depend on the state of the machine.
    fn store_attempt(&self, key: &AttemptKey<'_>, attempt: &Attempt) {
        let is_its_own = match attempt.end {
            None | Some(ProcessExit::Exit(_)) => true,
            Some(ProcessExit::Signal(signal)) => signal != 9,
            Some(ProcessExit::Deadline | ProcessExit::Overfull | ProcessExit::TooMuchMemory) => false,
        };
        let is_broken = attempt.events.iter().any(|event| matches!(event, TrialEvent::Broken(_)));
        if is_its_own && !is_broken {
            self.store_value(key, attempt.touched.iter().map(|(_, path)| path), attempt);
        }
    }

    fn find_cached_value<T: DeserializeOwned>(&mut self, key: &AttemptKey<'_>) -> Option<(T, Vec<String>)> {
        let ((answer, shared_memory), touched): ((T, bool), _) = self.config.cache?.find_answer(key)?;
        self.has_shared_memory &= shared_memory;
        Some((answer, touched))
    }

    fn store_value<'t>(
        &self,
        key: &AttemptKey<'_>,
        touched: impl IntoIterator<Item = &'t String>,
        answer: &impl Serialize,
    ) {
        let Some(cache) = self.config.cache.filter(|_| !self.config.stop.is_set()) else { return };
        let shared_memory = self.worker.as_ref().is_some_and(Worker::has_shared_memory);
        cache.store_answer(key, touched, &(answer, shared_memory));
    }

    /// Whether trials run in the sandbox.
    pub(super) fn is_sandboxed(&self) -> bool {
        self.config.limits.sandbox
    }

    /// Whether this Python survives a stress test that imports only `sys`.
    ///
    /// If it does not, a failed stress test says nothing about the subject.
    pub(super) fn survives_empty_stress_test(&mut self) -> bool {
        if self.survives.is_none() {
            let is_done = |attempt: Attempt| attempt.events.last() == Some(&TrialEvent::Done);
            let attempts = (0..3).map(|_| self.run_trial(Scenario::OwnGilStorm, &[], "sys"));
            self.survives = Some(attempts.into_iter().all(|attempt| attempt.is_ok_and(is_done)));
        }
        self.survives == Some(true)
    }

    /// Whether every trial so far had shared memory.
    pub(super) fn has_shared_memory(&self) -> bool {
        self.has_shared_memory
    }

    /// The running worker; starts one if there is none.
    fn live_worker(&mut self) -> Result<&mut Worker<'a>, NotRunReason> {
        if self.config.stop.is_set() {
            return Err(NotRunReason::Because(ReasonId::Interrupted, "the audit was interrupted".to_owned()));
        }
        if let Some(why) = &self.start_error {
            return Err(why.clone());
        }
        if !self.worker.as_mut().is_some_and(Worker::is_alive) {
            self.worker = None;
            let started =
                Worker::start(self.config).map_err(|error| not_run_without_worker(&format!(": {error}")))?;
            self.has_shared_memory &= started.has_shared_memory();
            self.worker = Some(started);
        }
        self.worker.as_mut().ok_or_else(|| not_run_without_worker(""))
    }
}

/// Reason for subjects whose Python cannot run trials.
fn not_run_without_worker(why: &str) -> NotRunReason {
    NotRunReason::Because(ReasonId::NoTrials, format!("this Python cannot run trials{why}"))
}
