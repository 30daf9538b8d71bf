//! Patterns of text of which a part is hidden.

use regex::{Captures, Regex};

/// What stands for a number or a name.
pub(super) const ANY: &str = "?";

/// A pattern whose group `n` is hidden.
pub(super) struct Pattern(Regex);

impl Pattern {
    /// `None` where it is no regular expression: a test sees to it that each is.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        Regex::new(pattern).ok().map(Self)
    }

    /// The text without group `n` of each match that is to be hidden; `hides` gets the match, and what stands before it.
    pub(super) fn hide(&self, text: String, hides: impl Fn(&Captures<'_>, &str) -> bool) -> String {
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

/// The number that a group holds.
pub(super) fn number(found: &Captures<'_>, group: &str) -> Option<u64> {
    found.name(group)?.as_str().parse().ok()
}
