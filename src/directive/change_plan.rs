//! Plans which interpreter each application of a configuration should have, by its verdicts. Pure functions.

use std::collections::{BTreeMap, BTreeSet};

use super::apache_configuration::{MAIN_INTERPRETER_GROUP, own_gil_group, unused_name, unused_process_name};
use super::application_mounts::{group_name, passes_in_mode};
use crate::model::{Mode, ScriptMount};
use crate::report::Document;
use crate::report::v1::Application;

/// A mount and the audited application behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuditedMount<'a> {
    pub(super) mount: &'a ScriptMount,
    /// `None` if it was not audited, or in another environment.
    pub(super) application: Option<&'a Application>,
}

/// What to do with a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChangeStep {
    /// Leave it as it is.
    Keep,
    /// Turn the per-interpreter GIL of its interpreter on or off.
    Switch {
        /// Whether it is to have its own GIL.
        own_gil: bool,
    },
    /// Serve it in another interpreter.
    Move(TargetInterpreter),
}

/// An interpreter to move an application to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetInterpreter {
    /// The daemon process group.
    pub(super) process: String,
    /// The application group; empty for the main interpreter.
    pub(super) application: String,
    /// Whether the process group has to be defined.
    pub(super) is_new_process: bool,
}

/// Returns a step for each mount. `daemons` are the names of the existing process groups.
pub(super) fn plan_steps(
    report: &Document,
    served: &[AuditedMount<'_>],
    daemons: &BTreeSet<String>,
) -> Vec<ChangeStep> {
    let mut plan =
        ChangePlan { report, served, taken: daemons.clone(), moved: BTreeMap::new(), own: BTreeMap::new() };
    served.iter().map(|each| plan.plan_step(each)).collect()
}

struct ChangePlan<'a> {
    report: &'a Document,
    served: &'a [AuditedMount<'a>],
    /// Names of process groups in use.
    taken: BTreeSet<String>,
    /// New interpreters, by application name, process group and application group before.
    moved: BTreeMap<(String, String, String), TargetInterpreter>,
    /// The process group for own GILs, by the present process group.
    own: BTreeMap<String, String>,
}

