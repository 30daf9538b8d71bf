//! The relocations of an ELF file, indexed by the address that they patch.

use std::ops::Range;

use super::byte_source::u64_at;
use super::memory::Image;
use super::shared_object_kind::Architecture;

/// One relocation. RELR entries are represented as RELA entries of the relative type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relocation {
    pub(super) address: u64,
    pub(super) kind: RelocationKind,
    pub(super) symbol: u32,
    pub(super) addend: i64,
}

/// What a relocation stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelocationKind {
    /// An address of the same file.
    Relative,
    /// The address of a symbol.
    Symbolic,
    /// Something else.
    Other,
}

const ENTRY: u64 = 24;
/// Entries that are read in one chunk when all are visited.
const CHUNK: u64 = 2048;

impl RelocationKind {
    fn from_number(architecture: Architecture, number: u32) -> Self {
        match (architecture, number) {
            // R_X86_64_RELATIVE; R_AARCH64_RELATIVE
            (Architecture::X86_64, 8) | (Architecture::Aarch64, 1027) => Self::Relative,
            // R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT; R_AARCH64_ABS64, R_AARCH64_GLOB_DAT,
            // R_AARCH64_JUMP_SLOT
            (Architecture::X86_64, 1 | 6 | 7) | (Architecture::Aarch64, 257 | 1025 | 1026) => Self::Symbolic,
            (Architecture::X86_64 | Architecture::Aarch64 | Architecture::Other(_), _) => Self::Other,
        }
    }
}

impl Relocation {
    fn parse(raw: &[u8], architecture: Architecture) -> Option<Self> {
        let info = u64_at(raw, 8)?;
        Some(Self {
            address: u64_at(raw, 0)?,
            kind: RelocationKind::from_number(architecture, (info & 0xffff_ffff) as u32),
            symbol: (info >> 32) as u32,
            addend: u64_at(raw, 16)?.cast_signed(),
        })
    }
}

/// All of a file's relocations.
pub(super) struct Relocations {
    /// The raw RELA tables.
    tables: Vec<RelocationTable>,
    /// Addresses patched by RELR, sorted. The value stored there is read on demand.
    relative: Vec<u64>,
    /// The range of all patched addresses. Most lookups are for code and strings, which lie outside.
    span: Range<u64>,
}

/// One RELA table.
///
/// Linkers put the relative entries first, sorted by address, and state their number (`DT_RELACOUNT`). These
/// are looked up in the file. The remaining entries are few and kept in memory.
struct RelocationTable {
    address: u64,
    /// Number of leading entries that are sorted by address.
    sorted: u64,
    /// The raw entries after them.
    bytes: Vec<u8>,
    /// Addresses and indexes of the raw entries, sorted.
    rest: Vec<(u64, u32)>,
}

impl Relocations {
    pub(super) fn read_tables(image: &Image, rela: [(u64, u64, u64); 2], relr: (u64, u64)) -> Self {
        let tables = rela.iter().filter(|(_, size, _)| *size > 0);
        let tables: Vec<RelocationTable> = tables
            .filter_map(|(at, size, sorted)| RelocationTable::new(image, *at, *size, *sorted))
            .collect();
        let relative = unpack_relr(image, relr);
        let ends = tables.iter().flat_map(|table| table.address_bounds(image));
        let ends: Vec<u64> = ends.chain(relative.first().copied()).chain(relative.last().copied()).collect();
        let first = ends.iter().min().copied().unwrap_or(0);
        let span = first..ends.iter().max().map_or(0, |last| last.saturating_add(1));
        Self { tables, relative, span }
    }

    /// The relocation that patches exactly this address.
    pub(super) fn find_at(&self, image: &Image, address: u64) -> Option<Relocation> {
        if !self.span.contains(&address) {
            return None;
        }
        self.tables.iter().find_map(|table| table.find_at(image, address)).or_else(|| {
            self.relative.binary_search(&address).ok()?;
            self.read_relr_entry(image, address)
        })
    }

    /// Calls `visit` with every relocation in the order of the file.
    pub(super) fn for_each(&self, image: &Image, visit: &mut dyn FnMut(Relocation)) {
        for table in &self.tables {
            table.for_each(image, visit);
        }
        self.relative.iter().filter_map(|address| self.read_relr_entry(image, *address)).for_each(visit);
    }

    fn read_relr_entry(&self, image: &Image, address: u64) -> Option<Relocation> {
        let addend = image.read_u64(address)?.cast_signed();
        Some(Relocation { address, kind: RelocationKind::Relative, symbol: 0, addend })
    }
}

