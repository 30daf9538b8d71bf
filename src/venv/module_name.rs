//! Module names from file names, following the import system. Pure.

use crate::model::split_extension_suffix;

/// What the name of a file says about an extension module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleName {
    /// Dotted name, such as `lxml.etree`. For `pkg/__init__.cpython-314.so` it is the package's.
    pub dotted: String,
    /// Whether every part is an identifier. The last part may also be the name of a mypyc group.
    pub is_importable: bool,
    /// Whether this Python accepts the suffix; `false` for the tag of another ABI.
    pub is_for_this_python: bool,
    /// Position of the suffix in the import system's search order.
    pub rank: usize,
}

impl ModuleName {
    /// Parses a path relative to a folder on `sys.path`, with `/`.
    ///
    /// Returns `None` if the file does not have the suffix of an extension module. `suffixes` are the
    /// interpreter's; if empty, every ABI tag is accepted.
    pub fn from_file(file: &str, suffixes: &[String]) -> Option<Self> {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let (module, suffix) = split_extension_suffix(name)?;
        let rank = suffixes.iter().position(|each| each == suffix);
        let parts = folder.split('/').filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.chain((module != "__init__").then_some(module)).collect();
        Some(Self {
            is_importable: parts.split_last().is_some_and(|(last, packages)| {
                (is_identifier(last) || is_mypyc_group(last))
                    && packages.iter().all(|part| is_identifier(part))
            }),
            dotted: parts.join("."),
            is_for_this_python: rank.is_some() || suffixes.is_empty(),
            rank: rank.unwrap_or(usize::MAX),
        })
    }
}

/// Whether Python can import a file with this stem. Keywords count, because `importlib` can import them.
pub(super) fn is_identifier(part: &str) -> bool {
    let mut letters = part.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_alphanumeric())
}

/// Whether this is the name of a mypyc group: a hexadecimal digest, which may begin with a digit.
///
/// Import statements cannot name it, but the modules of the group import it (`mypyc/build.py`, `group_name`).
fn is_mypyc_group(part: &str) -> bool {
    part.strip_suffix("__mypyc").is_some_and(|group| is_identifier(&format!("_{group}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> ModuleName {
        let suffixes = [".cpython-314-x86_64-linux-gnu.so", ".abi3.so", ".so"].map(str::to_owned);
        ModuleName::from_file(file, &suffixes).expect("an extension suffix")
    }

    #[test]
    fn a_module_in_a_package() {
        let name = read("lxml/etree.cpython-314-x86_64-linux-gnu.so");
        assert_eq!((name.dotted.as_str(), name.is_importable, name.rank), ("lxml.etree", true, 0));
    }

    #[test]
    fn a_compiled_package_is_named_by_its_folder() {
        assert_eq!(read("pkg/__init__.abi3.so").dotted, "pkg");
    }

    #[test]
    fn another_abi_is_told_by_its_tag() {
        assert!(!read("a.cpython-313-x86_64-linux-gnu.so").is_for_this_python);
        assert!(!read("a.pyd").is_for_this_python);
        assert!(read("a.so").is_for_this_python);
    }

    #[test]
    fn a_folder_that_is_no_identifier_cannot_be_imported_from() {
        assert!(!read("numpy.libs/libz.so").is_importable);
        assert!(!read("a-b.so").is_importable);
    }

    #[test]
    fn what_mypyc_has_named_is_imported_by_the_modules_of_its_group() {
        assert!(read("650fdafa2468af73c11f__mypyc.cpython-314-x86_64-linux-gnu.so").is_importable);
        assert!(!read("650fdafa2468af73c11f.so").is_importable);
        assert!(!read("650-fda__mypyc.so").is_importable);
    }

    #[test]
    fn other_files_are_not_extension_modules() {
        assert_eq!(ModuleName::from_file("a/libz.so.1", &[]), None);
        assert_eq!(ModuleName::from_file("a/b.py", &[]), None);
    }
}
