//! Reads PE files by the addresses of their tables instead of with `object`, because import tables whose
//! names lie in another section than their thunks are valid (`object` 0.37 to 0.40 rejects 16 of 392 `.pyd`
//! files of popular wheels for that reason).
//! Source: <https://learn.microsoft.com/windows/win32/debug/pe-format>.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::byte_source::{ByteSource, read_range, u16_at, u32_at, u64_at};
use super::memory::{EmptyTables, FormatTables, Image, ImportedSymbol, LoadedPointer, PageCache, Segment};
use super::shared_object_kind::SharedObjectKind;

const MAX_SECTIONS: u16 = 96;
const MAX_IMPORTS: u64 = 1 << 16;
const MAX_LIBRARIES: u64 = 1024;
const EXPORTS: usize = 0;
const IMPORTS: usize = 1;
const RELOCATIONS: usize = 5;
const THREAD_LOCAL: usize = 9;

struct PeTables {
    base: u64,
    /// Index in [`Image::imports`] by the address of the entry in the import address table.
    thunks: HashMap<u64, u32>,
    exports: u64,
    relocations: (u64, u64),
}

/// Loads a 64-bit PE file at its preferred address, where pointers need no relocation.
///
/// # Errors
/// Returns what is wrong with the file.
pub(super) fn load_pe(source: Rc<dyn ByteSource>, kind: SharedObjectKind) -> Result<Image, &'static str> {
    let broken = "the PE headers are broken";
    let header = read_range(&*source, 0, 64).ok_or(broken)?;
    let at = u64::from(u32_at(&header, 0x3c).ok_or(broken)?);
    let coff = read_range(&*source, at, 24).ok_or(broken)?;
    let size = u16_at(&coff, 20).ok_or(broken)?;
    let optional = read_range(&*source, at + 24, size.into()).ok_or(broken)?;
    let base = u64_at(&optional, 24).ok_or(broken)?;
    let entry = u32_at(&optional, 16).ok_or(broken)?;
    let directory = |index: usize| {
        let at = 112 + index * 8;
        (u64::from(u32_at(&optional, at).unwrap_or(0)), u64::from(u32_at(&optional, at + 4).unwrap_or(0)))
    };
    let count = u16_at(&coff, 6).ok_or(broken)?.min(MAX_SECTIONS);
    let table = at + 24 + u64::from(size);
    let sections = read_range(&*source, table, u64::from(count) * 40).ok_or(broken)?;
    let segments = sections
        .chunks_exact(40)
        .map(|section| parse_section(&*source, base, section))
        .collect::<Option<_>>();
    let mut image = Image {
        kind,
        source,
        segments: segments.ok_or("the file is truncated or corrupt")?,
        sealed: Vec::new(),
        data: Vec::new(),
        imports: Vec::new(),
        needed: Vec::new(),
        search: Vec::new(),
        constructors: if entry == 0 { Vec::new() } else { vec![base.wrapping_add(entry.into())] },
        thread_template: None,
        tables: Box::new(EmptyTables),
        pages: PageCache::default(),
    };
    let thunks =
        read_import_table(&mut image, base, directory(IMPORTS).0).ok_or("the import table is broken")?;
    let exports = directory(EXPORTS).0;
    let exports = if exports == 0 { 0 } else { base.wrapping_add(exports) };
    let thread_local = directory(THREAD_LOCAL).0;
    if thread_local != 0 {
        image.thread_template = image.read_u64(base.wrapping_add(thread_local));
    }
    let (relocations, size) = directory(RELOCATIONS);
    let relocations = (base.wrapping_add(relocations), size);
    image.tables = Box::new(PeTables { base, thunks, exports, relocations });
    Ok(image)
}

