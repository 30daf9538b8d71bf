//! Where one thread orders its trials: keeps a worker, and gets another when that one is lost.

use super::protocol::{End, Event, Interpreters};
use super::worker::{Attempt, Entered, Lost, Setup, Worker};

/// A worker that is replaced when it is lost.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    setup: &'a Setup<'a>,
    worker: Option<Worker<'a>>,
    /// Why no worker starts, once one has failed to twice in a row.
    hopeless: Option<String>,
    /// Whether every worker so far had shared memory for its trials.
    has_shared_memory: bool,
    /// Whether interpreters survive a storm in which nothing happens; `None` where that was not tried.
    survives: Option<bool>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(setup: &'a Setup<'a>) -> Self {
        Self { setup, worker: None, hopeless: None, has_shared_memory: true, survives: None }
    }

    /// Runs a trial. What is killed from outside, child or zygote, gets a second chance.
    ///
    /// # Errors
    /// In words, why there is no answer.
    pub(super) fn attempt(
        &mut self,
        place: Interpreters,
        after: &[&str],
        subject: &str,
    ) -> Result<Attempt, String> {
        let mut why = String::new();
        for _ in 0..2 {
            let worker = match self.worker() {
                Ok(worker) => worker,
                Err(error) => {
                    why = error;
                    continue;
                }
            };
            match worker.attempt(place, after, subject) {
                Ok(attempt) if attempt.evidence.end == Some(End::Signal(9)) => {
                    "killed by SIGKILL twice: by itself, by somebody else, or because memory ran out"
                        .clone_into(&mut why);
                }
                Ok(attempt) => return Ok(attempt),
                Err(Lost) => {
                    self.worker = None;
                    "the process that ran its trial was killed, twice".clone_into(&mut why);
                }
            }
        }
        if self.worker.is_none() && why.starts_with(NO_WORKER) {
            self.hopeless = Some(why.clone());
        }
        Err(why)
    }

    /// Imports a package in the control and stays there; `None` when that could not be found out this way.
    pub(super) fn enter(&mut self, package: &str) -> Option<Entered> {
        let entered = self.worker().ok()?.enter(package);
        match entered {
            Ok(Entered::Outside(attempt)) if attempt.evidence.end == Some(End::Signal(9)) => None,
            Ok(entered) => Some(entered),
            Err(Lost) => {
                self.worker = None;
                None
            }
        }
    }

    /// A trial on top of the packages entered; `None` when they were lost with it.
    pub(super) fn attempt_inside(&mut self, subject: &str) -> Option<Attempt> {
        match self.worker.as_mut()?.attempt(Interpreters::Main, &[], subject) {
            Ok(attempt) if attempt.evidence.end != Some(End::Signal(9)) => Some(attempt),
            Ok(_) | Err(Lost) => {
                self.worker = None;
                None
            }
        }
    }

    /// Leaves the innermost package entered.
    pub(super) fn leave(&mut self) {
        if self.worker.as_mut().is_some_and(|worker| worker.leave().is_err()) {
            self.worker = None;
        }
    }

    /// Whether trials run in the sandbox.
    pub(super) fn is_confined(&self) -> bool {
        self.setup.limits.sandbox
    }

    /// Whether interpreters that begin and end at the same time, and do next to nothing, survive here: else what a
    /// storm shows is CPython's own doing.
    pub(super) fn survives_a_storm_of_nothing(&mut self) -> bool {
        if self.survives.is_none() {
            let is_done = |attempt: Attempt| attempt.evidence.events.last() == Some(&Event::Done);
            let attempts = (0..3).map(|_| self.attempt(Interpreters::OwnGilStorm, &[], "sys"));
            self.survives = Some(attempts.into_iter().all(|attempt| attempt.is_ok_and(is_done)));
        }
        self.survives == Some(true)
    }

    /// Whether every trial so far had shared memory.
    pub(super) fn has_shared_memory(&self) -> bool {
        self.has_shared_memory
    }

    fn worker(&mut self) -> Result<&mut Worker<'a>, String> {
        if self.setup.stop.is_set() {
            return Err("interrupted".to_owned());
        }
        if let Some(why) = &self.hopeless {
            return Err(why.clone());
        }
        if !self.worker.as_mut().is_some_and(Worker::is_alive) {
            self.worker = None;
            let started = Worker::start(self.setup).map_err(|error| format!("{NO_WORKER}: {error}"))?;
            self.has_shared_memory &= started.has_shared_memory();
            self.worker = Some(started);
        }
        self.worker.as_mut().ok_or_else(|| NO_WORKER.to_owned())
    }
}

/// How the reason begins where the environment's python cannot run trials at all.
const NO_WORKER: &str = "its python runs no trials";
