//! The versioned JSON document.

use crate::report::{Document, Report};

/// The document, indented, with a newline at the end.
///
/// # Errors
/// None that can happen with a document's types; passed on all the same.
pub fn render(report: &Report) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&Document::from(report))? + "\n")
}
