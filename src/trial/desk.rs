//! Where one thread orders its trials: keeps a worker, and gets another when that one is lost. What an earlier audit
//! has answered, and still holds, is not ordered again.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protocol::{End, Event, Interpreters};
use super::worker::{Attempt, Entered, Lost, Setup, Storm, Worker};
use crate::model::{NotRun, ReasonId};

/// A worker that is replaced when it is lost.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    setup: &'a Setup<'a>,
    worker: Option<Worker<'a>>,
    /// Why no worker starts, once one has failed to twice in a row.
    hopeless: Option<NotRun>,
    /// Whether every worker so far had shared memory for its trials.
    has_shared_memory: bool,
    /// Whether interpreters survive a storm in which nothing happens; `None` where that was not tried.
    survives: Option<bool>,
    /// The packages entered, outermost first.
    inside: Vec<String>,
    /// How many of them a worker has entered: of the others an earlier audit has answered so far.
    entered: usize,
}

/// What an answer is to, besides what it reads from disk.
#[derive(Serialize)]
struct Question<'q> {
    inside: Vec<String>,
    enters: bool,
    place: Interpreters,
    after: &'q [&'q str],
    subject: &'q str,
    /// Whether in the company of others, or by itself.
    in_company: bool,
    options: &'q [&'q str],
    variables: &'q [(&'q str, &'q str)],
    /// The digest of what the user gives; its values are not written down.
    #[serde(skip_serializing_if = "str::is_empty")]
    given: &'q str,
    storm: Storm,
}

impl<'a> Desk<'a> {
    pub(super) fn new(setup: &'a Setup<'a>) -> Self {
        Self {
            setup,
            worker: None,
            hopeless: None,
            has_shared_memory: true,
            survives: None,
            inside: Vec::new(),
            entered: 0,
        }
    }

