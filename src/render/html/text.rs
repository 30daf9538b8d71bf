//! Truncates untrusted strings, and turns names into element ids.

use std::collections::BTreeSet;

/// Truncates a text to `limit` characters. The last one is an ellipsis if something was removed.
///
/// This keeps the page small. It does not make the text safe: that is the escaper's task.
pub(super) fn truncate_text(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Returns at most `limit` lines of a text, each truncated, and an ellipsis if there are more.
pub(super) fn truncate_lines(text: &str, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> =
        text.trim_end().lines().take(limit).map(|line| truncate_text(line, 400)).collect();
    if text.trim_end().lines().nth(limit).is_some() {
        lines.push("…".to_owned());
    }
    lines
}

/// Assigns unique element ids.
#[derive(Debug, Default)]
pub(super) struct ElementIds(BTreeSet<String>);

impl ElementIds {
    /// Returns a new id for a name, normalized as distribution names in PEP 503, so that `#sqlalchemy` refers
    /// to SQLAlchemy. A number is appended if the id is taken. The page's own ids contain a colon, which
    /// these never do.
    pub(super) fn assign_id(&mut self, name: &str) -> String {
        let mut id = String::new();
        for letter in name.chars() {
            if letter.is_alphanumeric() {
                id.extend(letter.to_lowercase());
            } else if !id.ends_with('-') {
                id.push('-');
            }
            if id.len() >= 80 {
                break;
            }
        }
        let id = match id.trim_matches('-') {
            "" => "unnamed".to_owned(),
            id => id.to_owned(),
        };
        let numbered = (2..).map(|number| format!("{id}-{number}"));
        let free = std::iter::once(id.clone()).chain(numbered).find(|id| !self.0.contains(id));
        let free = free.unwrap_or(id);
        self.0.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_normal_names_and_differ() {
        let mut ids = ElementIds::default();
        assert_eq!(ids.assign_id("SQLAlchemy"), "sqlalchemy");
        assert_eq!(ids.assign_id("ruamel.yaml__clib"), "ruamel-yaml-clib");
        assert_eq!(ids.assign_id("sqlalchemy"), "sqlalchemy-2");
        assert_eq!(ids.assign_id("\"><script>"), "script");
        assert_eq!(ids.assign_id("\u{202e}"), "unnamed");
        assert!(ids.assign_id(&"x".repeat(10_000)).len() < 100);
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(truncate_text("abcdef", 4), "abc…");
        assert_eq!(truncate_text("abcd", 4), "abcd");
        assert_eq!(truncate_lines("a\nb\nc\n", 2), ["a", "b", "…"]);
        assert_eq!(truncate_lines("a\nb\n", 2), ["a", "b"]);
    }
}
