//! PE, by hand on top of the mapped sections: every table is read by its address, so that an import table
//! whose names lie in another section than its thunks reads like any other (`object` 0.37 and up to 0.40
//! give up on 16 of 392 `.pyd` of popular wheels for that reason).
//! Facts: <https://learn.microsoft.com/windows/win32/debug/pe-format>.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::elf::Nothing;
use super::kind::Kind;
use super::memory::{Image, Import, Link, Pages, Segment, Tables};
use super::source::{Source, read, u16_at, u32_at, u64_at};

const MOST_SECTIONS: u16 = 96;
const MOST_IMPORTS: u64 = 1 << 16;
const MOST_LIBRARIES: u64 = 1024;
const EXPORTS: usize = 0;
const IMPORTS: usize = 1;
const RELOCATIONS: usize = 5;
const THREAD_LOCAL: usize = 9;

struct PeTables {
    base: u64,
    /// Import by the address of its entry in the import address table.
    thunks: HashMap<u64, u32>,
    exports: u64,
    relocations: (u64, u64),
}

/// Lays out a 64-bit PE file at its preferred address, where pointers need no relocation.
pub(super) fn load(source: Rc<dyn Source>, kind: Kind) -> Result<Image, &'static str> {
    let broken = "the PE headers are broken";
    let header = read(&*source, 0, 64).ok_or(broken)?;
    let at = u64::from(u32_at(&header, 0x3c).ok_or(broken)?);
    let coff = read(&*source, at, 24).ok_or(broken)?;
    let size = u16_at(&coff, 20).ok_or(broken)?;
    let optional = read(&*source, at + 24, size.into()).ok_or(broken)?;
    let base = u64_at(&optional, 24).ok_or(broken)?;
    let entry = u32_at(&optional, 16).ok_or(broken)?;
    let directory = |index: usize| {
        let at = 112 + index * 8;
        (u64::from(u32_at(&optional, at).unwrap_or(0)), u64::from(u32_at(&optional, at + 4).unwrap_or(0)))
    };
    let count = u16_at(&coff, 6).ok_or(broken)?.min(MOST_SECTIONS);
    let table = at + 24 + u64::from(size);
    let sections = read(&*source, table, u64::from(count) * 40).ok_or(broken)?;
    let segments =
        sections.chunks_exact(40).map(|section| segment(&*source, base, section)).collect::<Option<_>>();
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
        tables: Box::new(Nothing),
        pages: Pages::default(),
    };
    let thunks = thunks(&mut image, base, directory(IMPORTS).0).ok_or("the import table is broken")?;
    let exports = directory(EXPORTS).0;
    let exports = if exports == 0 { 0 } else { base.wrapping_add(exports) };
    let thread_local = directory(THREAD_LOCAL).0;
    if thread_local != 0 {
        image.thread_template = image.u64(base.wrapping_add(thread_local));
    }
    let (relocations, size) = directory(RELOCATIONS);
    let relocations = (base.wrapping_add(relocations), size);
    image.tables = Box::new(PeTables { base, thunks, exports, relocations });
    Ok(image)
}

fn segment(source: &dyn Source, base: u64, section: &[u8]) -> Option<Segment> {
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

fn thunks(image: &mut Image, base: u64, table: u64) -> Option<HashMap<u64, u32>> {
    let mut thunks = HashMap::new();
    if table == 0 {
        return Some(thunks);
    }
    for library in 0..MOST_LIBRARIES {
        let at = base.checked_add(table)?.checked_add(library * 20)?;
        let field = |offset: u64| image.u32(at.wrapping_add(offset)).map(u64::from);
        let (lookup, name, addresses) = (field(0)?, field(12)?, field(16)?);
        if name == 0 && addresses == 0 {
            return Some(thunks);
        }
        let library_name = image.text(base.wrapping_add(name))?;
        let names = base.wrapping_add(if lookup == 0 { addresses } else { lookup });
        for index in 0..MOST_IMPORTS {
            let entry = image.u64(names.checked_add(index * 8)?)?;
            if entry == 0 {
                break;
            }
            let name = if entry >> 63 == 1 {
                format!("{library_name}#{}", entry & 0xffff)
            } else {
                image.text(base.wrapping_add(entry & 0x7fff_ffff).wrapping_add(2))?
            };
            let number = u32::try_from(image.imports.len()).ok()?;
            thunks.insert(base.wrapping_add(addresses).wrapping_add(index * 8), number);
            image.imports.push(Import { name, weak: false });
        }
        image.needed.push(library_name);
    }
    None
}

impl Tables for PeTables {
    fn link(&self, _: &Image, address: u64) -> Option<Link> {
        self.thunks.get(&address).map(|index| Link::Import(*index, 0))
    }

    fn export(&self, image: &Image, name: &str) -> Option<u64> {
        if self.exports == 0 {
            return None;
        }
        let field = |offset: u64| image.u32(self.exports.wrapping_add(offset)).map(u64::from);
        let (count, functions, names, ordinals) = (field(24)?, field(28)?, field(32)?, field(36)?);
        let place =
            |table: u64, index: u64, width: u64| self.base.wrapping_add(table).wrapping_add(index * width);
        // Sorted by name.
        let (mut low, mut high) = (0, count.min(MOST_IMPORTS));
        while low < high {
            let middle = low.midpoint(high);
            let at = image.u32(place(names, middle, 4))?;
            let found = image.text(self.base.wrapping_add(at.into()))?;
            match found.as_str().cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let ordinal = image.u16(place(ordinals, middle, 2))?;
                    let function = image.u32(place(functions, ordinal.into(), 4))?;
                    return Some(self.base.wrapping_add(function.into()));
                }
            }
        }
        None
    }

    fn links_into(&self, image: &Image, range: Range<u64>, found: &mut dyn FnMut(u64)) {
        let (start, size) = self.relocations;
        let Some(table) = image.table(start, size) else { return };
        let mut at = 0;
        while let (Some(page), Some(length)) = (u32_at(&table, at), u32_at(&table, at + 4)) {
            let length = length as usize;
            if length < 8 {
                return;
            }
            for entry in (at + 8..at + length).step_by(2).filter_map(|entry| u16_at(&table, entry)) {
                let place = self.base.wrapping_add(page.into()).wrapping_add((entry & 0xfff).into());
                if entry >> 12 == 10 && image.u64(place).is_some_and(|target| range.contains(&target)) {
                    found(place);
                }
            }
            at += length;
        }
    }
}
