//! The names in a file's symbol tables.

use std::fs::File;
use std::path::Path;

use object::read::{Object as _, ObjectSegment as _, ObjectSymbol as _, ReadCache};

/// The function that holds the byte at this offset of a file; `None` where no symbol says so, as in a file
/// that was stripped of its local names.
pub fn symbol_at(path: &Path, offset: u64) -> Option<String> {
    let cache = ReadCache::new(File::open(path).ok()?);
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
    let cache = ReadCache::new(File::open(path).ok()?);
    at(&object::File::parse(&cache).ok()?, address)
}

fn at<'d>(file: &object::File<'d, &'d ReadCache<File>>, address: u64) -> Option<String> {
    let holds = |symbol: &object::Symbol<'_, '_, _>| {
        address.checked_sub(symbol.address()).is_some_and(|inside| inside < symbol.size())
    };
    let symbol = file.symbols().chain(file.dynamic_symbols()).find(holds)?;
    symbol.name().ok().map(str::to_owned)
}
