//! Normalizes lines of output: threads print in random order, and only the last lines are kept.

use std::collections::{BTreeMap, BTreeSet};

/// Output of a stress test: each line once, sorted.
pub(in crate::trial) fn sort_unique_lines(text: &str) -> String {
    let lines: BTreeSet<&str> = text.lines().collect();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

/// Returns the last lines, at most `most` bytes.
///
/// Lines that several threads may have printed are sorted first.
pub(in crate::trial) fn last_lines(text: &str, most: usize) -> String {
    let text = sort_similar_lines(text);
    if text.len() <= most {
        return text;
    }
    let from = text.ceil_char_boundary(text.len() - most);
    // Drop the first line: it is cut at an arbitrary position.
    match text[from..].split_once('\n') {
        Some((_, whole)) if !whole.is_empty() => whole.to_owned(),
        Some(_) | None => text[from..].to_owned(),
    }
}

/// Sorts runs of lines that differ only in their numbers, as threads print them, by these numbers.
///
/// Lines of one thread end up together, and counters stay in order. An indented line belongs to the line
/// before it, as in a traceback, and keeps its position.
fn sort_similar_lines(text: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let shapes: Vec<String> = lines.iter().map(|line| shape_of_line(line)).collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for shape in &shapes {
        *count.entry(shape).or_default() += 1;
    }
    let is_one_of_many = |at: usize| {
        let shape = shapes[at].as_str();
        shape.contains(NUMBER)
            && !shape.starts_with([' ', '\t'])
            && count.get(shape).is_some_and(|count| *count > 1)
    };
    let all: Vec<usize> = (0..lines.len()).collect();
    let mut out = String::with_capacity(text.len());
    for row in all.chunk_by(|a, b| is_one_of_many(*a) && is_one_of_many(*b)) {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for at in row {
            first.entry(&shapes[*at]).or_insert(*at);
        }
        let mut sorted = row.to_vec();
        sorted
            .sort_by_cached_key(|at| (numbers_of_line(lines[*at]), first.get(shapes[*at].as_str()).copied()));
        sorted.iter().for_each(|at| out.push_str(lines[*at]));
    }
    out
}

/// Placeholder for a number in the shape of a line.
const NUMBER: char = '\0';

/// A line with its numbers replaced by a placeholder.
fn shape_of_line(line: &str) -> String {
    let mut shape = String::with_capacity(line.len());
    for letter in line.trim_end().chars() {
        if !letter.is_ascii_digit() {
            shape.push(letter);
        } else if !shape.ends_with(NUMBER) {
            shape.push(NUMBER);
        }
    }
    shape
}

/// The numbers in a line.
fn numbers_of_line(line: &str) -> Vec<u64> {
    let parts = line.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().unwrap_or(u64::MAX)).collect()
}