impl RelocationTable {
    fn new(image: &Image, address: u64, size: u64, sorted: u64) -> Option<Self> {
        let count = size / ENTRY;
        let sorted = sorted.min(count);
        let start = address.checked_add(sorted * ENTRY)?;
        let bytes = image.read_table(start, (count - sorted) * ENTRY)?;
        let addresses = bytes.chunks_exact(ENTRY as usize).zip(0..);
        let mut rest: Vec<(u64, u32)> =
            addresses.filter_map(|(entry, index)| Some((u64_at(entry, 0)?, index))).collect();
        rest.sort_unstable();
        Some(Self { address, sorted, bytes, rest })
    }

    /// The lowest and the highest address of the sorted and of the other entries.
    fn address_bounds(&self, image: &Image) -> impl Iterator<Item = u64> {
        let sorted = [0, self.sorted.saturating_sub(1)].into_iter().filter(|_| self.sorted > 0);
        let sorted: Vec<Relocation> = sorted.filter_map(|index| self.read_entry(image, index)).collect();
        let rest = self.rest.first().into_iter().chain(self.rest.last()).map(|(address, _)| *address);
        sorted.into_iter().map(|entry| entry.address).chain(rest.collect::<Vec<_>>())
    }

    fn read_raw_entry(&self, image: &Image, index: u64) -> Option<[u8; ENTRY as usize]> {
        let mut entry = [0; ENTRY as usize];
        if index < self.sorted {
            return image.read_bytes(self.address.checked_add(index * ENTRY)?, &mut entry).then_some(entry);
        }
        let start = usize::try_from((index - self.sorted) * ENTRY).ok()?;
        entry.copy_from_slice(self.bytes.get(start..start + ENTRY as usize)?);
        Some(entry)
    }

    fn read_entry(&self, image: &Image, index: u64) -> Option<Relocation> {
        Relocation::parse(&self.read_raw_entry(image, index)?, image.kind.architecture)
    }

    /// Calls `visit` with every entry in order, reading the sorted ones in chunks.
    fn for_each(&self, image: &Image, visit: &mut dyn FnMut(Relocation)) {
        let parse = |raw: &[u8]| Relocation::parse(raw, image.kind.architecture);
        for first in (0..self.sorted).step_by(CHUNK as usize) {
            let count = CHUNK.min(self.sorted - first);
            match image.read_table(self.address.wrapping_add(first * ENTRY), count * ENTRY) {
                Some(chunk) => chunk.chunks_exact(ENTRY as usize).filter_map(parse).for_each(&mut *visit),
                None => {
                    let entries = (first..first + count).filter_map(|index| self.read_entry(image, index));
                    entries.for_each(&mut *visit);
                }
            }
        }
        self.bytes.chunks_exact(ENTRY as usize).filter_map(parse).for_each(visit);
    }

    fn find_at(&self, image: &Image, address: u64) -> Option<Relocation> {
        // Most lookups are for imports, which are in memory.
        let found = self.rest.partition_point(|(at, _)| *at < address);
        if let Some((_, index)) = self.rest.get(found).filter(|(at, _)| *at == address) {
            return self.read_entry(image, self.sorted + u64::from(*index));
        }
        let (mut low, mut high) = (0, self.sorted);
        while low < high {
            let middle = low.midpoint(high);
            let entry = self.read_entry(image, middle)?;
            match entry.address.cmp(&address) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(entry),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// Decodes RELR: an even word is an address, an odd word is a bitmap of the 63 words that follow.
fn unpack_relr(image: &Image, (at, size): (u64, u64)) -> Vec<u64> {
    let Some(words) = (size > 0).then(|| image.read_table(at, size)).flatten() else { return Vec::new() };
    let mut addresses = Vec::new();
    let mut next: u64 = 0;
    for word in words.chunks_exact(8).filter_map(|word| u64_at(word, 0)) {
        if addresses.len() > 8 << 20 {
            break;
        }
        if word & 1 == 0 {
            addresses.push(word);
            next = word.wrapping_add(8);
        } else {
            let bits = (0..63).filter(|bit| word >> (bit + 1) & 1 == 1);
            addresses.extend(bits.map(|bit| next.wrapping_add(bit * 8)));
            next = next.wrapping_add(63 * 8);
        }
    }
    addresses.sort_unstable();
    addresses
}
