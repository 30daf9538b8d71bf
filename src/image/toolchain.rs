//! Finds what generated an extension module, by texts that the generated code holds.

use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::model::Toolchain;
use crate::regular_file::open_checked;

/// Bytes that are searched at once.
const CHUNK: usize = 1 << 20;
/// Bytes that are searched again with the next chunk: more than the longest text.
const OVERLAP: usize = 64;

/// Texts of each toolchain: names of capsules, of attributes of modules, of exceptions. They stay in a stripped file. A
/// file may hold texts of several, e.g. PyO3's modules bind C with cffi; the first of this list is what the module is
/// written in.
const TEXTS: [(Option<Toolchain>, &str); 8] = [
    (Some(Toolchain::Cython), "cython_runtime"),
    (Some(Toolchain::Pyo3), "pyo3_runtime"),
    (Some(Toolchain::Pybind11), "__pybind11_"),
    (Some(Toolchain::Nanobind), "__nb_internals"),
    (Some(Toolchain::Swig), "swig_runtime_data"),
    (Some(Toolchain::Mypyc), "__mypyc"),
    // cffi's own library, which is written in C.
    (None, "_cffi_backend.CField"),
    (Some(Toolchain::Cffi), "_init_cffi_1_0_external_module"),
];

/// All texts.
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!("(?-u){}", TEXTS.map(|(_, text)| regex::escape(text)).join("|"))).ok()
});

/// Finds what generated the module in a file. `None` if no text tells, as in a module that is written in C, or the file
/// cannot be read.
pub fn find_toolchain(path: &Path) -> Option<Toolchain> {
    search_stream(&mut open_checked(path).ok()?, CHUNK).ok()?
}

/// Searches a stream in chunks of this size.
fn search_stream(stream: &mut impl Read, chunk: usize) -> io::Result<Option<Toolchain>> {
    let mut best = TEXTS.len();
    let (mut buffer, mut kept) = (Vec::with_capacity(chunk + OVERLAP), 0);
    // No text comes before the first one.
    while best > 0 {
        buffer.drain(..buffer.len() - kept);
        let read = stream.by_ref().take(chunk as u64).read_to_end(&mut buffer)?;
        if read == 0 {
            break;
        }
        best = best.min(find_first_text(&buffer));
        kept = buffer.len().min(OVERLAP);
    }
    Ok(TEXTS.get(best).and_then(|(toolchain, _)| *toolchain))
}

/// The smallest index in [`TEXTS`] of a text that these bytes hold, or else the number of texts.
fn find_first_text(bytes: &[u8]) -> usize {
    let position = |found: regex::bytes::Match<'_>| {
        TEXTS.iter().position(|(_, text)| text.as_bytes() == found.as_bytes())
    };
    let found = PATTERN.as_ref().into_iter().flat_map(|pattern| pattern.find_iter(bytes));
    found.filter_map(position).min().unwrap_or(TEXTS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(bytes: &[u8], chunk: usize) -> Option<Toolchain> {
        search_stream(&mut &*bytes, chunk).unwrap()
    }

    #[test]
    fn the_text_of_a_generator_tells_it_wherever_it_is() {
        for (toolchain, text) in TEXTS {
            let bytes = format!("{}\0\u{ff}{text}\0", "x".repeat(99));
            for chunk in [1, 7, 100, 1000] {
                assert_eq!(search(bytes.as_bytes(), chunk), toolchain, "{text} in chunks of {chunk}");
            }
        }
        assert_eq!(search(b"\x7fELF plain", 4), None);
        assert!(TEXTS.iter().all(|(_, text)| text.len() < OVERLAP));
        assert!(
            Toolchain::ALL.iter().all(|each| TEXTS.iter().any(|(toolchain, _)| *toolchain == Some(*each)))
        );
    }

    #[test]
    fn of_several_texts_the_language_of_the_module_tells_it() {
        assert_eq!(search(b"_init_cffi_1_0_external_module pyo3_runtime", 8), Some(Toolchain::Pyo3));
        assert_eq!(search(b"__mypyc_attrs__ _init_cffi_1_0_external_module", 8), Some(Toolchain::Mypyc));
        assert_eq!(search(b"_init_cffi_1_0_external_module _cffi_backend.CField", 8), None);
        assert_eq!(search(b"build/mypyc/lib-rt/mypyc_util.h", 8), None);
    }
}
