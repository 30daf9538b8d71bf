//! Names for private copies of libraries.

use crate::digest;

/// Number of hexadecimal digits in a private name, as in the names that auditwheel gives.
const DIGITS: usize = 8;

/// Returns the library name of a copy. `seed` identifies the copy: the same seed gives the same name.
///
/// The digits that auditwheel put into a name (`libpq-a17e3caa.so.5`) are replaced, and the name keeps its
/// length. Any other name gets digits added, so that it stays readable. The prefix `lib` and everything from
/// `.so` stay, since tools rely on them.
pub(super) fn private_name(name: &str, seed: &str) -> String {
    let digest = digest::of_text(seed);
    let digits = digest.get(..DIGITS).unwrap_or_default();
    let (stem, suffix) = name.find(".so").map_or((name, ""), |at| name.split_at(at));
    let kept = match stem.rsplit_once('-') {
        Some((kept, last)) if is_auditwheel_hash(last) => kept,
        Some(_) | None => stem,
    };
    format!("{kept}-{digits}{suffix}")
}

fn is_auditwheel_hash(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::private_name;

    #[test]
    fn auditwheels_digits_are_replaced_and_other_names_grow() {
        let digits = &private_name("libz.so.1", "0")[5..13].to_owned();
        for (name, private) in [
            ("libpq-a17e3caa.so.5.17", format!("libpq-{digits}.so.5.17")),
            ("libgfortran-040039e1-0352e75f.so.5.0.0", format!("libgfortran-040039e1-{digits}.so.5.0.0")),
            ("libarrow_python.so.2600", format!("libarrow_python-{digits}.so.2600")),
            ("libx-readable.so", format!("libx-readable-{digits}.so")),
            ("libz.so.1", format!("libz-{digits}.so.1")),
            ("odd", format!("odd-{digits}")),
        ] {
            assert_eq!(private_name(name, "0"), private);
        }
        assert_ne!(private_name("libz.so.1", "0"), private_name("libz.so.1", "1"));
    }
}
