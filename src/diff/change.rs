//! What a comparison says.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Mode, Verdict};
use crate::report::v1::{Document, Python, Tool};
use crate::report::{DecidedBy, normalised};

/// What `wsgiaudit diff --format json` writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The schema's number: 1.
    pub schema: u8,
    /// What wrote it.
    pub tool: Tool,
    /// The interpreter of the earlier report.
    pub old: Option<Python>,
    /// The interpreter of the later one.
    pub new: Option<Python>,
    /// The sum of it, for each mode that the later report asked about, the control aside.
    pub modes: BTreeMap<Mode, InMode>,
    /// Applications that changed, by name; a version is empty.
    pub applications: Vec<Change>,
    /// Exercises that changed, by file; a version is empty.
    pub exercises: Vec<Change>,
    /// Extension modules that changed, by name, of reports that are about modules; a version is empty.
    pub modules: Vec<Change>,
    /// Distributions that changed, by name.
    pub distributions: Vec<Change>,
    /// Root causes that are there now and were not before.
    pub new_roots: Vec<RootChange>,
    /// Root causes that were there before and are not now.
    pub gone_roots: Vec<RootChange>,
    /// What was left out or could not be read this time, and was not the time before.
    pub new_trouble: Vec<String>,
}

/// One mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InMode {
    /// The environment's verdict before; `null` where it was not asked.
    pub from: Option<Verdict>,
    /// The environment's verdict now.
    pub to: Verdict,
    /// How many distributions were blocked or unsafe.
    pub in_the_way_before: usize,
    /// How many are.
    pub in_the_way_now: usize,
    /// How many distributions got worse.
    pub worse: usize,
    /// How many got better.
    pub better: usize,
}

/// What became of a distribution, or of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its name; `null` for the modules that no distribution claims.
    pub name: Option<String>,
    /// Its version before; `null` where it is new.
    pub from: Option<String>,
    /// Its version now; `null` where it was removed.
    pub to: Option<String>,
    /// What changed in each mode that both reports asked about; where nothing did, the mode is absent.
    pub modes: BTreeMap<Mode, Step>,
}

/// From one verdict to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The verdict before.
    pub from: Option<Verdict>,
    /// The verdict now.
    pub to: Option<Verdict>,
    /// Whether that is worse.
    pub direction: Direction,
    /// The reason before.
    pub from_reason: String,
    /// The reason now.
    pub to_reason: String,
    /// Its extension modules that got worse: its own verdict, which is their worst, does not show all of them.
    pub worse_modules: Vec<String>,
}

/// Whether a change is worse. In this order the first of several is the one to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// A worse verdict, or something new that is not ready.
    Worse,
    /// A better verdict.
    Better,
    /// Neither.
    Other,
}

/// A root cause that came or went.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RootChange {
    /// In which mode.
    pub mode: Mode,
    /// Whose it is; `null` for the standard library and unclaimed files.
    pub distribution: Option<String>,
    /// The module.
    pub module: String,
    /// What it does.
    pub what: String,
    /// The rule's id.
    pub rule: String,
    /// How many other distributions are blocked through its distribution.
    pub blocks: usize,
}

impl Change {
    /// The whole of it: worse where any mode is.
    pub fn direction(&self) -> Direction {
        self.modes.values().map(|step| step.direction).min().unwrap_or(Direction::Other)
    }
}

impl Comparison {
    /// Whether what decides the later report's exit status ([`crate::report::Decider`]) is worse than before in this
    /// mode. In a mode that the earlier report did not ask about, all of it is.
    pub fn is_worse(&self, new: &Document, name: Option<&str>, mode: Mode) -> bool {
        let changes = match new.decided_by() {
            DecidedBy::Distributions => &self.distributions,
            DecidedBy::Applications => &self.applications,
            DecidedBy::Modules => &self.modules,
        };
        let key = |name: &str| match new.decided_by() {
            DecidedBy::Modules => name.to_owned(),
            DecidedBy::Distributions | DecidedBy::Applications => normalised(name),
        };
        let is_same = |change: &&Change| change.name.as_deref().map(key) == name.map(key);
        let change = changes.iter().chain(&self.exercises).find(is_same);
        let step = change.and_then(|change| change.modes.get(&mode));
        self.modes.get(&mode).is_none_or(|sum| sum.from.is_none())
            || step.is_some_and(|step| step.direction == Direction::Worse)
    }
}
