//! File offsets of a shared object's tables: program headers, dynamic section, dynamic strings.

use std::mem::offset_of;

use object::Endianness as E;
use object::elf::{self, DynamicTag, FileHeader32, FileHeader64, ProgramHeader32, ProgramHeader64};

use super::elf_error::ElfError;
use super::encoding::Encoding;

/// Most entries of a dynamic section; no real file comes close.
const MAX_DYNAMIC: usize = 65_536;

/// Offset of a field in the 32-bit or 64-bit layout of a structure.
macro_rules! field {
    ($encoding:expr, $in_32:ident, $in_64:ident, $field:ident) => {
        $encoding.choose_by_class(offset_of!($in_32<E>, $field), offset_of!($in_64<E>, $field))
    };
}
pub(super) use field;

/// A program header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// File offset of the header itself.
    pub(super) at: usize,
    pub(super) kind: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
    pub(super) align: u64,
}

/// An entry of the dynamic section.
#[derive(Clone, Copy, Debug)]
pub(super) struct DynamicEntry {
    /// File offset of the entry's value.
    pub(super) value_at: usize,
    pub(super) tag: DynamicTag,
    pub(super) value: u64,
}

/// A shared object's bytes, and where its tables are.
pub(super) struct ElfLayout<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) encoding: Encoding,
    /// `e_machine`, and whether addresses have 64 bits.
    pub(super) machine: (u16, bool),
    pub(super) segments: Vec<Segment>,
    pub(super) dynamic: Vec<DynamicEntry>,
    /// File offset and size of the table of dynamic strings; both 0 if there is none.
    pub(super) strings: (usize, usize),
}

impl<'b> ElfLayout<'b> {
    /// Reads the headers of a shared object.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, ElfError> {
        let encoding = Encoding::read(bytes)?;
        let kind = field!(encoding, FileHeader32, FileHeader64, e_type);
        if encoding.read_u16(bytes, kind) != Some(elf::ET_DYN.0) {
            return Err(ElfError::NotSharedObject);
        }
        let machine = encoding.read_u16(bytes, field!(encoding, FileHeader32, FileHeader64, e_machine));
        let machine = (machine.ok_or(ElfError::NotElf)?, encoding.is_64);
        let segments = read_segments(bytes, encoding)?;
        let dynamic = read_dynamic(bytes, encoding, &segments)?;
        let mut layout = Self { bytes, encoding, machine, segments, dynamic, strings: (0, 0) };
        layout.strings = layout.find_strings()?;
        Ok(layout)
    }

    /// Returns the value of the first dynamic entry with this tag.
    pub(super) fn dynamic_value(&self, tag: DynamicTag) -> Option<u64> {
        self.dynamic.iter().find(|entry| entry.tag == tag).map(|entry| entry.value)
    }

    /// Converts a virtual address to a file offset; `None` if no loadable segment has it in the file.
    pub(super) fn offset_of_address(&self, address: u64) -> Option<usize> {
        let mut loaded = self.segments.iter().filter(|segment| segment.kind == elf::PT_LOAD.0);
        let segment = loaded.find(|segment| {
            address.checked_sub(segment.address).is_some_and(|inside| inside < segment.file_size)
        })?;
        usize::try_from(address.checked_sub(segment.address)?.checked_add(segment.offset)?).ok()
    }

    /// Returns the dynamic string at an offset in the table, without its NUL; `None` if it lies outside.
    pub(super) fn string_at(&self, offset: u64) -> Option<&'b [u8]> {
        let (start, size) = self.strings;
        let table = self.bytes.get(start..start.checked_add(size)?)?;
        let string = table.get(usize::try_from(offset).ok()?..)?;
        string.get(..string.iter().position(|byte| *byte == 0)?)
    }

    fn find_strings(&self) -> Result<(usize, usize), ElfError> {
        let Some(address) = self.dynamic_value(elf::DT_STRTAB) else {
            return Ok((0, 0));
        };
        let outside = ElfError::OutsideFile("table of dynamic strings");
        let size = self.dynamic_value(elf::DT_STRSZ).unwrap_or(0);
        let offset = self.offset_of_address(address).ok_or(outside)?;
        let size = usize::try_from(size).map_err(|_| outside)?;
        match offset.checked_add(size) {
            Some(end) if end <= self.bytes.len() => Ok((offset, size)),
            Some(_) | None => Err(outside),
        }
    }
}

fn read_segments(bytes: &[u8], encoding: Encoding) -> Result<Vec<Segment>, ElfError> {
    let outside = ElfError::OutsideFile("table of program headers");
    let at = |offset| encoding.read_word(bytes, offset).and_then(|start| usize::try_from(start).ok());
    let start = at(field!(encoding, FileHeader32, FileHeader64, e_phoff)).ok_or(outside)?;
    let count =
        encoding.read_u16(bytes, field!(encoding, FileHeader32, FileHeader64, e_phnum)).ok_or(outside)?;
    let size = encoding.choose_by_class(size_of::<ProgramHeader32<E>>(), size_of::<ProgramHeader64<E>>());
    (0..usize::from(count))
        .map(|index| {
            let at = start.checked_add(index * size)?;
            let word = |offset: usize| encoding.read_word(bytes, at.checked_add(offset)?);
            Some(Segment {
                at,
                kind: encoding.read_u32(bytes, at)?,
                offset: word(field!(encoding, ProgramHeader32, ProgramHeader64, p_offset))?,
                address: word(field!(encoding, ProgramHeader32, ProgramHeader64, p_vaddr))?,
                file_size: word(field!(encoding, ProgramHeader32, ProgramHeader64, p_filesz))?,
                memory_size: word(field!(encoding, ProgramHeader32, ProgramHeader64, p_memsz))?,
                align: word(field!(encoding, ProgramHeader32, ProgramHeader64, p_align))?,
            })
        })
        .collect::<Option<_>>()
        .ok_or(outside)
}

fn read_dynamic(
    bytes: &[u8],
    encoding: Encoding,
    segments: &[Segment],
) -> Result<Vec<DynamicEntry>, ElfError> {
    let outside = ElfError::OutsideFile("dynamic section");
    let Some(segment) = segments.iter().find(|segment| segment.kind == elf::PT_DYNAMIC.0) else {
        return Ok(Vec::new());
    };
    let start = usize::try_from(segment.offset).map_err(|_| outside)?;
    let word = encoding.word_size();
    let mut entries = Vec::new();
    for index in 0..MAX_DYNAMIC {
        let at = start.checked_add(index * 2 * word).ok_or(outside)?;
        let value_at = at.checked_add(word).ok_or(outside)?;
        let (Some(tag), Some(value)) = (encoding.read_word(bytes, at), encoding.read_word(bytes, value_at))
        else {
            return Err(outside);
        };
        if tag == 0 {
            return Ok(entries);
        }
        entries.push(DynamicEntry { value_at, tag: DynamicTag(tag.cast_signed()), value });
    }
    Err(ElfError::TooLong("dynamic section"))
}
