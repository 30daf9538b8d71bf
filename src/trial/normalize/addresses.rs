//! Addresses, which the system assigns anew for each process.
//!
//! They occur in exceptions (`<object at 0x7f3c...>`), crash stacks and output.

use std::sync::LazyLock;

use super::pattern::{HiddenPattern, parse_number};

/// Replacement for a hexadecimal address.
const REPLACEMENT: &str = "0x?";

/// Range of mapped memory, heap and stack: from 4 GiB to 256 TiB on x86-64 and AArch64. Offsets in files are
/// lower, patterns of debug allocators higher.
const ADDRESS_RANGE: std::ops::Range<u64> = 1 << 32..1 << 48;

/// Lowest address of programs and libraries in practice. Other decimal numbers, such as bytes or
/// milliseconds, are smaller.
const LOWEST_USUAL_ADDRESS: u64 = 0x5500_0000_0000;

/// Hexadecimal addresses without `0x`: a range, as in /proc/self/maps, and a single address.
const BARE_HEXADECIMAL: [&str; 2] = [
    r"\b(?<n>(?:7[ef]|5[56])[0-9a-f]{10}-(?:7[ef]|5[56])[0-9a-f]{10})\b",
    r"\b(?<n>(?:7[ef]|5[56])[0-9a-f]{10})\b",
];

const DECIMAL_ADDRESS: &str = r"\b(?<n>[0-9]{14,15})\b";

/// Replaces addresses.
pub fn hide_addresses(text: &str) -> String {
    static DECIMAL: LazyLock<Option<HiddenPattern>> = LazyLock::new(|| HiddenPattern::new(DECIMAL_ADDRESS));
    static PLAIN: LazyLock<Vec<HiddenPattern>> =
        LazyLock::new(|| BARE_HEXADECIMAL.iter().filter_map(|bare| HiddenPattern::new(bare)).collect());
    let mut text = hide_hexadecimal(text);
    if let Some(pattern) = &*DECIMAL {
        text = pattern.hide_matches(text, |found, before| {
            let is_whole = !before.ends_with('.');
            is_whole
                && parse_number(found, "n")
                    .is_some_and(|number| (LOWEST_USUAL_ADDRESS..ADDRESS_RANGE.end).contains(&number))
        });
    }
    for pattern in &*PLAIN {
        text = pattern.hide_matches(text, |found, before| {
            let digits = found.name("n").map_or("", |digits| digits.as_str());
            // Skip a part of something longer, such as a UUID, and decimal numbers.
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
        let is_mapped = u64::from_str_radix(digits, 16).is_ok_and(|number| ADDRESS_RANGE.contains(&number));
        out.push_str(before);
        match is_mapped {
            true => out.push_str(REPLACEMENT),
            false => out.extend(["0x", digits]),
        }
        rest = others;
    }
    out + rest
}

#[cfg(test)]
pub(super) fn address_patterns() -> Vec<&'static str> {
    BARE_HEXADECIMAL.into_iter().chain([DECIMAL_ADDRESS]).collect()
}