    /// Runs a trial, or has an earlier audit's answer. What is killed from outside, child or zygote, gets a second chance.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) fn attempt(
        &mut self,
        place: Interpreters,
        after: &[&str],
        subject: &str,
    ) -> Result<Attempt, NotRun> {
        let question = self.question(place, after, subject);
        if let Some(attempt) = self.known(&question) {
            return Ok(attempt);
        }
        let attempt = self.run(place, after, &[subject])?;
        self.remember(&question, &attempt);
        Ok(attempt)
    }

    /// Has several subjects tried in one child.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) fn attempt_in_company(
        &mut self,
        place: Interpreters,
        subjects: &[&str],
    ) -> Result<Attempt, NotRun> {
        self.run(place, &[], subjects)
    }

    /// The same, or has an earlier audit's answer. Only for what lies with the Python itself: nothing else that they read is
    /// known.
    ///
    /// # Errors
    /// In words, why there is no answer.
    pub(super) fn attempt_together(
        &mut self,
        place: Interpreters,
        subjects: &[&str],
    ) -> Result<Attempt, NotRun> {
        let names = subjects.join(",");
        let question = Question { in_company: true, ..self.question(place, &[], &names) };
        if let Some(attempt) = self.known(&question) {
            return Ok(attempt);
        }
        let attempt = self.run(place, &[], subjects)?;
        self.remember(&question, &attempt);
        Ok(attempt)
    }

    /// What an earlier audit found of a subject in the company of others: an attempt, or that it has to be tried by
    /// itself.
    pub(super) fn known_in_company(&mut self, place: Interpreters, subject: &str) -> Option<Option<Attempt>> {
        let question = Question { in_company: true, ..self.question(place, &[], subject) };
        self.find(&question).map(|(attempt, _)| attempt)
    }

    /// Keeps that for later audits.
    pub(super) fn remember_in_company<'t>(
        &self,
        place: Interpreters,
        subject: &str,
        touched: impl IntoIterator<Item = &'t String>,
        found: &Option<Attempt>,
    ) {
        self.keep(&Question { in_company: true, ..self.question(place, &[], subject) }, touched, found);
    }

    fn run(&mut self, place: Interpreters, after: &[&str], subjects: &[&str]) -> Result<Attempt, NotRun> {
        let killed = |how: &str| NotRun::Because(ReasonId::Killed, how.to_owned());
        let mut why = killed("its trial was killed");
        for _ in 0..2 {
            let worker = match self.worker() {
                Ok(worker) => worker,
                Err(error) => {
                    why = error;
                    continue;
                }
            };
            match worker.attempt(place, after, subjects) {
                Ok(attempt) if attempt.evidence.end == Some(End::Signal(9)) => {
                    why = killed(
                        "killed by SIGKILL twice: by itself, by somebody else, or because memory ran out",
                    );
                }
                Ok(attempt) => return Ok(attempt),
                Err(Lost) => {
                    self.worker = None;
                    why = killed("the process that ran its trial was killed, twice");
                }
            }
        }
        if self.worker.is_none() && matches!(why, NotRun::Because(ReasonId::NoTrials, _)) {
            self.hopeless = Some(why.clone());
        }
        Err(why)
    }

    /// Imports a package in the control and stays there; `None` when that could not be found out this way.
    pub(super) fn enter(&mut self, package: &str) -> Option<Entered> {
        let question = Question { enters: true, ..self.question(Interpreters::Main, &[], package) };
        if let Some(attempt) = self.known(&question) {
            if attempt.evidence.end.is_some() {
                return Some(Entered::Outside(attempt));
            }
            self.inside.push(package.to_owned());
            return Some(Entered::Inside(attempt));
        }
        let entered = self.go_in(package)?;
        let (Entered::Inside(attempt) | Entered::Outside(attempt)) = &entered;
        self.remember(&question, attempt);
        if let Entered::Inside(_) = entered {
            self.inside.push(package.to_owned());
            self.entered += 1;
        }
        Some(entered)
    }

    /// Enters a package for good, after those around it.
    fn go_in(&mut self, package: &str) -> Option<Entered> {
        if !self.stands_inside() {
            return None;
        }
        match self.worker().ok()?.enter(package) {
            Ok(Entered::Outside(attempt)) if attempt.evidence.end == Some(End::Signal(9)) => None,
            Ok(entered) => Some(entered),
            Err(Lost) => {
                self.worker = None;
                None
            }
        }
    }

    /// Has the worker enter what only an earlier audit has entered so far. Whether it is inside all of them.
    fn stands_inside(&mut self) -> bool {
        while self.has_its_place() && self.entered < self.inside.len() {
            let name = self.inside[self.entered].clone();
            // From here on either inside or lost.
            self.entered += 1;
            let entered = self.worker().ok().map(|worker| worker.enter(&name));
            if !matches!(entered, Some(Ok(Entered::Inside(_)))) {
                self.worker = None;
            }
        }
        self.has_its_place()
    }

    /// Whether the worker is inside all that a worker has entered: one that took a lost one's place is not.
    fn has_its_place(&self) -> bool {
        self.worker.as_ref().map_or(0, Worker::depth) == self.entered
    }

    /// A trial on top of the packages entered; `None` when they were lost with it.
    pub(super) fn attempt_inside(&mut self, subject: &str) -> Option<Attempt> {
        let question = self.question(Interpreters::Main, &[], subject);
        if let Some(attempt) = self.known(&question) {
            return Some(attempt);
        }
        if !self.stands_inside() {
            return None;
        }
        match self.worker.as_mut()?.attempt(Interpreters::Main, &[], &[subject]) {
            Ok(attempt) if attempt.evidence.end != Some(End::Signal(9)) => {
                self.remember(&question, &attempt);
                Some(attempt)
            }
            Ok(_) | Err(Lost) => {
                self.worker = None;
                None
            }
        }
    }

    /// Leaves the innermost package entered.
    pub(super) fn leave(&mut self) {
        self.inside.pop();
        self.entered = self.entered.min(self.inside.len());
        let is_deeper = |worker: &&mut Worker<'a>| worker.depth() > self.entered;
        if self.worker.as_mut().filter(is_deeper).is_some_and(|worker| worker.leave().is_err()) {
            self.worker = None;
        }
    }

    fn question<'q>(&self, place: Interpreters, after: &'q [&'q str], subject: &'q str) -> Question<'q>
    where
        'a: 'q,
    {
        Question {
            inside: self.inside.clone(),
            enters: false,
            place,
            after,
            subject,
            in_company: false,
            options: self.setup.options,
            variables: self.setup.variables,
            given: self.setup.given.digest(),
            storm: self.setup.limits.storm,
        }
    }

    fn known(&mut self, question: &Question<'_>) -> Option<Attempt> {
        let (attempt, touched): (Attempt, _) = self.find(question)?;
        Some(Attempt { touched: touched.into_iter().map(|path| (0, path)).collect(), ..attempt })
    }

    /// Keeps an answer for later audits: one that came of the subject, not of the machine's state.
    fn remember(&self, question: &Question<'_>, attempt: &Attempt) {
        let is_its_own = match attempt.evidence.end {
            None | Some(End::Exit(_)) => true,
            Some(End::Signal(signal)) => signal != 9,
            Some(End::Deadline | End::Overfull) => false,
        };
        let is_broken = attempt.evidence.events.iter().any(|event| matches!(event, Event::Broken(_)));
        if is_its_own && !is_broken {
            self.keep(question, attempt.touched.iter().map(|(_, path)| path), attempt);
        }
    }

    fn find<T: DeserializeOwned>(&mut self, question: &Question<'_>) -> Option<(T, Vec<String>)> {
        let ((answer, shared_memory), touched): ((T, bool), _) = self.setup.cache?.find(question)?;
        self.has_shared_memory &= shared_memory;
        Some((answer, touched))
    }

    fn keep<'t>(
        &self,
        question: &Question<'_>,
        touched: impl IntoIterator<Item = &'t String>,
        answer: &impl Serialize,
    ) {
        let Some(cache) = self.setup.cache.filter(|_| !self.setup.stop.is_set()) else { return };
        let shared_memory = self.worker.as_ref().is_some_and(Worker::has_shared_memory);
        cache.keep(question, touched, &(answer, shared_memory));
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

    fn worker(&mut self) -> Result<&mut Worker<'a>, NotRun> {
        if self.setup.stop.is_set() {
            return Err(NotRun::Because(ReasonId::Interrupted, "the audit was interrupted".to_owned()));
        }
        if let Some(why) = &self.hopeless {
            return Err(why.clone());
        }
        if !self.worker.as_mut().is_some_and(Worker::is_alive) {
            self.worker = None;
            let started = Worker::start(self.setup).map_err(|error| no_worker(&format!(": {error}")))?;
            self.has_shared_memory &= started.has_shared_memory();
            self.worker = Some(started);
        }
        self.worker.as_mut().ok_or_else(|| no_worker(""))
    }
}

/// The environment's python cannot run trials at all.
fn no_worker(why: &str) -> NotRun {
    NotRun::Because(ReasonId::NoTrials, format!("this Python runs no trials{why}"))
}
