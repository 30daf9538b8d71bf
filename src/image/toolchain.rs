//! Finds what generated an extension module, by texts that the generated code holds.

use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::model::Toolchain;
use crate::regular_file::read_limited;

/// Maximum size of a file that is searched.
const MAX_SIZE: u64 = 1 << 30;

/// A text of each toolchain: names of capsules, of attributes of modules, of exceptions. They stay in a stripped file.
const TEXTS: [(Toolchain, &str); 7] = [
    (Toolchain::Cython, "cython_runtime"),
    (Toolchain::Pyo3, "pyo3_runtime"),
    (Toolchain::Pybind11, "__pybind11_"),
    (Toolchain::Nanobind, "nanobind"),
    (Toolchain::Swig, "swig_runtime_data"),
    (Toolchain::Cffi, "_cffi_backend"),
    (Toolchain::Mypyc, "mypyc"),
];

/// All texts.
static PATTERN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("(?-u){}", TEXTS.map(|(_, text)| text).join("|"))).ok());

/// Finds what generated the module in a file. `None` if no text tells, as in a module that is written in C.
pub fn find_toolchain(path: &Path) -> Option<Toolchain> {
    search_texts(&read_limited(path, MAX_SIZE).ok()?)
}

/// A file may hold the texts of several: what comes first in [`TEXTS`] is what a module is written in; `mypyc` is a
/// common word in paths.
fn search_texts(bytes: &[u8]) -> Option<Toolchain> {
    let position = |found: regex::bytes::Match<'_>| {
        TEXTS.iter().position(|(_, text)| text.as_bytes() == found.as_bytes())
    };
    let found = PATTERN.as_ref()?.find_iter(bytes).filter_map(position);
    // The most definite one can be found nowhere else.
    let mut best = None::<usize>;
    for index in found {
        best = Some(best.map_or(index, |best| best.min(index)));
        if index == 0 {
            break;
        }
    }
    best.and_then(|index| TEXTS.get(index)).map(|(toolchain, _)| *toolchain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_generator_tells_it() {
        for (toolchain, text) in TEXTS {
            assert_eq!(search_texts(format!("\0\u{ff}{text}\0").as_bytes()), Some(toolchain));
        }
        assert_eq!(search_texts(b"\x7fELF plain"), None);
        assert_eq!(search_texts(b"mypyc and _cffi_backend and __pybind11_x"), Some(Toolchain::Pybind11));
        assert_eq!(TEXTS.map(|(toolchain, _)| toolchain), Toolchain::ALL);
    }
}
