//! File names of extension modules.

use std::path::Path;

/// The last part of the dotted name of the module that a file of this name would be; `None` for a file that
/// no Python would take for an extension module. The first dot ends it, as in CPython's finder, whose
/// suffixes all start with one: `.cpython-314-x86_64-linux-gnu.so`, `.abi3.so`, `.so`, `.cp314-win_amd64.pyd`.
pub fn stem(path: &Path) -> Option<&str> {
    // A package's own module is named after the folder.
    match file_stem(path)? {
        "__init__" => path.parent()?.file_name()?.to_str(),
        stem => Some(stem),
    }
}

/// The part of the file's name before the suffix of extension modules.
pub(super) fn file_stem(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let (stem, suffix) = name.split_once('.')?;
    let tag = suffix.strip_suffix("so").or_else(|| suffix.strip_suffix("pyd"))?;
    let known = tag.is_empty()
        || matches!(tag, "abi3." | "abi3t.")
        || tag.starts_with("cpython-")
        || tag.strip_prefix("cp").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    (known && !stem.is_empty()).then_some(stem)
}