fn parse_section(source: &dyn ByteSource, base: u64, section: &[u8]) -> Option<Segment> {
    let (virtual_size, raw_size) = (u32_at(section, 8)?, u32_at(section, 16)?);
    let flags = u32_at(section, 36)?;
    let size = if virtual_size == 0 { raw_size } else { virtual_size };
    let segment = Segment {
        address: base.checked_add(u32_at(section, 12)?.into())?,
        size: size.into(),
        offset: u32_at(section, 20)?.into(),
        file_size: raw_size.min(size).into(),
        executable: flags & 0x2000_0000 != 0,
        writable: flags & 0x8000_0000 != 0,
    };
    (segment.offset + segment.file_size <= source.size()).then_some(segment)
}

fn read_import_table(image: &mut Image, base: u64, table: u64) -> Option<HashMap<u64, u32>> {
    let mut thunks = HashMap::new();
    if table == 0 {
        return Some(thunks);
    }
    for library in 0..MAX_LIBRARIES {
        let at = base.checked_add(table)?.checked_add(library * 20)?;
        let field = |offset: u64| image.read_u32(at.wrapping_add(offset)).map(u64::from);
        let (lookup, name, addresses) = (field(0)?, field(12)?, field(16)?);
        if name == 0 && addresses == 0 {
            return Some(thunks);
        }
        let library_name = image.read_c_string(base.wrapping_add(name))?;
        let names = base.wrapping_add(if lookup == 0 { addresses } else { lookup });
        for index in 0..MAX_IMPORTS {
            let entry = image.read_u64(names.checked_add(index * 8)?)?;
            if entry == 0 {
                break;
            }
            let name = if entry >> 63 == 1 {
                format!("{library_name}#{}", entry & 0xffff)
            } else {
                image.read_c_string(base.wrapping_add(entry & 0x7fff_ffff).wrapping_add(2))?
            };
            let number = u32::try_from(image.imports.len()).ok()?;
            thunks.insert(base.wrapping_add(addresses).wrapping_add(index * 8), number);
            image.imports.push(ImportedSymbol { name, weak: false });
        }
        image.needed.push(library_name);
    }
    None
}

impl FormatTables for PeTables {
    fn pointer_at(&self, _: &Image, address: u64) -> Option<LoadedPointer> {
        self.thunks.get(&address).map(|index| LoadedPointer::Import(*index, 0))
    }

    fn find_export(&self, image: &Image, name: &str) -> Option<u64> {
        if self.exports == 0 {
            return None;
        }
        let field = |offset: u64| image.read_u32(self.exports.wrapping_add(offset)).map(u64::from);
        let (count, functions, names, ordinals) = (field(24)?, field(28)?, field(32)?, field(36)?);
        let address_of =
            |table: u64, index: u64, width: u64| self.base.wrapping_add(table).wrapping_add(index * width);
        // The export names are sorted: binary search.
        let (mut low, mut high) = (0, count.min(MAX_IMPORTS));
        while low < high {
            let middle = low.midpoint(high);
            let at = image.read_u32(address_of(names, middle, 4))?;
            let found = image.read_c_string(self.base.wrapping_add(at.into()))?;
            match found.as_str().cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let ordinal = image.read_u16(address_of(ordinals, middle, 2))?;
                    let function = image.read_u32(address_of(functions, ordinal.into(), 4))?;
                    return Some(self.base.wrapping_add(function.into()));
                }
            }
        }
        None
    }

    fn for_each_pointer_into(&self, image: &Image, range: Range<u64>, visit: &mut dyn FnMut(u64)) {
        let (start, size) = self.relocations;
        let Some(table) = image.read_table(start, size) else { return };
        let mut at = 0;
        while let (Some(page), Some(length)) = (u32_at(&table, at), u32_at(&table, at + 4)) {
            let length = length as usize;
            if length < 8 {
                return;
            }
            for entry in (at + 8..at + length).step_by(2).filter_map(|entry| u16_at(&table, entry)) {
                let address = self.base.wrapping_add(page.into()).wrapping_add((entry & 0xfff).into());
                if entry >> 12 == 10 && image.read_u64(address).is_some_and(|target| range.contains(&target))
                {
                    visit(address);
                }
            }
            at += length;
        }
    }
}
