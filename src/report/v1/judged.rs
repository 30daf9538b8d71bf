//! Verdicts in the document, with their reasons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::model::Verdict;

/// The outcome of a trial, and the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// The outcome; absent if there was no trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The verdict.
    #[serde(flatten)]
    pub judged: Judged,
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line; absent for most of what is ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The id of the reason, if the verdict is `unknown` or `not-applicable`: `wsgiaudit explain` has a page
    /// for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_id: Option<String>,
    /// The root cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Extension modules that the control loads and this mode does not (degraded).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// The root cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The rule's id, e.g. `refused`.
    #[serde(default)]
    pub rule: String,
    /// The module at the root.
    pub module: String,
    /// The imports that lead there, outermost first, ending in `module`.
    pub chain: Vec<String>,
    /// What it did, in one line, without naming it.
    pub what: String,
}

impl Judged {
    /// Returns the id of the page that explains it: its reason, or else the rule of its root cause.
    pub fn explanation_id(&self) -> Option<&str> {
        self.reason_id.as_deref().or(self.cause.as_ref().map(|cause| cause.rule.as_str()))
    }
}
