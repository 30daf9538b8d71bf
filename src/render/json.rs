//! The versioned JSON document.

use super::escape::escape_json;
use crate::diff::Comparison;
use crate::model::BinaryFacts;
use crate::report::{Declarations, Document};
use crate::rules::{RULES, Rule};

/// The document, indented, with a newline at the end.
///
/// # Errors
/// None that can happen with a document's types; passed on all the same.
pub fn render(document: &Document) -> serde_json::Result<String> {
    serialize_escaped(document)
}

/// What changed between two reports.
///
/// # Errors
/// As above.
pub fn render_comparison(comparison: &Comparison) -> serde_json::Result<String> {
    serialize_escaped(comparison)
}

/// What files declare, by name: the same fields as in the document.
///
/// # Errors
/// As above.
pub fn render_declarations(all: &[(String, BinaryFacts)]) -> serde_json::Result<String> {
    serialize_escaped(&Declarations::new(all))
}

/// The rules, by id.
///
/// # Errors
/// As above.
pub fn render_rules() -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct ListedRule {
        #[serde(flatten)]
        rule: &'static Rule,
        title: &'static str,
    }
    serialize_escaped(&RULES.iter().map(|rule| ListedRule { rule, title: rule.title() }).collect::<Vec<_>>())
}

fn serialize_escaped(document: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(escape_json(&serde_json::to_string_pretty(document)?).into_owned() + "\n")
}
