//! The verdict about one subject in one mode, and its reason.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReasonId;

/// A verdict. Ordered worst first, so `min` of several is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Crashes, hangs or corrupts state, before or after CPython's check of its declaration.
    Unsafe,
    /// Refused, itself or through a dependency.
    Blocked,
    /// Could not be judged.
    Unknown,
    /// Imports, but without extension modules that it loads in the control.
    Degraded,
    /// Declared and tried, and no problem was found.
    Ready,
    /// This Python can never import it, or its distribution works without it in the control, too.
    NotApplicable,
}

impl Verdict {
    /// Every verdict, worst first.
    pub const ALL: [Self; 6] =
        [Self::Unsafe, Self::Blocked, Self::Unknown, Self::Degraded, Self::Ready, Self::NotApplicable];

    /// The name in reports and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsafe => "unsafe",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Ready => "ready",
            Self::NotApplicable => "not-applicable",
        }
    }

    /// A short name for a narrow table cell.
    pub fn short_name(self) -> &'static str {
        if self == Self::NotApplicable { "n/a" } else { self.name() }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line; empty for `ready`.
    pub reason: String,
    /// The id of the reason, if the verdict is `unknown` or `not-applicable`.
    pub reason_id: Option<ReasonId>,
    /// The root cause, if it is a named module.
    pub cause: Option<RootCause>,
    /// Extension modules that the control loads and this mode does not (degraded).
    pub lost: Vec<String>,
}

/// The root cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RootCause {
    /// The rule's id.
    pub rule: &'static str,
    /// Dotted name of the extension module (or Python module) at the root.
    pub module: String,
    /// The imports that lead there, outermost first, ending in `module`.
    pub chain: Vec<String>,
    /// What it did, in one line, without naming it: "does not declare ...".
    pub what: String,
}

impl Judgement {
    /// Creates an `unknown` or `not-applicable` judgement, as the reason's id decides.
    pub fn from_reason_id(reason_id: ReasonId, reason: impl Into<String>) -> Self {
        let verdict = reason_id.verdict();
        Self { verdict, reason: reason.into(), reason_id: Some(reason_id), cause: None, lost: Vec::new() }
    }

    /// Creates a `ready` judgement; `remark` is shown as its reason.
    pub fn ready(remark: impl Into<String>) -> Self {
        Self::from_evidence(Verdict::Ready, None, remark)
    }

    /// Creates a judgement from what was found, without a reason's id.
    pub fn from_evidence(verdict: Verdict, cause: Option<RootCause>, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), reason_id: None, cause, lost: Vec::new() }
    }
}
