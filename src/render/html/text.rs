//! Strings from strangers: cut to a length, and made into the ids that links lead to.

use std::collections::BTreeSet;

/// At most so many characters; the last one says that there was more. A limit of a page, not a guard: the
/// escaper is that.
pub(super) fn truncate_text(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The lines of a text, each cut, and not too many of them.
pub(super) fn truncate_lines(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> =
        text.trim_end().lines().take(most).map(|line| truncate_text(line, 400)).collect();
    if text.trim_end().lines().nth(most).is_some() {
        lines.push("…".to_owned());
    }
    lines
}

/// Names to ids, each given once.
#[derive(Debug, Default)]
pub(super) struct ElementIds(BTreeSet<String>);

impl ElementIds {
    /// As PEP 503 normalises a distribution's name, so that `#sqlalchemy` leads to SQLAlchemy; a number is put
    /// behind what is taken. The page's own ids have a colon, which is in none of these.
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
