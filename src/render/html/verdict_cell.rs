//! A verdict as a cell: a word, a shape and a colour.

use crate::model::{Mode, Verdict};
use crate::report::v1::Judged;

use super::text::truncate_text;

/// What it means, in a sentence's part.
pub(super) fn verdict_meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unsafe => {
            "gets past CPython's check, or only reaches it, and then crashes, hangs, leaves threads behind or shares \
             objects between interpreters"
        }
        Verdict::Blocked => "refused, by itself or through something it needs",
        Verdict::Unknown => "could not be judged; the reason says why",
        Verdict::Degraded => "imports, without extension modules that it loads in the main interpreter",
        Verdict::Ready => "declared, tried, nothing found",
        Verdict::NotApplicable => {
            "nothing that this Python could ever import, or that its distribution does without in the main interpreter too"
        }
    }
}

/// One verdict in one mode.
#[derive(Clone, Debug)]
pub(super) struct VerdictCell {
    /// The mode's name: `own-gil`.
    pub(super) mode: &'static str,
    /// The verdict's name, which is its class too; `none` where it was not asked.
    pub(super) class: &'static str,
    /// What is read.
    pub(super) word: &'static str,
    /// Worst first.
    pub(super) rank: usize,
    /// Why, for the pointer that rests on it.
    pub(super) reason: String,
}

impl VerdictCell {
    /// Of what was judged in a mode, if it was.
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

    /// Of a verdict.
    pub(super) fn new(mode: Mode, verdict: Verdict, reason: String) -> Self {
        let rank = Verdict::ALL.iter().position(|each| *each == verdict).unwrap_or_default();
        Self { mode: mode.name(), class: verdict.name(), word: verdict.short_name(), rank, reason }
    }
}
