//! Moves the table of dynamic strings to the end of a shared object, and appends new strings.
//!
//! The new table is in a new loadable segment. There is no room for one more program header, so the program
//! headers move into that segment too: the dynamic linker reads them wherever `e_phoff` says, and
//! `dl_iterate_phdr`, which unwinders use, finds them because they are loaded. All other bytes keep their
//! addresses. The old table stays, unused.

use std::collections::BTreeMap;
use std::mem::offset_of;

use object::Endianness as E;
use object::elf::{
    self, FileHeader32, FileHeader64, ProgramHeader32, ProgramHeader64, SectionHeader32, SectionHeader64,
};

use super::elf_error::ElfError;
use super::elf_layout::{ElfLayout, field};
use super::rewrite::{Replacement, Rewrite};

/// The largest page size in use (AArch64). Some linkers align segments to 2 MiB, which is not needed here.
const MAX_PAGE_SIZE: u64 = 0x1_0000;
const MIN_PAGE_SIZE: u64 = 0x1000;
/// Alignment of the program headers in the file.
const HEADER_ALIGN: u64 = 64;

/// Where the new segment is in the file and in memory.
struct SegmentPlace {
    offset: u64,
    address: u64,
    size: u64,
    page: u64,
}

/// Adds the edits that move the table and make `replacements` refer to the new strings.
pub(super) fn move_strings(
    layout: &ElfLayout<'_>,
    replacements: &[Replacement],
    rewrite: &mut Rewrite,
) -> Result<(), ElfError> {
    let (encoding, bytes) = (layout.encoding, layout.bytes);
    let outside = ElfError::OutsideFile("table of dynamic strings");
    let (start, size) = layout.strings;
    let mut strings = bytes.get(start..start + size).ok_or(outside)?.to_vec();
    let mut added: BTreeMap<&[u8], u64> = BTreeMap::new();
    for Replacement { reference, name } in replacements {
        let offset = *added.entry(name).or_insert_with(|| {
            let offset = strings.len() as u64;
            strings.extend_from_slice(name);
            strings.push(0);
            offset
        });
        let short = u32::try_from(offset).map_err(|_| ElfError::NoRoom("dynamic strings"))?;
        let value =
            if reference.is_word { encoding.encode_word(offset) } else { Some(encoding.encode_u32(short)) };
        rewrite.push_edit(reference.field_at, value.ok_or(ElfError::NoRoom("dynamic strings"))?);
    }

    let no_room = ElfError::NoRoom("program headers");
    let header_size =
        encoding.choose_by_class(size_of::<ProgramHeader32<E>>(), size_of::<ProgramHeader64<E>>());
    let count = u16::try_from(layout.segments.len() + 1).map_err(|_| no_room)?;
    let headers_size = header_size * usize::from(count);
    let place = choose_place(layout, (headers_size + strings.len()) as u64).ok_or(no_room)?;
    let strings_address = place.address + headers_size as u64;
    let strings_offset = place.offset + headers_size as u64;

    let mut tail = write_program_headers(layout, &place, header_size).ok_or(no_room)?;
    let strings_size = strings.len() as u64;
    tail.extend(strings);
    rewrite.push_edit(usize::try_from(place.offset).map_err(|_| no_room)?, tail);
    rewrite.moves_strings = true;

    let mut put_word = |at: usize, value: u64| -> Result<(), ElfError> {
        rewrite.push_edit(at, encoding.encode_word(value).ok_or(no_room)?);
        Ok(())
    };
    put_word(field!(encoding, FileHeader32, FileHeader64, e_phoff), place.offset)?;
    for entry in &layout.dynamic {
        match entry.tag {
            elf::DT_STRTAB => put_word(entry.value_at, strings_address)?,
            elf::DT_STRSZ => put_word(entry.value_at, strings_size)?,
            _ => {}
        }
    }
    if let Some(section) = find_strings_section(layout) {
        put_word(section + field!(encoding, SectionHeader32, SectionHeader64, sh_addr), strings_address)?;
        put_word(section + field!(encoding, SectionHeader32, SectionHeader64, sh_offset), strings_offset)?;
        put_word(section + field!(encoding, SectionHeader32, SectionHeader64, sh_size), strings_size)?;
    }
    rewrite.push_edit(field!(encoding, FileHeader32, FileHeader64, e_phnum), encoding.encode_u16(count));
    Ok(())
}

