//! Numbers of processes and threads.

use std::sync::LazyLock;

use regex::Captures;

use super::Run;
use super::pattern::{Pattern, number};

/// What names the number that follows: `pid 42`, `"tid": 42`.
const NAMED: &str = r#"(?i)\b(?:p|pp|pg|s|t|lw)id\b["']?[ \t]*[=:#(\[]?[ \t]*(?<n>[0-9]+)\b"#;

/// What may number other things too, if these are few: `process 4711`, `Thread ID: 4711`, `parent=4711`.
const MAYBE_NAMED: &str =
    r#"(?i)\b(?:process|thread|parent|child|worker)(?:[ _-]?id)?["']?[ \t]*[=:#(\[]?[ \t]*(?<n>[0-9]{3,})\b"#;

/// Forms that hold nothing else: a panic of Rust, a path below /proc, a line of a sanitizer or of Valgrind, one of Google's
/// log (where the time is hidden already).
const FORMS: [&str; 5] = [
    r"\bthread '[^'\n]*' \((?<n>[0-9]+)\)",
    r"/proc/(?<n>[0-9]+)\b",
    r"/task/(?<n>[0-9]+)\b",
    r"==(?<n>[0-9]+)==",
    r"\b[IWEF]\? \? +(?<n>[0-9]+) [^ \n]+:[0-9]+\]",
];

/// Below, a number of the run's own is not told from any other: they are few where processes have a namespace of their own.
const FEW: u64 = 1000;

/// The text without ids.
pub(super) fn hide(run: &Run, mut text: String) -> String {
    static ALWAYS: LazyLock<Vec<Pattern>> =
        LazyLock::new(|| FORMS.iter().filter_map(|form| Pattern::new(form)).collect());
    static WORDS: LazyLock<Vec<Pattern>> =
        LazyLock::new(|| [NAMED, MAYBE_NAMED].iter().filter_map(|words| Pattern::new(words)).collect());
    static NUMBER: LazyLock<Option<Pattern>> =
        LazyLock::new(|| Pattern::new(r"(?<n>[0-9]+)(?<after>\.?[0-9A-Za-z_]?)"));
    for pattern in &*ALWAYS {
        text = pattern.hide(text, |_, _| true);
    }
    for pattern in &*WORDS {
        // 0 and 1 are the same on every machine.
        text = pattern.hide(text, |found, _| number(found, "n").is_none_or(|number| number > 1));
    }
    match &*NUMBER {
        Some(pattern) => pattern.hide(text, |found, before| is_own(run, found, before)),
        None => text,
    }
}

/// Whether a number is one of the run's own, whole, and no part of a version or a fraction.
fn is_own(run: &Run, found: &Captures<'_>, before: &str) -> bool {
    let is_id = number(found, "n").is_some_and(|number| number >= FEW && run.ids.contains(&number));
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
pub(super) fn patterns() -> Vec<&'static str> {
    FORMS.into_iter().chain([NAMED, MAYBE_NAMED]).collect()
}
