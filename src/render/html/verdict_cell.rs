//! The cell that shows a verdict.

use crate::model::{Mode, Verdict};
use crate::report::v1::Judged;

use super::text::truncate_text;

/// Describes the meaning of a verdict.
pub(super) fn verdict_meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unsafe => {
            "crashes, hangs, leaves threads behind or shares objects between interpreters, whether or not CPython's \
             check passes"
        }
        Verdict::Blocked => "refused, by itself or through something it needs",
        Verdict::Unknown => "could not be judged; the reason says why",
        Verdict::Degraded => "imports, without extension modules that it loads in the main interpreter",
        Verdict::Ready => "declared and tried, and no problem was found",
        Verdict::NotApplicable => {
            "never imported by this Python, or its distribution works without it in the main interpreter too"
        }
    }
}

/// The verdict in one mode.
#[derive(Clone, Debug)]
pub(super) struct VerdictCell {
    /// The mode's name: `own-gil`.
    pub(super) mode: &'static str,
    /// The verdict's name, which is its CSS class. `none` if the mode was not asked about.
    pub(super) class: &'static str,
    /// The label.
    pub(super) word: &'static str,
    /// The sort order, worst first.
    pub(super) rank: usize,
    /// The reason, shown as a tooltip.
    pub(super) reason: String,
}

impl VerdictCell {
    /// Creates the cell for a mode. `judged` is `None` if the mode was not judged.
    pub(super) fn from_judged(mode: Mode, judged: Option<&Judged>) -> Self {
        match judged {
            Some(judged) => Self::new(mode, judged.verdict, truncate_text(&judged.reason, 300)),
            None => Self {
                mode: mode.name(),
                class: "none",
                word: "–",
                rank: Verdict::ALL.len(),
                reason: String::new(),
            },
        }
    }

    /// Creates the cell for a verdict.
    pub(super) fn new(mode: Mode, verdict: Verdict, reason: String) -> Self {
        let rank = Verdict::ALL.iter().position(|each| *each == verdict).unwrap_or_default();
        Self { mode: mode.name(), class: verdict.name(), word: verdict.short_name(), rank, reason }
    }
}
