//! File names of extension modules.

use std::path::Path;

/// The last part of the dotted name of the module in a file of this name; `None` if no Python would import
/// the file as an extension module.
///
/// The name ends at the first dot, as in CPython's finder, whose suffixes all start with one:
/// `.cpython-314-x86_64-linux-gnu.so`, `.abi3.so`, `.abi3t-x86_64-linux-gnu.so`, `.so`,
/// `.cp314-win_amd64.pyd`.
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
    let (stem, suffix) = name.split_once('.')?;
    let tag = suffix.strip_suffix("so").or_else(|| suffix.strip_suffix("pyd"))?;
    let known = tag.is_empty()
        || matches!(tag, "abi3." | "abi3t.")
        // Since 3.15 with the platform.
        || tag.starts_with("abi3-")
        || tag.starts_with("abi3t-")
        || tag.starts_with("cpython-")
        || tag.strip_prefix("cp").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    (known && !stem.is_empty()).then_some(stem)
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
    fn other_init_functions_by_their_names() {
        let functions = ["PyInit_a", "PyInit_b", "PyModExport_c"].map(str::to_owned);
        let others = other_init_functions(&functions, "a");
        let names: Vec<&str> = others.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
    }
}