impl ChangePlan<'_> {
    fn plan_step(&mut self, each: &AuditedMount<'_>) -> ChangeStep {
        let Some(application) = each.application.filter(|_| each.mount.status.is_none()) else {
            return ChangeStep::Keep;
        };
        match (passes_in_mode(self.report, application, Mode::OwnGil), each.mount.mode) {
            (true, Mode::Main | Mode::SharedGil) => match self.has_exclusive_interpreter(each) {
                true => ChangeStep::Switch { own_gil: true },
                false => ChangeStep::Move(self.assign_own_gil(each.mount, application)),
            },
            (false, Mode::OwnGil) => {
                let is_shared_with_fit =
                    self.served_by_same_interpreter(each.mount).any(|other| self.can_have_own_gil(other));
                match passes_in_mode(self.report, application, Mode::SharedGil) && !is_shared_with_fit {
                    true => ChangeStep::Switch { own_gil: false },
                    false => ChangeStep::Move(self.assign_main_interpreter(each.mount, application)),
                }
            }
            (true, Mode::OwnGil)
            | (false, Mode::Main | Mode::SharedGil)
            // A configuration alone never asks for private copies: the script's line for `wsgiaudit_guard` does.
            | (_, Mode::OwnGilCopies | Mode::FreeThreaded | Mode::FreeThreadedGroup) => ChangeStep::Keep,
        }
    }

    fn can_have_own_gil(&self, each: &AuditedMount<'_>) -> bool {
        each.application.is_some_and(|application| passes_in_mode(self.report, application, Mode::OwnGil))
    }

    fn served_by_same_interpreter<'b>(
        &'b self,
        mount: &'b ScriptMount,
    ) -> impl Iterator<Item = &'b AuditedMount<'b>> {
        self.served.iter().filter(|other| {
            other.mount.process_group == mount.process_group
                && other.mount.application_group == mount.application_group
        })
    }

    /// Whether the mount's interpreter can be switched: a sub-interpreter with a fixed name, in a daemon
    /// process without mounts in the main interpreter, that serves only applications that can have their own
    /// GIL.
    fn has_exclusive_interpreter(&self, each: &AuditedMount<'_>) -> bool {
        let mount = each.mount;
        has_fixed_interpreter(mount)
            && !mount.process_group.is_empty()
            && self.served_by_same_interpreter(mount).all(|other| self.can_have_own_gil(other))
            && !self.uses_main_interpreter(&mount.process_group)
    }

    /// Whether a mount uses the main interpreter of a process, which other groups must not share.
    fn uses_main_interpreter(&self, process: &str) -> bool {
        self.served
            .iter()
            .any(|other| other.mount.process_group == process && other.mount.application_group.is_empty())
    }

    fn assign_own_gil(&mut self, mount: &ScriptMount, application: &Application) -> TargetInterpreter {
        let before = &mount.process_group;
        let key = (application.name.clone(), before.clone(), mount.application_group.clone());
        if let Some(known) = self.moved.get(&key) {
            return known.clone();
        }
        let keeps_process =
            !before.is_empty() && !before.contains("%{") && self.leaves_main_interpreter_empty(mount);
        let process = match (keeps_process, self.own.get(before)) {
            (true, _) => before.clone(),
            (false, Some(process)) => process.clone(),
            (false, None) => {
                let process = self.add_process(own_gil_group(Mode::OwnGil), application);
                self.own.insert(before.clone(), process.clone());
                process
            }
        };
        let there = self.served.iter().filter(|other| other.mount.process_group == process);
        let there = there.map(|other| other.mount.application_group.as_str());
        let moved = self.moved.values().filter(|to| to.process == process).map(|to| to.application.as_str());
        let taken: Vec<&str> = there.chain(moved).collect();
        let application = unused_name(&group_name(application), &taken);
        let to = TargetInterpreter { is_new_process: !keeps_process, process, application };
        self.moved.insert(key, to.clone());
        to
    }

    /// Whether the main interpreter of the process serves nothing else, so that it is unused after the move.
    fn leaves_main_interpreter_empty(&self, mount: &ScriptMount) -> bool {
        let in_process = self.served.iter().filter(|other| other.mount.process_group == mount.process_group);
        let mut in_main = in_process.filter(|other| other.mount.application_group.is_empty());
        in_main.all(|other| {
            mount.application_group.is_empty()
                && other.mount.script == mount.script
                && other.mount.callable == mount.callable
        })
    }

    fn assign_main_interpreter(
        &mut self,
        mount: &ScriptMount,
        application: &Application,
    ) -> TargetInterpreter {
        let key = (application.name.clone(), mount.process_group.clone(), mount.application_group.clone());
        if let Some(known) = self.moved.get(&key) {
            return known.clone();
        }
        let process = self.add_process(MAIN_INTERPRETER_GROUP, application);
        let to = TargetInterpreter { process, application: String::new(), is_new_process: true };
        self.moved.insert(key, to.clone());
        to
    }

    fn add_process(&mut self, name: &str, application: &Application) -> String {
        let taken: Vec<&str> = self.taken.iter().map(String::as_str).collect();
        let process = unused_process_name(name, application, &taken);
        self.taken.insert(process.clone());
        process
    }
}

/// Whether the mount uses a sub-interpreter whose name does not depend on the request.
fn has_fixed_interpreter(mount: &ScriptMount) -> bool {
    let is_fixed = |name: &str| !name.contains("%{");
    !mount.application_group.is_empty()
        && mount.other_groups.is_empty()
        && is_fixed(&mount.application_group)
        && is_fixed(&mount.process_group)
}
