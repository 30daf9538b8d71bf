//! Renders Markdown for a comment on a pull request: answers, root causes, and a folded table of
//! distributions.
//!
//! Every string from a report is encoded and put into `<code>`, so that it cannot act as markup or as a
//! mention.

use std::fmt::Write;

use super::escape::escape_and_truncate;
use super::{answer, untried_files};
use crate::model::{Mode, Verdict};
use crate::report::v1::{Blocker, Document, Judged};

/// Maximum number of rows in a table: GitHub limits comments to 65,536 characters. The rest is counted.
const MAX_ROWS: usize = 50;

/// Renders a report. Required modes always have an answer.
pub fn render(document: &Document, required: &[Mode]) -> String {
    let mut text = String::from("## wsgiaudit\n\n");
    for line in answer::render_answers(document, required).lines() {
        let _ = writeln!(text, "- {line}");
    }
    for mode in [Mode::OwnGil, Mode::OwnGilCopies, Mode::FreeThreaded, Mode::FreeThreadedGroup] {
        if let Some(blockers) = document.blockers.get(&mode).filter(|blockers| !blockers.is_empty()) {
            let _ = write!(text, "\n### In the way of {mode}\n\n{}", render_blockers(blockers));
        }
    }
    text.push_str(&render_applications(document));
    text.push_str(&render_distributions(document));
    if let Some(line) = untried_files::summarize_untried_files(document) {
        let _ = writeln!(text, "\n{line}");
    }
    for note in &document.notes {
        let _ = writeln!(text, "\nNote: {}", encode_as_code(note, 500));
    }
    for trouble in &document.trouble {
        let _ = writeln!(text, "\nIncomplete: {}", encode_as_code(trouble, 500));
    }
    text
}

/// Renders applications and exercises.
fn render_applications(document: &Document) -> String {
    let applications = document.applications.iter().map(|each| (&each.name, &each.modes));
    let exercises = document.exercises.iter().map(|each| (&each.file, &each.modes));
    let mut text = String::new();
    for (name, modes) in applications.chain(exercises).take(MAX_ROWS) {
        let _ = writeln!(text, "\n{}\n", encode_as_code(name, 200));
        for (mode, tried) in modes.iter().filter(|(mode, _)| **mode != Mode::Main) {
            let reason = encode_as_code(&tried.judged.reason, 300);
            let _ = writeln!(text, "- {mode}: {} {reason}", tried.judged.verdict);
        }
    }
    if text.is_empty() { text } else { format!("\n### Applications and exercises\n{text}") }
}

/// Renders the root causes of a mode as a table.
fn render_blockers(blockers: &[Blocker]) -> String {
    let mut text =
        String::from("| Distribution | Root cause | Also blocks | What to do |\n| --- | --- | --- | --- |\n");
    for blocker in blockers.iter().take(MAX_ROWS) {
        let Some(root) = blocker.roots.first() else { continue };
        let more = match blocker.roots.len() {
            1 => String::new(),
            count => format!(" (and {} more of its modules)", count - 1),
        };
        let blocks: Vec<String> =
            blocker.blocks.iter().map(|each| encode_as_code(&each.distribution, 60)).collect();
        let advice = match &blocker.upgrade {
            Some(upgrade) => encode_as_code(&upgrade.words, 200),
            None => encode_as_code(&format!("wsgiaudit explain {}", root.rule), 60),
        };
        let _ = writeln!(
            text,
            "| {} | {}: {}{more} | {} | {advice} |",
            blocker
                .distribution
                .as_deref()
                .map_or("the standard library, or no distribution".to_owned(), |name| encode_as_code(
                    name, 60
                )),
            encode_as_code(&root.module, 100),
            encode_as_code(&root.what, 200),
            blocks.join(", "),
        );
    }
    text + &overflow_note(blockers.len())
}

/// Renders the distributions that are not ready in every mode, in a folded section.
fn render_distributions(document: &Document) -> String {
    let modes: Vec<Mode> = document.modes.iter().copied().filter(|mode| *mode != Mode::Main).collect();
    let is_shown = |judged: &Judged| !matches!(judged.verdict, Verdict::Ready | Verdict::NotApplicable);
    let shown = || document.distributions.iter().filter(|row| row.modes.values().any(is_shown));
    let mut text = String::from("\n<details><summary>By distribution</summary>\n\n");
    let names: Vec<&str> = modes.iter().map(|mode| mode.name()).collect();
    let _ = writeln!(text, "| Distribution | Version | {} |", names.join(" | "));
    let _ = writeln!(text, "| --- | --- |{}", " --- |".repeat(modes.len()));
    for row in shown().take(MAX_ROWS) {
        let cells = modes.iter().map(|mode| row.modes.get(mode).map_or("-", |judged| judged.verdict.name()));
        let name =
            row.name.as_deref().map_or("(no distribution)".to_owned(), |name| encode_as_code(name, 60));
        let _ = writeln!(
            text,
            "| {name} | {} | {} |",
            encode_as_code(&row.version, 30),
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
    let rest = document.distributions.len() - shown().count();
    let _ = writeln!(
        text,
        "{}\n{} more: nothing in the way.\n\n</details>",
        overflow_note(shown().count()),
        rest
    );
    text
}

/// Counts the rows that a table omits. Empty if it omits none.
fn overflow_note(count: usize) -> String {
    if count > MAX_ROWS { format!("\nAnd {} more.\n", count - MAX_ROWS) } else { String::new() }
}

/// Encodes text so that it is shown literally. Characters with a meaning in Markdown or HTML are encoded, and
/// `<code>` keeps GitHub from recognizing mentions and references.
pub fn encode_as_code(text: &str, limit: usize) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut encoded = String::from("<code>");
    for letter in escape_and_truncate(text, limit).chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '.' | ',' | ';' | '/' => encoded.push(letter),
            _ if letter.is_ascii() => encoded.push_str(&format!("&#{};", u32::from(letter))),
            _ => encoded.push(letter),
        }
    }
    encoded + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_report_is_markup() {
        assert_eq!(encode_as_code("<b>|@all`*", 20), "<code>&#60;b&#62;&#124;&#64;all&#96;&#42;</code>");
        assert_eq!(encode_as_code("", 20), "");
    }
}
