//! What the evidence says of one thing in one mode.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReasonId;

/// Worst first, so `min` of several is the worst (design: Modes and verdicts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Gets past CPython's check, or only reaches it, and then crashes, hangs or corrupts.
    Unsafe,
    /// Refused, by itself or through a dependency.
    Blocked,
    /// Could not be judged.
    Unknown,
    /// Imports, and has lost extension modules that it loads in the control.
    Degraded,
    /// Declared, tried, nothing found.
    Ready,
    /// Nothing that this Python could ever import, or that its distribution does without in the control too.
    NotApplicable,
}

impl Verdict {
    /// Every verdict, worst first.
    pub const ALL: [Self; 6] =
        [Self::Unsafe, Self::Blocked, Self::Unknown, Self::Degraded, Self::Ready, Self::NotApplicable];

    /// The word in reports and tables.
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

    /// The word in a narrow cell.
    pub fn word(self) -> &'static str {
        if self == Self::NotApplicable { "n/a" } else { self.name() }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A verdict with the one line that gives the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line; empty for `ready`.
    pub reason: String,
    /// Which reason that is, where the verdict is `unknown` or `not-applicable`.
    pub reason_id: Option<ReasonId>,
    /// The extension module, or package, that is the root cause, if it is a thing with a name.
    pub cause: Option<Cause>,
    /// Extension modules that the control loads and this mode does not (degraded).
    pub lost: Vec<String>,
}

/// Where a failure comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
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
    /// `unknown` or `not-applicable`, with the reason in words.
    pub fn open(reason_id: ReasonId, reason: impl Into<String>) -> Self {
        let verdict = reason_id.verdict();
        Self { verdict, reason: reason.into(), reason_id: Some(reason_id), cause: None, lost: Vec::new() }
    }

    /// Nothing found; `remark` says what is worth knowing all the same.
    pub fn ready(remark: impl Into<String>) -> Self {
        Self::found(Verdict::Ready, None, remark)
    }

    /// A verdict that rests on what was found.
    pub fn found(verdict: Verdict, cause: Option<Cause>, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), reason_id: None, cause, lost: Vec::new() }
    }
}
