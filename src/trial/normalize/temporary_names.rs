//! Generated names: folders of trials, temporary files and UUIDs.

use std::sync::LazyLock;

use super::pattern::{ANY, HiddenPattern};
use super::run_info::RunInfo;
use crate::trial::SCRATCH;
use crate::trial::probe_library::LIBRARY_NAME;

/// Folders of a worker and of its trials. Folders of trials can be nested.
const FOLDERS: [&str; 2] =
    [r"\{scratch\}/worker-(?<n>[0-9]+)", r"\{scratch\}/worker-\?/trial-(?<n>[0-9]+(?:/trial-[0-9]+)*)"];

/// UUIDs with dashes; without dashes only where version and variant identify them.
const UUIDS: [&str; 2] = [
    r"\b(?<n>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})\b",
    r"\b(?<n>[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15})\b",
];

/// Names of Python's `tempfile` (`_RandomNameSequence`).
const TEMPFILE_NAMES: &str = r#"(?:^|['"\s(=])tmp(?<n>[a-z0-9_]{8})\b"#;

/// Paths in a trial's home, where its temporary files are, or in shared memory. Other folders for temporary
/// files are not covered, because they may contain the environment.
const TEMPORARY_PATHS: &str = r#"(?:/trial-\?/home|/dev/shm)(?<n>(?:/[^/\s'":,;()]+)+)"#;

/// Replaces generated names.
pub(super) fn hide_temporary_names(run: &RunInfo, text: &str) -> String {
    static ALWAYS: LazyLock<Vec<HiddenPattern>> = LazyLock::new(|| {
        FOLDERS
            .iter()
            .chain(&UUIDS)
            .chain([&TEMPFILE_NAMES])
            .filter_map(|name| HiddenPattern::new(name))
            .collect()
    });
    static PATHS: LazyLock<Option<regex::Regex>> = LazyLock::new(|| regex::Regex::new(TEMPORARY_PATHS).ok());
    let mut text = run.scratch.iter().fold(text.to_owned(), |text, path| text.replace(path, SCRATCH));
    text = text.replace(&format!("{SCRATCH}/{}", run.library), &format!("{SCRATCH}/{LIBRARY_NAME}"));
    for pattern in &*ALWAYS {
        text = pattern.hide_matches(text, |_, _| true);
    }
    let Some(paths) = &*PATHS else { return text };
    let part = |part: &str| {
        find_random_suffix(part).map_or_else(|| part.to_owned(), |end| format!("{}{ANY}", &part[..end]))
    };
    let path = |found: &regex::Captures<'_>| {
        let names = found.name("n").map_or("", |names| names.as_str());
        let whole = found.get(0).map_or("", |whole| whole.as_str());
        let folder = whole.strip_suffix(names).unwrap_or_default();
        folder.to_owned() + &names.split('/').map(part).collect::<Vec<_>>().join("/")
    };
    paths.replace_all(&text, path).into_owned()
}

/// Returns where the random part of a file's name begins, if it has one.
///
/// It has eight characters in Python's `tempfile` and six in `mkstemp(3)`, follows a dash, dot, underscore or
/// `tmp`, and may precede a suffix.
fn find_random_suffix(name: &str) -> Option<usize> {
    let stem = name.len()
        - name.rsplit_once('.').map_or(0, |(stem, suffix)| {
            let is_suffix = !stem.is_empty() && suffix.len() < 5;
            if is_suffix { suffix.len() + 1 } else { 0 }
        });
    [8, 6].into_iter().find_map(|length| {
        let begin = stem.checked_sub(length).filter(|begin| name.is_char_boundary(*begin))?;
        let before = &name[..begin];
        let is_apart = before.ends_with(['-', '.', '_']) || before.ends_with("tmp");
        (is_apart && is_random(&name[begin..stem], length, stem == name.len())).then_some(begin)
    })
}

/// Whether a word looks random: digits or capitals inside, or too few vowels.
///
/// Eight characters without a suffix always count, since a random name can look like a word.
fn is_random(word: &str, length: usize, has_no_suffix: bool) -> bool {
    let may_be = |letter: char| letter.is_ascii_alphanumeric() || (length == 8 && letter == '_');
    let has_digits = word.contains(|letter: char| letter.is_ascii_digit());
    let is_number = word.chars().all(|letter| letter.is_ascii_digit());
    let has_capitals = word.chars().skip(1).any(|letter| letter.is_ascii_uppercase())
        && word.contains(|letter: char| letter.is_ascii_lowercase());
    let is_vowel = |letter: char| "aeiouyAEIOUY".contains(letter);
    let is_unspoken = word.split(is_vowel).any(|consonants| consonants.len() > 3);
    word.chars().all(may_be)
        && !is_number
        && (has_digits || has_capitals || is_unspoken || (length == 8 && has_no_suffix))
}

#[cfg(test)]
pub(super) fn name_patterns() -> Vec<&'static str> {
    FOLDERS.into_iter().chain(UUIDS).chain([TEMPFILE_NAMES, TEMPORARY_PATHS]).collect()
}
