//! Patterns of which one group is hidden.

use regex::{Captures, Regex};

/// Replacement for a number or a name.
pub(super) const ANY: &str = "?";

/// A regular expression whose group `n` is hidden.
pub(super) struct HiddenPattern(Regex);

impl HiddenPattern {
    /// Returns `None` for an invalid regular expression. A test checks that all are valid.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        Regex::new(pattern).ok().map(Self)
    }

    /// Replaces group `n` of each match for which `hides` returns true.
    ///
    /// `hides` gets the match and the text before the group.
    pub(super) fn hide_matches(&self, text: String, hides: impl Fn(&Captures<'_>, &str) -> bool) -> String {
        let mut out = String::new();
        let mut kept = 0;
        for found in self.0.captures_iter(&text) {
            let Some(group) = found.name("n") else { continue };
            if hides(&found, &text[..group.start()]) {
                out.push_str(&text[kept..group.start()]);
                out.push_str(ANY);
                kept = group.end();
            }
        }
        if kept == 0 {
            return text;
        }
        out.push_str(&text[kept..]);
        out
    }
}

/// The number in a group.
pub(super) fn parse_number(found: &Captures<'_>, group: &str) -> Option<u64> {
    found.name(group)?.as_str().parse().ok()
}
