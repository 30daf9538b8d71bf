//! What the catalog says about a rule.

use std::fmt;

use serde::Serialize;

/// A rule: a documented reason for a verdict or a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its id, which never changes: `refused`.
    pub id: &'static str,
    /// How serious its findings are.
    pub severity: Severity,
    /// The kind of evidence.
    pub confidence: Confidence,
    /// Its page, Markdown.
    #[serde(skip)]
    pub page: &'static str,
}

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Blocks a mode.
    Error,
    /// Works with reduced performance or function.
    Warning,
    /// Information that changes no verdict.
    Note,
    /// A reason why something could not be judged.
    Unknown,
    /// A reason why something need not be judged.
    NotApplicable,
}

/// The kind of evidence that a rule rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It happened in a trial.
    Tried,
    /// It was read in a file, and no code was run.
    Read,
    /// A running server measured it.
    Measured,
}

impl Rule {
    /// Whether it is a reason of `unknown` or `not-applicable`, not a finding.
    pub fn is_reason(&self) -> bool {
        matches!(self.severity, Severity::Unknown | Severity::NotApplicable)
    }

    /// The first sentence of its page.
    pub fn title(&self) -> &'static str {
        self.page.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// The text below a heading of its page, e.g. `What to do`. Empty if there is no such heading.
    pub fn section(&self, heading: &str) -> &'static str {
        let mut sections = self.page.split("\n## ").skip(1);
        let found = sections.find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'));
        found.unwrap_or_default().trim()
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::NotApplicable => "n/a",
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tried => "tried",
            Self::Read => "read",
            Self::Measured => "measured",
        })
    }
}
