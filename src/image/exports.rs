//! Which shared object has what the loader of another one misses: a symbol, or a library by its name.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use object::read::{Object as _, ObjectSymbol as _, ReadCache};

use crate::regular_file;

/// Files of one package that are looked into.
const MOST: usize = 500;

/// What a loader misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing<'a> {
    /// A symbol that no shared object in its scope exports.
    Symbol(&'a str),
    /// A library of this file name.
    Library(&'a str),
}

impl<'a> Missing<'a> {
    /// From what the loader of glibc, of musl or of macOS says.
    pub fn read(message: &'a str) -> Option<Self> {
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

    /// Whether the extension module in this file, a library that it needs, or one that its package `top` brings has it.
    pub fn is_brought_by(self, module: &Path, top: &str) -> bool {
        std::iter::once(module.to_owned()).chain(package(module, top)).any(|file| self.is_had_by(&file))
    }

    fn is_had_by(self, file: &Path) -> bool {
        match self {
            Self::Symbol(name) => exports(file, name).unwrap_or(false),
            Self::Library(name) => file.file_name().is_some_and(|file| file == name),
        }
    }
}

fn exports(file: &Path, symbol: &str) -> Option<bool> {
    let cache = ReadCache::new(regular_file::open(file).ok()?);
    let file = object::File::parse(&cache).ok()?;
    // Mach-O puts a line in front of each name of C.
    let is_it = |name: &str| name == symbol || name.strip_prefix('_').is_some_and(|name| name == symbol);
    let found = file
        .dynamic_symbols()
        .chain(file.symbols())
        .any(|each| each.is_global() && !each.is_undefined() && each.name().is_ok_and(is_it));
    Some(found)
}

/// The shared objects of a module's package: those in the folder of its first name, and in the one that wheels put
/// libraries into (`x.libs`). Of a module that lies in no package, only the latter.
fn package(module: &Path, top: &str) -> BTreeSet<PathBuf> {
    let folder = module.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == top));
    let beside = folder.unwrap_or(module).parent().map(|site| site.join(format!("{top}.libs")));
    let mut waiting: VecDeque<PathBuf> = folder.map(Path::to_owned).into_iter().chain(beside).collect();
    let mut found = BTreeSet::new();
    while let Some(folder) = waiting.pop_front() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if found.len() + waiting.len() >= MOST {
                return found;
            }
            // No link: it may lead out of the package, or round in circles.
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
    use super::Missing;

    #[test]
    fn loaders_say_what_they_miss_each_in_its_words() {
        for (message, missing) in [
            ("/x/a.so: undefined symbol: shop_open", Some(Missing::Symbol("shop_open"))),
            ("/x/a.so: undefined symbol: shop_open, version SHOP_2", Some(Missing::Symbol("shop_open"))),
            ("Error relocating /x/a.so: shop_open: symbol not found", Some(Missing::Symbol("shop_open"))),
            (
                "dlopen(/x/a.so, 0x0002): symbol not found in flat namespace '_shop_open'",
                Some(Missing::Symbol("shop_open")),
            ),
            (
                "libshop.so.1: cannot open shared object file: No such file or directory",
                Some(Missing::Library("libshop.so.1")),
            ),
            ("No module named 'shop'", None),
        ] {
            assert_eq!(Missing::read(message), missing, "{message}");
        }
    }
}
