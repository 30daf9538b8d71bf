//! The result of a comparison, and its JSON form.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Mode, Verdict};
use crate::report::v1::{Document, Python, Tool};
use crate::report::{DecidedBy, normalize_name};

/// What `wsgiaudit diff --format json` writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The schema's number: 1.
    pub schema: u8,
    /// The program that wrote it.
    pub tool: Tool,
    /// The interpreter of the earlier report.
    pub old: Option<Python>,
    /// The interpreter of the later one.
    pub new: Option<Python>,
    /// Totals for each mode of the later report, except the control.
    pub modes: BTreeMap<Mode, ModeComparison>,
    /// Applications that changed, by name. Their versions are empty.
    pub applications: Vec<SubjectChange>,
    /// Exercises that changed, by file. Their versions are empty.
    pub exercises: Vec<SubjectChange>,
    /// Extension modules that changed, by name, if the reports are about modules. Their versions are empty.
    pub modules: Vec<SubjectChange>,
    /// Distributions that changed, by name.
    pub distributions: Vec<SubjectChange>,
    /// Root causes that are there now and were not before.
    pub new_roots: Vec<RootCauseChange>,
    /// Root causes that were there before and are not now.
    pub gone_roots: Vec<RootCauseChange>,
    /// What the later audit left out or could not read, and the earlier one did not.
    pub new_trouble: Vec<String>,
}

/// The totals of one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModeComparison {
    /// The environment's verdict before; `null` if the mode was not tried.
    pub from: Option<Verdict>,
    /// The environment's verdict now.
    pub to: Verdict,
    /// How many distributions were blocked or unsafe before.
    pub in_the_way_before: usize,
    /// How many distributions are blocked or unsafe now.
    pub in_the_way_now: usize,
    /// How many distributions got worse.
    pub worse: usize,
    /// How many distributions got better.
    pub better: usize,
}

/// The change of one distribution, application, exercise or module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubjectChange {
    /// Its name; `null` for the modules that no distribution owns.
    pub name: Option<String>,
    /// Its version before; `null` if it is new.
    pub from: Option<String>,
    /// Its version now; `null` if it was removed.
    pub to: Option<String>,
    /// The change in each mode that both reports have; a mode without a change is absent.
    pub modes: BTreeMap<Mode, VerdictChange>,
}

/// The change of a verdict in one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictChange {
    /// The verdict before.
    pub from: Option<Verdict>,
    /// The verdict now.
    pub to: Option<Verdict>,
    /// Whether it got worse.
    pub direction: Direction,
    /// The reason before.
    pub from_reason: String,
    /// The reason now.
    pub to_reason: String,
    /// Extension modules of the distribution that got worse. Its own verdict, the worst of theirs, may not
    /// show them.
    pub worse_modules: Vec<String>,
}

/// The direction of a change, ordered by importance: of several the smallest is reported.
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

/// A root cause that appeared or disappeared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RootCauseChange {
    /// The mode.
    pub mode: Mode,
    /// The distribution of the module; `null` for the standard library and files that no distribution owns.
    pub distribution: Option<String>,
    /// The module.
    pub module: String,
    /// What the module does.
    pub what: String,
    /// The rule's id.
    pub rule: String,
    /// How many other distributions its distribution blocks.
    pub blocks: usize,
}

impl SubjectChange {
    /// Returns the direction over all modes: worse if any mode got worse.
    pub fn overall_direction(&self) -> Direction {
        self.modes.values().map(|step| step.direction).min().unwrap_or(Direction::Other)
    }
}

impl Comparison {
    /// Whether the verdict of `name` got worse in a mode.
    ///
    /// `name` belongs to a [`crate::report::DecidingItem`] of the later report. In a mode that the earlier
    /// report did not try, every verdict counts as worse.
    pub fn is_worse(&self, new: &Document, name: Option<&str>, mode: Mode) -> bool {
        let changes = match new.decided_by() {
            DecidedBy::Distributions => &self.distributions,
            DecidedBy::Applications => &self.applications,
            DecidedBy::Modules => &self.modules,
        };
        let key = |name: &str| match new.decided_by() {
            DecidedBy::Modules => name.to_owned(),
            DecidedBy::Distributions | DecidedBy::Applications => normalize_name(name),
        };
        let is_same = |change: &&SubjectChange| change.name.as_deref().map(key) == name.map(key);
        let change = changes.iter().chain(&self.exercises).find(is_same);
        let verdict_change = change.and_then(|change| change.modes.get(&mode));
        self.modes.get(&mode).is_none_or(|sum| sum.from.is_none())
            || verdict_change.is_some_and(|step| step.direction == Direction::Worse)
    }
}
