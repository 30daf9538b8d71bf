//! Addresses in text that the system chooses anew for each process: in exceptions (`<object at 0x7f3c...>`), crash
//! stacks and what a trial printed.

/// What stands for one.
const ANY: &str = "0x?";

/// The text with `0x?` for each hexadecimal number that mapped memory, a heap or a stack can lie at: from 4 GiB to
/// 128 TiB on x86-64 and AArch64. Offsets in files are below, patterns of debug allocators above.
pub(super) fn hide(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("0x") {
        let end = after.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(after.len());
        let (digits, others) = after.split_at(end);
        let is_mapped =
            u64::from_str_radix(digits, 16).is_ok_and(|number| (1 << 32..1 << 47).contains(&number));
        out.push_str(before);
        match is_mapped {
            true => out.push_str(ANY),
            false => out.extend(["0x", digits]),
        }
        rest = others;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::hide;

    #[test]
    fn only_what_differs_in_each_process_is_hidden() {
        for (text, hidden) in [
            ("<a at 0x7fbc33f20bfe>", "<a at 0x?>"),
            ("Thread 0x00007fbc33f20bfe: +0x336f0a [0x55d0c0de0000]", "Thread 0x?: +0x336f0a [0x?]"),
            ("at 0x0, 0xdddddddddddddddd, 0x, 0xg", "at 0x0, 0xdddddddddddddddd, 0x, 0xg"),
        ] {
            assert_eq!(hide(text), hidden);
        }
    }
}
