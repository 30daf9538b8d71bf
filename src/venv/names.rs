//! Dotted names from file names, as the import system would have it. Pure.

/// What a file's name says of it as an extension module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleName {
    /// Dotted name, e.g. `lxml.etree`; for `pkg/__init__.cpython-314.so` the package's.
    pub dotted: String,
    /// Whether every part is an identifier, or the last one a name that mypyc's own code imports.
    pub is_importable: bool,
    /// Whether the suffix is one that the Python at hand takes; `false` for another ABI's tag.
    pub is_for_this_python: bool,
    /// Position of the suffix in the import system's order: a lower one is found first.
    pub rank: usize,
}

impl ModuleName {
    /// Reads a path relative to a folder on `sys.path`, with `/`. `None` where the file has no extension
    /// module's suffix. `suffixes` are the interpreter's; without any, every ABI tag is taken.
    pub fn read(file: &str, suffixes: &[String]) -> Option<Self> {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let stem = name.strip_suffix(".so").or_else(|| name.strip_suffix(".pyd"))?;
        let module = stem.split('.').next().unwrap_or_default();
        let suffix = &name[module.len()..];
        let rank = suffixes.iter().position(|each| each == suffix);
        let parts = folder.split('/').filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.chain((module != "__init__").then_some(module)).collect();
        Some(Self {
            is_importable: parts.split_last().is_some_and(|(last, packages)| {
                (is_identifier(last) || is_group_of_mypyc(last))
                    && packages.iter().all(|part| is_identifier(part))
            }),
            dotted: parts.join("."),
            is_for_this_python: rank.is_some() || suffixes.is_empty(),
            rank: rank.unwrap_or(usize::MAX),
        })
    }
}

/// Whether Python can import a file of this stem. Keywords can be imported too, by `importlib`.
pub(super) fn is_identifier(part: &str) -> bool {
    let mut letters = part.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_alphanumeric())
}

/// Whether mypyc has named it, for what it compiles together: by a digest in hexadecimal, which may begin with a digit. No
/// statement can import that, but the modules of the group do (`mypyc/build.py`, `group_name`).
fn is_group_of_mypyc(part: &str) -> bool {
    part.strip_suffix("__mypyc").is_some_and(|group| is_identifier(&format!("_{group}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> ModuleName {
        let suffixes = [".cpython-314-x86_64-linux-gnu.so", ".abi3.so", ".so"].map(str::to_owned);
        ModuleName::read(file, &suffixes).expect("an extension suffix")
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
        assert_eq!(ModuleName::read("a/libz.so.1", &[]), None);
        assert_eq!(ModuleName::read("a/b.py", &[]), None);
    }
}
