//! Suffixes of extension modules.

/// Ends of the names of extension modules: Linux and macOS, Windows.
const ENDS: [&str; 2] = [".so", ".pyd"];

/// Splits the file name of an extension module at its first dot, as CPython's finder does, whose suffixes all
/// start with one: `.cpython-314-x86_64-linux-gnu.so`, `.abi3.so`, `.so`, `.cp314-win_amd64.pyd`.
///
/// Returns `None` if the name does not end like that of an extension module.
pub fn split_extension_suffix(name: &str) -> Option<(&str, &str)> {
    let stem = strip_end(name)?;
    Some(name.split_at(stem.find('.').unwrap_or(stem.len())))
}

/// The tag in a suffix that [`split_extension_suffix`] returned, such as `cpython-314` or `abi3`.
pub fn tag_of_suffix(suffix: &str) -> Option<&str> {
    strip_end(suffix)?.strip_prefix('.')
}

fn strip_end(name: &str) -> Option<&str> {
    ENDS.iter().find_map(|end| name.strip_suffix(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_their_first_dot() {
        let split = [
            ("a.so", Some(("a", ".so", None))),
            ("a.pyd", Some(("a", ".pyd", None))),
            ("a.abi3.so", Some(("a", ".abi3.so", Some("abi3")))),
            ("a.b.cpython-314.so", Some(("a", ".b.cpython-314.so", Some("b.cpython-314")))),
            (".so", Some(("", ".so", None))),
            ("a..so", Some(("a", "..so", Some("")))),
            ("a.so.1", None),
            ("aso", None),
            ("a.py", None),
        ];
        for (name, expected) in split {
            let found =
                split_extension_suffix(name).map(|(stem, suffix)| (stem, suffix, tag_of_suffix(suffix)));
            assert_eq!(found, expected, "{name}");
        }
    }
}