/// Chooses a place after all of the file and of the loaded segments. Offset and address are congruent modulo
/// the page size, as `mmap` requires.
fn choose_place(layout: &ElfLayout<'_>, size: u64) -> Option<SegmentPlace> {
    let loaded = || layout.segments.iter().filter(|segment| segment.kind == elf::PT_LOAD.0);
    let page = loaded().map(|segment| segment.align).max()?.clamp(MIN_PAGE_SIZE, MAX_PAGE_SIZE);
    let last = loaded().filter_map(|segment| segment.address.checked_add(segment.memory_size)).max()?;
    let offset = (layout.bytes.len() as u64).checked_next_multiple_of(HEADER_ALIGN)?;
    let address = last.checked_next_multiple_of(page)?.checked_add(offset % page)?;
    address.checked_add(size)?;
    Some(SegmentPlace { offset, address, size, page })
}

/// Writes the old program headers and the new one. Loadable segments are sorted by address, so it stands
/// after the last of them.
fn write_program_headers(
    layout: &ElfLayout<'_>,
    place: &SegmentPlace,
    header_size: usize,
) -> Option<Vec<u8>> {
    let last = layout.segments.iter().rposition(|segment| segment.kind == elf::PT_LOAD.0)?;
    let headers_size = (layout.segments.len() as u64 + 1) * header_size as u64;
    let mut table = Vec::new();
    for (index, segment) in layout.segments.iter().enumerate() {
        let mut header = layout.bytes.get(segment.at..segment.at + header_size)?.to_vec();
        if segment.kind == elf::PT_PHDR.0 {
            let own = SegmentPlace { size: headers_size, page: segment.align, ..*place };
            header = write_header(layout, elf::PT_PHDR.0, &own)?;
        }
        table.extend(header);
        if index == last {
            table.extend(write_header(layout, elf::PT_LOAD.0, place)?);
        }
    }
    Some(table)
}

/// Writes the program header of a read-only segment.
fn write_header(layout: &ElfLayout<'_>, kind: u32, place: &SegmentPlace) -> Option<Vec<u8>> {
    let encoding = layout.encoding;
    let word = |value| encoding.encode_word(value);
    let (kind, flags) = (encoding.encode_u32(kind), encoding.encode_u32(elf::PF_R.0));
    let (offset, address, size) = (word(place.offset)?, word(place.address)?, word(place.size)?);
    let (physical, in_memory, align) = (address.clone(), size.clone(), word(place.page)?);
    Some(match encoding.is_64 {
        true => [kind, flags, offset, address, physical, size, in_memory, align].concat(),
        false => [kind, offset, address, physical, size, in_memory, flags, align].concat(),
    })
}

/// Returns the file offset of the section header of the dynamic strings, if there is one with its address.
fn find_strings_section(layout: &ElfLayout<'_>) -> Option<usize> {
    let (encoding, bytes) = (layout.encoding, layout.bytes);
    let start = encoding.read_word(bytes, field!(encoding, FileHeader32, FileHeader64, e_shoff))?;
    let start = usize::try_from(start).ok().filter(|start| *start != 0)?;
    let count = encoding.read_u16(bytes, field!(encoding, FileHeader32, FileHeader64, e_shnum))?;
    let size = encoding.choose_by_class(size_of::<SectionHeader32<E>>(), size_of::<SectionHeader64<E>>());
    let address = layout.dynamic_value(elf::DT_STRTAB)?;
    (0..usize::from(count)).filter_map(|index| start.checked_add(index * size)).find(|at| {
        let kind = encoding.read_u32(bytes, at + field!(encoding, SectionHeader32, SectionHeader64, sh_type));
        let found =
            encoding.read_word(bytes, at + field!(encoding, SectionHeader32, SectionHeader64, sh_addr));
        kind == Some(elf::SHT_STRTAB.0) && found == Some(address)
    })
}
