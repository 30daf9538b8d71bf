//! The verdict about one subject in one mode.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
