//! File names of extension modules.

use std::path::Path;

use idna::punycode;

use crate::model::{split_extension_suffix, tag_of_suffix};

/// The last part of the dotted name of the module in a file of this name; `None` if no Python would import
/// the file as an extension module.
///
/// The tag must be one of some Python: `cpython-314-x86_64-linux-gnu`, `abi3`, `abi3t-x86_64-linux-gnu`,
/// `cp314-win_amd64`, or none.
pub fn module_stem(path: &Path) -> Option<&str> {
    // The module of a package is named after its folder.
    match file_stem(path)? {
        "__init__" => path.parent()?.file_name()?.to_str(),
        stem => Some(stem),
    }
}

/// The part of the file name before the suffix of an extension module.
pub(super) fn file_stem(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let (stem, suffix) = split_extension_suffix(name)?;
    let is_known = tag_of_suffix(suffix).is_none_or(is_tag_of_some_python);
    (is_known && !stem.is_empty()).then_some(stem)
}

fn is_tag_of_some_python(tag: &str) -> bool {
    matches!(tag, "abi3" | "abi3t")
        // Since 3.15 with the platform.
        || tag.starts_with("abi3-")
        || tag.starts_with("abi3t-")
        || tag.starts_with("cpython-")
        || tag.strip_prefix("cp").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The part of the name of an init function after `PyInit` or `PyModExport`: `_x`, or `U_` and the name in
/// Punycode if it is not ASCII (PEP 489). Returns `None` if the name is too long.
pub(super) fn init_function_suffix(stem: &str) -> Option<String> {
    if stem.is_ascii() {
        return Some(format!("_{stem}"));
    }
    Some(format!("U_{}", punycode::encode_str(stem)?.replace('-', "_")))
}

/// Init functions of other modules than `stem`, each with the module's name, sorted by name. Encoded
/// (non-ASCII) names are left out.
pub(super) fn other_init_functions(functions: &[String], stem: &str) -> Vec<(String, String)> {
    let name = |function: &String| {
        let name = function.strip_prefix("PyInit_").or_else(|| function.strip_prefix("PyModExport_"))?;
        (name != stem).then(|| (function.clone(), name.to_owned()))
    };
    let mut others: Vec<_> = functions.iter().filter_map(name).collect();
    others.sort_by(|(_, a), (_, b)| a.cmp(b));
    // A module with both functions is listed once.
    others.dedup_by(|(_, b), (_, a)| a == b);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_every_python() {
        for suffix in [
            ".so",
            ".abi3.so",
            ".abi3t.so",
            ".abi3-x86_64-linux-gnu.so",
            ".abi3t-x86_64-linux-gnu.so",
            ".cpython-315t-x86_64-linux-gnu.so",
            ".cp314-win_amd64.pyd",
        ] {
            assert_eq!(file_stem(Path::new(&format!("a{suffix}"))), Some("a"), "{suffix}");
        }
        assert_eq!(file_stem(Path::new("a.abi4.so")), None);
    }

    #[test]
    fn names_of_init_functions_as_python_encodes_them() {
        for (stem, suffix) in [
            ("spam", "_spam"),
            ("ěščř", "U_bea1a5n4a"),
            ("bücher", "U_bcher_kva"),
            ("_ä_b", "U___b_qla"),
            ("日本", "U_wgv71a"),
        ] {
            assert_eq!(init_function_suffix(stem).as_deref(), Some(suffix));
        }
    }

    #[test]
    fn other_init_functions_by_their_names() {
        let functions = ["PyInit_a", "PyInit_b", "PyModExport_c"].map(str::to_owned);
        let others = other_init_functions(&functions, "a");
        let names: Vec<&str> = others.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
    }
}
