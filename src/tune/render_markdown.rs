//! Renders the result as Markdown. Pure functions.

use std::fmt::Write;

use super::document::TuneDocument;
use super::render_table::{describe_load, describe_standing, list_figures};
use crate::render::escape::escape;
use crate::render::markdown::encode_as_code;

/// Limit of characters of a text.
const LENGTH: usize = 500;

/// Renders the result. Strings from the application and its requests are encoded.
pub fn render_markdown(document: &TuneDocument) -> String {
    let mut text = format!("## wsgiaudit tune: {}\n\n", encode_as_code(&document.application, LENGTH));
    let _ = writeln!(text, "{}\n", encode_as_code(&describe_load(document), LENGTH));
    match &document.recommendation {
        None => text.push_str("No configuration is recommended.\n"),
        Some(recommendation) => {
            let _ = writeln!(text, "**{}**: {}", recommendation.name, recommendation.reasons);
            for close in &recommendation.close {
                let _ = writeln!(text, "\nSimpler, and close: {}: {}.", close.name, close.difference);
            }
        }
    }
    for note in &document.notes {
        let _ = writeln!(text, "\nNote: {}", encode_as_code(note, LENGTH));
    }
    text.push_str(
        "\n| configuration | requests/min | mean ms | p50 | p95 | p99 | app ms | GIL wait p50 | p95 | p99 | cores | \
         memory | errors | |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for each in &document.configurations {
        let figures = list_figures(each).join(" | ");
        let standing = encode_as_code(&describe_standing(each), LENGTH);
        let _ = writeln!(text, "| {} | {figures} | {standing} |", each.name);
    }
    if !document.not_tried.is_empty() {
        text.push_str("\nNot tried:\n\n");
        for line in &document.not_tried {
            let _ = writeln!(text, "- {}", encode_as_code(line.trim_end(), LENGTH));
        }
    }
    for settings in document.recommendation.iter().flat_map(|each| &each.settings) {
        let note = encode_as_code(&settings.note, LENGTH);
        let _ = write!(text, "\n{}: {note}\n", settings.server);
        if let Some(lines) = &settings.text {
            // Indented code ends at no mark that a line may hold.
            let lines: String = lines.lines().map(|line| format!("    {}\n", escape(line))).collect();
            let _ = write!(text, "\n{lines}");
        }
    }
    text
}
