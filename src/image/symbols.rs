//! Looks up names in the symbol tables of a file.

use std::fs::File;
use std::path::Path;

use object::read::{
    Export, NameOrOrdinal, Object as _, ObjectSegment as _, ObjectSymbol as _, ReadCache, ReadRef,
};

use crate::regular_file;

/// The function that contains the byte at this offset of a file; `None` if no symbol covers it, as in a file
/// stripped of local symbols.
pub fn symbol_at_offset(path: &Path, offset: u64) -> Option<String> {
    let cache = ReadCache::new(regular_file::open_checked(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let address = file.segments().find_map(|segment| {
        let (start, size) = segment.file_range();
        let inside = offset.checked_sub(start).filter(|inside| *inside < size)?;
        segment.address().checked_add(inside)
    })?;
    find_symbol(&file, address)
}

/// The function or variable that contains the byte at this address, relative to the file's own base address;
/// `None` if no symbol covers it.
pub fn symbol_at_address(path: &Path, address: u64) -> Option<String> {
    let cache = ReadCache::new(regular_file::open_checked(path).ok()?);
    find_symbol(&object::File::parse(&cache).ok()?, address)
}

/// The init functions (`PyInit_x`, `PyModExport_x`) that a file exports, sorted; empty if it cannot be read.
///
/// Without `PyInit___init__`, which setuptools exports beside the others, but which is not used to import a
/// package.
pub fn read_init_functions(path: &Path) -> Vec<String> {
    let Ok(file) = regular_file::open_checked(path) else { return Vec::new() };
    let cache = ReadCache::new(file);
    object::File::parse(&cache).map(|file| list_init_functions(&file)).unwrap_or_default()
}

/// Like [`read_init_functions`], for a file in memory.
pub(super) fn read_init_functions_from_bytes(bytes: &[u8]) -> Vec<String> {
    object::File::parse(bytes).map(|file| list_init_functions(&file)).unwrap_or_default()
}

fn list_init_functions<'d, R: ReadRef<'d>>(file: &object::File<'d, R>) -> Vec<String> {
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

fn find_symbol<'d>(file: &object::File<'d, &'d ReadCache<File>>, address: u64) -> Option<String> {
    let holds = |symbol: &object::Symbol<'_, '_, _>| {
        address.checked_sub(symbol.address()).is_some_and(|inside| inside < symbol.size())
    };
    let symbol = file.symbols().chain(file.dynamic_symbols()).find(holds)?;
    symbol.name().ok().map(str::to_owned)
}
