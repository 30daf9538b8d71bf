//! Which interpreter each application of a configuration should have, by its verdicts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::applications::{group, is_fit, passes};
use super::blocks::{MAIN, OWN_GIL, new_process_name, unused};
use crate::model::{Landing, Mode};
use crate::report::Document;
use crate::report::v1::Application;

/// Requests below a URL, with the application that answers them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served<'a> {
    pub(super) landing: &'a Landing,
    /// `None` where it was not audited, or by another environment.
    pub(super) application: Option<&'a Application>,
}

/// What becomes of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Keep,
    /// Its interpreter is told whether it has an own GIL.
    Switch {
        /// Whether it has.
        own_gil: bool,
    },
    /// It is served in another interpreter.
    Move(Interpreter),
}

/// An interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// The daemon process group.
    pub(super) process: String,
    /// The application group; empty for the main interpreter.
    pub(super) application: String,
    /// Whether the process group is new.
    pub(super) is_new_process: bool,
}

/// The steps, one for each that is served. `daemons`: the names of the process groups that there are.
pub(super) fn steps(report: &Document, served: &[Served<'_>], daemons: &BTreeSet<String>) -> Vec<Step> {
    let mut plan =
        Plan { report, served, taken: daemons.clone(), moved: BTreeMap::new(), own: BTreeMap::new() };
    served.iter().map(|each| plan.step(each)).collect()
}

struct Plan<'a> {
    report: &'a Document,
    served: &'a [Served<'a>],
    /// Names of process groups.
    taken: BTreeSet<String>,
    /// Where an application was moved to, by its name and its interpreter before.
    moved: BTreeMap<(String, String, String), Interpreter>,
    /// The process group for own GILs, by the process group before.
    own: BTreeMap<String, String>,
}

impl Plan<'_> {
    fn step(&mut self, each: &Served<'_>) -> Step {
        let Some(application) = each.application.filter(|_| each.landing.status.is_none()) else {
            return Step::Keep;
        };
        match (is_fit(self.report, application), each.landing.mode) {
            (true, Mode::Main | Mode::SharedGil) => match self.has_interpreter_for_itself(each) {
                true => Step::Switch { own_gil: true },
                false => Step::Move(self.own_gil(each.landing, application)),
            },
            (false, Mode::OwnGil) => {
                let is_shared_with_fit = self.same_interpreter(each.landing).any(|other| self.is_fit(other));
                match passes(self.report, application, Mode::SharedGil) && !is_shared_with_fit {
                    true => Step::Switch { own_gil: false },
                    false => Step::Move(self.main(each.landing, application)),
                }
            }
            (true, Mode::OwnGil)
            | (false, Mode::Main | Mode::SharedGil)
            | (_, Mode::FreeThreaded | Mode::FreeThreadedGroup) => Step::Keep,
        }
    }

    fn is_fit(&self, each: &Served<'_>) -> bool {
        each.application.is_some_and(|application| is_fit(self.report, application))
    }

    fn same_interpreter<'b>(&'b self, landing: &'b Landing) -> impl Iterator<Item = &'b Served<'b>> {
        self.served.iter().filter(|other| {
            other.landing.process_group == landing.process_group
                && other.landing.application_group == landing.application_group
        })
    }

    /// Whether its interpreter is a sub-interpreter of a daemon process, whose name no client chooses, where nothing is served that
    /// is not fit.
    fn has_interpreter_for_itself(&self, each: &Served<'_>) -> bool {
        let landing = each.landing;
        has_fixed_group(landing)
            && !landing.process_group.is_empty()
            && self.same_interpreter(landing).all(|other| self.is_fit(other))
            && !self.has_main(&landing.process_group)
    }

    /// Whether something is served by the main interpreter of a process: beside it, other groups do harm.
    fn has_main(&self, process: &str) -> bool {
        self.served
            .iter()
            .any(|other| other.landing.process_group == process && other.landing.application_group.is_empty())
    }

    fn own_gil(&mut self, landing: &Landing, application: &Application) -> Interpreter {
        let before = &landing.process_group;
        let key = (application.name.clone(), before.clone(), landing.application_group.clone());
        if let Some(known) = self.moved.get(&key) {
            return known.clone();
        }
        let keeps_process = !before.is_empty() && !before.contains("%{") && self.only_main_is_its(landing);
        let process = match (keeps_process, self.own.get(before)) {
            (true, _) => before.clone(),
            (false, Some(process)) => process.clone(),
            (false, None) => {
                let process = self.new_process(OWN_GIL, application);
                self.own.insert(before.clone(), process.clone());
                process
            }
        };
        let there = self.served.iter().filter(|other| other.landing.process_group == process);
        let there = there.map(|other| other.landing.application_group.as_str());
        let moved = self.moved.values().filter(|to| to.process == process).map(|to| to.application.as_str());
        let taken: Vec<&str> = there.chain(moved).collect();
        let application = unused(&group(application), &taken);
        let to = Interpreter { is_new_process: !keeps_process, process, application };
        self.moved.insert(key, to.clone());
        to
    }

    /// Whether the main interpreter of its process serves it alone, so that nothing is left there.
    fn only_main_is_its(&self, landing: &Landing) -> bool {
        let in_process =
            self.served.iter().filter(|other| other.landing.process_group == landing.process_group);
        let mut in_main = in_process.filter(|other| other.landing.application_group.is_empty());
        in_main.all(|other| {
            landing.application_group.is_empty()
                && other.landing.script == landing.script
                && other.landing.callable == landing.callable
        })
    }

    fn main(&mut self, landing: &Landing, application: &Application) -> Interpreter {
        let key =
            (application.name.clone(), landing.process_group.clone(), landing.application_group.clone());
        if let Some(known) = self.moved.get(&key) {
            return known.clone();
        }
        let process = self.new_process(MAIN, application);
        let to = Interpreter { process, application: String::new(), is_new_process: true };
        self.moved.insert(key, to.clone());
        to
    }

    fn new_process(&mut self, name: &str, application: &Application) -> String {
        let taken: Vec<&str> = self.taken.iter().map(String::as_str).collect();
        let process = new_process_name(name, application, &taken);
        self.taken.insert(process.clone());
        process
    }
}

/// Whether it is a sub-interpreter, and always the same.
fn has_fixed_group(landing: &Landing) -> bool {
    let is_fixed = |name: &str| !name.contains("%{");
    !landing.application_group.is_empty()
        && landing.other_groups.is_empty()
        && is_fixed(&landing.application_group)
        && is_fixed(&landing.process_group)
}
