//! The versioned JSON document.

use super::escape::escape_json;
use crate::diff::Comparison;
use crate::model::Facts;
use crate::report::{Declarations, Document};
use crate::rules::{RULES, Rule};

/// The document, indented, with a newline at the end.
///
/// # Errors
/// None that can happen with a document's types; passed on all the same.
pub fn render(document: &Document) -> serde_json::Result<String> {
    text(document)
}

/// What changed between two reports.
///
/// # Errors
/// As above.
pub fn comparison(comparison: &Comparison) -> serde_json::Result<String> {
    text(comparison)
}

/// What files declare, by name: the same fields as in the document.
///
/// # Errors
/// As above.
pub fn declarations(all: &[(String, Facts)]) -> serde_json::Result<String> {
    text(&Declarations::new(all))
}

/// The rules, by id.
///
/// # Errors
/// As above.
pub fn rules() -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct Listed {
        #[serde(flatten)]
        rule: &'static Rule,
        title: &'static str,
    }
    text(&RULES.iter().map(|rule| Listed { rule, title: rule.title() }).collect::<Vec<_>>())
}

fn text(document: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(escape_json(&serde_json::to_string_pretty(document)?).into_owned() + "\n")
}
