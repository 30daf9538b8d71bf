//! Renders JSON documents.

use super::escape::escape_json;
use crate::diff::Comparison;
use crate::model::{BinaryFacts, RULES, Rule};
use crate::report::{Declarations, Document};

/// Renders the report, indented, with a newline at the end.
///
/// # Errors
/// If serialization fails, which does not happen with these types.
pub fn render(document: &Document) -> serde_json::Result<String> {
    render_value(document)
}

/// Renders a comparison of two reports.
///
/// # Errors
/// As [`render`].
pub fn render_comparison(comparison: &Comparison) -> serde_json::Result<String> {
    render_value(comparison)
}

/// Renders the declarations of files, by name, with the same fields as in a report.
///
/// # Errors
/// As [`render`].
pub fn render_declarations(all: &[(String, BinaryFacts)]) -> serde_json::Result<String> {
    render_value(&Declarations::new(all))
}

/// Renders the catalog of rules.
///
/// # Errors
/// As [`render`].
pub fn render_rules() -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct ListedRule {
        #[serde(flatten)]
        rule: &'static Rule,
        title: &'static str,
    }
    render_value(&RULES.iter().map(|rule| ListedRule { rule, title: rule.title() }).collect::<Vec<_>>())
}

/// Serializes a document, with unsafe characters escaped.
///
/// # Errors
/// As [`render`].
pub fn render_value(document: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(escape_json(&serde_json::to_string_pretty(document)?).into_owned() + "\n")
}
