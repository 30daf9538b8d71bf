//! The judgement of one subject in one mode: a verdict, its reason and its root cause.

use super::{ReasonId, RuleId, Verdict};

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
    /// Its rule.
    pub rule: RuleId,
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
