//! Ids of processes and threads.

use std::sync::LazyLock;

use regex::Captures;

use super::pattern::{HiddenPattern, parse_number};
use super::run_info::RunInfo;

/// A word that always precedes an id: `pid 42`, `"tid": 42`.
const NAMED: &str = r#"(?i)\b(?:p|pp|pg|s|t|lw)id\b["']?[ \t]*[=:#(\[]?[ \t]*(?<n>[0-9]+)\b"#;

/// A word that may also precede a small number of another kind: `process 4711`, `Thread ID: 4711`,
/// `parent=4711`. Only three digits or more count.
const MAYBE_NAMED: &str =
    r#"(?i)\b(?:process|thread|parent|child|worker)(?:[ _-]?id)?["']?[ \t]*[=:#(\[]?[ \t]*(?<n>[0-9]{3,})\b"#;

/// Formats that contain only ids: Rust panics, paths below /proc, lines of sanitizers or Valgrind, and
/// Google's log lines (whose time is hidden already).
const ID_FORMATS: [&str; 5] = [
    r"\bthread '[^'\n]*' \((?<n>[0-9]+)\)",
    r"/proc/(?<n>[0-9]+)\b",
    r"/task/(?<n>[0-9]+)\b",
    r"==(?<n>[0-9]+)==",
    r"\b[IWEF]\? \? +(?<n>[0-9]+) [^ \n]+:[0-9]+\]",
];

/// Smaller numbers are not compared with the run's ids. In a PID namespace ids are small, and such numbers
/// are common.
const MIN_COMPARED_ID: u64 = 1000;

/// Replaces ids.
pub(super) fn hide_ids(run: &RunInfo, mut text: String) -> String {
    static ALWAYS: LazyLock<Vec<HiddenPattern>> =
        LazyLock::new(|| ID_FORMATS.iter().filter_map(|form| HiddenPattern::new(form)).collect());
    static WORDS: LazyLock<Vec<HiddenPattern>> =
        LazyLock::new(|| [NAMED, MAYBE_NAMED].iter().filter_map(|words| HiddenPattern::new(words)).collect());
    static NUMBER: LazyLock<Option<HiddenPattern>> =
        LazyLock::new(|| HiddenPattern::new(r"(?<n>[0-9]+)(?<after>\.?[0-9A-Za-z_]?)"));
    for pattern in &*ALWAYS {
        text = pattern.hide_matches(text, |_, _| true);
    }
    for pattern in &*WORDS {
        // Ids 0 and 1 are the same on every machine.
        text =
            pattern.hide_matches(text, |found, _| parse_number(found, "n").is_none_or(|number| number > 1));
    }
    match &*NUMBER {
        Some(pattern) => pattern.hide_matches(text, |found, before| is_own_id(run, found, before)),
        None => text,
    }
}

/// Whether a number is an id of this run, and not part of a word, a version or a fraction.
fn is_own_id(run: &RunInfo, found: &Captures<'_>, before: &str) -> bool {
    let is_id =
        parse_number(found, "n").is_some_and(|number| number >= MIN_COMPARED_ID && run.ids.contains(&number));
    let after = found.name("after").map_or("", |after| after.as_str());
    let goes_on = match after.strip_prefix('.') {
        Some(next) => next.starts_with(|next: char| next.is_ascii_digit()),
        None => after.starts_with(|next: char| next.is_ascii_alphanumeric()),
    };
    let is_fraction =
        before.strip_suffix('.').is_some_and(|whole| whole.ends_with(|last: char| last.is_ascii_digit()));
    let word = before.len() - before.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).len();
    is_id && !goes_on && !is_fraction && (word == 0 || word > 2)
}

#[cfg(test)]
pub(super) fn id_patterns() -> Vec<&'static str> {
    ID_FORMATS.into_iter().chain([NAMED, MAYBE_NAMED]).collect()
}
