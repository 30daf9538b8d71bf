//! What was printed: lines of several threads, whose order is chance, and no more of them than is kept.

use std::collections::{BTreeMap, BTreeSet};

/// What was printed by threads that do the same at the same time: each line once, sorted.
pub(in crate::trial) fn in_storm(text: &str) -> String {
    let lines: BTreeSet<&str> = text.lines().collect();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

/// The last lines, of no more than so many bytes, once lines that several threads may have printed are in the order of
/// their numbers.
pub(in crate::trial) fn end(text: &str, most: usize) -> String {
    let text = in_order(text);
    if text.len() <= most {
        return text;
    }
    let from = text.ceil_char_boundary(text.len() - most);
    // The line that is cut begins anywhere.
    match text[from..].split_once('\n') {
        Some((_, whole)) if !whole.is_empty() => whole.to_owned(),
        Some(_) | None => text[from..].to_owned(),
    }
}

/// Lines in a row that are alike but for their numbers, as threads print that do the same, in the order of the numbers.
/// So what one thread has printed stands together, and what was counted stays as it was. An indented line belongs to the
/// one before it, as those of a traceback do, and stays where it is.
fn in_order(text: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let shapes: Vec<String> = lines.iter().map(|line| shape(line)).collect();
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
        sorted.sort_by_cached_key(|at| (numbers(lines[*at]), first.get(shapes[*at].as_str()).copied()));
        sorted.iter().for_each(|at| out.push_str(lines[*at]));
    }
    out
}

/// What stands for a number in a line's shape.
const NUMBER: char = '\0';

/// A line without its numbers.
fn shape(line: &str) -> String {
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

/// A line's numbers.
fn numbers(line: &str) -> Vec<u64> {
    let parts = line.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().unwrap_or(u64::MAX)).collect()
}
