//! The names in a file's symbol tables.

use std::fs::File;
use std::path::Path;

use object::read::{
    Export, NameOrOrdinal, Object as _, ObjectSegment as _, ObjectSymbol as _, ReadCache, ReadRef,
};

use crate::regular_file;

/// The function that holds the byte at this offset of a file; `None` where no symbol says so, as in a file
/// that was stripped of its local names.
pub fn symbol_at(path: &Path, offset: u64) -> Option<String> {
    let cache = ReadCache::new(regular_file::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let address = file.segments().find_map(|segment| {
        let (start, size) = segment.file_range();
        let inside = offset.checked_sub(start).filter(|inside| *inside < size)?;
        segment.address().checked_add(inside)
    })?;
    at(&file, address)
}

/// The function or variable that holds the byte at this address of a file, as the file itself counts; `None` as
/// above.
pub fn symbol_at_address(path: &Path, address: u64) -> Option<String> {
    let cache = ReadCache::new(regular_file::open(path).ok()?);
    at(&object::File::parse(&cache).ok()?, address)
}

/// The init functions that a file exports, sorted: `PyInit_x`, `PyModExport_x`. None where it is not to be read. Not
/// `PyInit___init__`, which setuptools exports beside every other, and a package is not imported by.
pub fn init_functions(path: &Path) -> Vec<String> {
    let Ok(file) = regular_file::open(path) else { return Vec::new() };
    let cache = ReadCache::new(file);
    object::File::parse(&cache).map(|file| exported(&file)).unwrap_or_default()
}

/// The same of a file in memory.
pub(super) fn init_functions_in(bytes: &[u8]) -> Vec<String> {
    object::File::parse(bytes).map(|file| exported(&file)).unwrap_or_default()
}

fn exported<'d, R: ReadRef<'d>>(file: &object::File<'d, R>) -> Vec<String> {
    // Mach-O puts an underscore before every name.
    let prefix = if file.format() == object::BinaryFormat::MachO { "_" } else { "" };
    let name = |export: Export<'d>| match export.name() {
        NameOrOrdinal::Name(name) => Some(std::str::from_utf8(name).ok()?.strip_prefix(prefix)?.to_owned()),
        NameOrOrdinal::Ordinal(_) => None,
    };
    let is_init = |name: &String| {
        ["PyInit_", "PyInitU_", "PyModExport_", "PyModExportU_"].iter().any(|each| name.starts_with(each))
            && name != "PyInit___init__"
    };
    let exports = file.exports().into_iter().flatten().flatten();
    let mut names: Vec<String> = exports.filter_map(name).filter(is_init).collect();
    names.sort();
    names.dedup();
    names
}

fn at<'d>(file: &object::File<'d, &'d ReadCache<File>>, address: u64) -> Option<String> {
    let holds = |symbol: &object::Symbol<'_, '_, _>| {
        address.checked_sub(symbol.address()).is_some_and(|inside| inside < symbol.size())
    };
    let symbol = file.symbols().chain(file.dynamic_symbols()).find(holds)?;
    symbol.name().ok().map(str::to_owned)
}
