//! Finds out which package provides a symbol or library that the dynamic loader reported missing.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use object::read::{Object as _, ObjectSymbol as _, ReadCache};

use crate::regular_file;

/// Limit of files and folders of one package that are searched.
const MAX_FILES: usize = 500;

/// What the dynamic loader reported missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingDependency<'a> {
    /// A symbol that no shared object in its scope exports.
    Symbol(&'a str),
    /// A library with this file name.
    Library(&'a str),
}

impl<'a> MissingDependency<'a> {
    /// Parses an error message of the dynamic loader of glibc, musl or macOS.
    pub fn parse_message(message: &'a str) -> Option<Self> {
        let word =
            |text: &'a str| text.split([',', '\'', '\n', ' ', ':', '(']).next().filter(|w| !w.is_empty());
        if let Some((_, rest)) = message.split_once("undefined symbol: ") {
            return word(rest).map(Self::Symbol);
        }
        if let Some((_, rest)) = message.split_once("symbol not found in flat namespace '_") {
            return word(rest).map(Self::Symbol);
        }
        if let Some((before, _)) = message.split_once(": symbol not found") {
            return before.rsplit(": ").next().and_then(word).map(Self::Symbol);
        }
        let (library, _) = message.split_once(": cannot open shared object file")?;
        Some(Self::Library(library.rsplit([' ', '/']).next().unwrap_or(library)))
    }

    /// Whether the symbol or library is provided by the extension module in this file or by the shared
    /// objects of its package `top`.
    pub fn is_provided_by_package(self, module: &Path, top: &str) -> bool {
        std::iter::once(module.to_owned())
            .chain(list_package_libraries(module, top))
            .any(|file| self.is_provided_by_file(&file))
    }

    fn is_provided_by_file(self, file: &Path) -> bool {
        match self {
            Self::Symbol(name) => exports_symbol(file, name).unwrap_or(false),
            Self::Library(name) => file.file_name().is_some_and(|file| file == name),
        }
    }
}

fn exports_symbol(file: &Path, symbol: &str) -> Option<bool> {
    let cache = ReadCache::new(regular_file::open_checked(file).ok()?);
    let file = object::File::parse(&cache).ok()?;
    // Mach-O puts an underscore before C names.
    let is_it = |name: &str| name == symbol || name.strip_prefix('_').is_some_and(|name| name == symbol);
    let found = file
        .dynamic_symbols()
        .chain(file.symbols())
        .any(|each| each.is_global() && !each.is_undefined() && each.name().is_ok_and(is_it));
    Some(found)
}

/// The shared objects of a module's package: those in the folder named `top`, and those in `top.libs`, where
/// wheels put bundled libraries. For a module outside a package, only the latter.
fn list_package_libraries(module: &Path, top: &str) -> BTreeSet<PathBuf> {
    let folder = module.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == top));
    let beside = folder.unwrap_or(module).parent().map(|site| site.join(format!("{top}.libs")));
    let mut waiting: VecDeque<PathBuf> = folder.map(Path::to_owned).into_iter().chain(beside).collect();
    let mut found = BTreeSet::new();
    while let Some(folder) = waiting.pop_front() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if found.len() + waiting.len() >= MAX_FILES {
                return found;
            }
            // Symbolic links are not followed: they may leave the package or form a loop.
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => waiting.push_back(path),
                Ok(metadata) if metadata.is_file() && is_shared_object(&name) => {
                    found.insert(path);
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    found
}

fn is_shared_object(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.") || name.ends_with(".dylib")
}

#[cfg(test)]
mod tests {
    use super::MissingDependency;

    #[test]
    fn loaders_say_what_they_miss_each_in_its_words() {
        for (message, missing) in [
            ("/x/a.so: undefined symbol: shop_open", Some(MissingDependency::Symbol("shop_open"))),
            (
                "/x/a.so: undefined symbol: shop_open, version SHOP_2",
                Some(MissingDependency::Symbol("shop_open")),
            ),
            (
                "Error relocating /x/a.so: shop_open: symbol not found",
                Some(MissingDependency::Symbol("shop_open")),
            ),
            (
                "dlopen(/x/a.so, 0x0002): symbol not found in flat namespace '_shop_open'",
                Some(MissingDependency::Symbol("shop_open")),
            ),
            (
                "libshop.so.1: cannot open shared object file: No such file or directory",
                Some(MissingDependency::Library("libshop.so.1")),
            ),
            ("No module named 'shop'", None),
        ] {
            assert_eq!(MissingDependency::parse_message(message), missing, "{message}");
        }
    }
}
