//! Addresses that the system chooses anew for each process: in exceptions (`<object at 0x7f3c...>`), crash
//! stacks and what a trial printed.

use std::sync::LazyLock;

use super::pattern::{Pattern, number};

/// What stands for a hexadecimal one.
const HEXADECIMAL: &str = "0x?";

/// Where mapped memory, a heap or a stack can lie: from 4 GiB to 256 TiB on x86-64 and AArch64. Offsets in files are below,
/// patterns of debug allocators above.
const MAPPED: std::ops::Range<u64> = 1 << 32..1 << 48;

/// Where programs and libraries do lie: nothing else that is counted is so large, neither bytes nor milliseconds.
const HIGH: u64 = 0x5500_0000_0000;

/// The same in hexadecimal without a sign: a range, as in /proc/self/maps, and one alone.
const BARE: [&str; 2] = [
    r"\b(?<n>(?:7[ef]|5[56])[0-9a-f]{10}-(?:7[ef]|5[56])[0-9a-f]{10})\b",
    r"\b(?<n>(?:7[ef]|5[56])[0-9a-f]{10})\b",
];

const IN_DECIMAL: &str = r"\b(?<n>[0-9]{14,15})\b";

/// The text without addresses.
pub fn hide(text: &str) -> String {
    static DECIMAL: LazyLock<Option<Pattern>> = LazyLock::new(|| Pattern::new(IN_DECIMAL));
    static PLAIN: LazyLock<Vec<Pattern>> =
        LazyLock::new(|| BARE.iter().filter_map(|bare| Pattern::new(bare)).collect());
    let mut text = hide_hexadecimal(text);
    if let Some(pattern) = &*DECIMAL {
        text = pattern.hide(text, |found, before| {
            let is_whole = !before.ends_with('.');
            is_whole && number(found, "n").is_some_and(|number| (HIGH..MAPPED.end).contains(&number))
        });
    }
    for pattern in &*PLAIN {
        text = pattern.hide(text, |found, before| {
            let digits = found.name("n").map_or("", |digits| digits.as_str());
            // Part of something longer, as of a UUID, it is none. Nor is a plain number.
            !before.ends_with('-') && digits.contains(|digit: char| digit.is_ascii_lowercase())
        });
    }
    text
}

fn hide_hexadecimal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("0x") {
        let end = after.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(after.len());
        let (digits, others) = after.split_at(end);
        let is_mapped = u64::from_str_radix(digits, 16).is_ok_and(|number| MAPPED.contains(&number));
        out.push_str(before);
        match is_mapped {
            true => out.push_str(HEXADECIMAL),
            false => out.extend(["0x", digits]),
        }
        rest = others;
    }
    out + rest
}

#[cfg(test)]
pub(super) fn patterns() -> Vec<&'static str> {
    BARE.into_iter().chain([IN_DECIMAL]).collect()
}
