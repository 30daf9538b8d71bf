//! An ELF file's relocations, found by the address that they patch.

use std::ops::Range;

use super::memory::Image;
use super::source::u64_at;

/// One relocation; RELR entries look like RELA ones of the relative kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: u64,
    pub(super) kind: u32,
    pub(super) symbol: u32,
    pub(super) addend: i64,
}

const ENTRY: u64 = 24;
/// Entries that are read at once when all are looked at.
const PIECE: u64 = 2048;

impl Entry {
    fn parse(raw: &[u8]) -> Option<Self> {
        let info = u64_at(raw, 8)?;
        Some(Self {
            place: u64_at(raw, 0)?,
            kind: (info & 0xffff_ffff) as u32,
            symbol: (info >> 32) as u32,
            addend: u64_at(raw, 16)?.cast_signed(),
        })
    }
}

/// All of a file's relocations.
pub(super) struct Relocations {
    /// The raw RELA tables.
    tables: Vec<Table>,
    /// Places patched by RELR, in rising order, with the value stored there read on demand.
    relative: Vec<u64>,
    relative_kind: u32,
    /// All places lie in here: code and texts, which are asked about most, do not.
    span: Range<u64>,
}

/// Linkers put the relative entries first, by rising place, and say how many there are (`DT_RELACOUNT`):
/// those are looked up where they lie. The others are few, and read at once.
struct Table {
    address: u64,
    /// Entries that rise by place.
    rising: u64,
    /// The raw entries behind those.
    bytes: Vec<u8>,
    /// The same by place.
    rest: Vec<(u64, u32)>,
}

impl Relocations {
    pub(super) fn read(image: &Image, rela: [(u64, u64, u64); 2], relr: (u64, u64)) -> Self {
        let relative_kind = match image.kind.architecture {
            super::kind::Architecture::Aarch64 => 1027,
            super::kind::Architecture::X86_64 | super::kind::Architecture::Other(_) => 8,
        };
        let tables = rela.iter().filter(|(_, size, _)| *size > 0);
        let tables: Vec<Table> =
            tables.filter_map(|(at, size, rising)| Table::new(image, *at, *size, *rising)).collect();
        let relative = unpack(image, relr);
        let ends = tables.iter().flat_map(|table| table.ends(image));
        let ends: Vec<u64> = ends.chain(relative.first().copied()).chain(relative.last().copied()).collect();
        let first = ends.iter().min().copied().unwrap_or(0);
        let span = first..ends.iter().max().map_or(0, |last| last.saturating_add(1));
        Self { tables, relative, relative_kind, span }
    }

    /// The relocation that patches exactly this address.
    pub(super) fn at(&self, image: &Image, place: u64) -> Option<Entry> {
        if !self.span.contains(&place) {
            return None;
        }
        self.tables.iter().find_map(|table| table.at(image, place)).or_else(|| {
            self.relative.binary_search(&place).ok()?;
            self.packed(image, place)
        })
    }

    /// Every relocation, in the order of the file.
    pub(super) fn each(&self, image: &Image, found: &mut dyn FnMut(Entry)) {
        for table in &self.tables {
            table.each(image, found);
        }
        self.relative.iter().filter_map(|place| self.packed(image, *place)).for_each(found);
    }

    fn packed(&self, image: &Image, place: u64) -> Option<Entry> {
        let addend = image.u64(place)?.cast_signed();
        Some(Entry { place, kind: self.relative_kind, symbol: 0, addend })
    }
}

impl Table {
    fn new(image: &Image, address: u64, size: u64, rising: u64) -> Option<Self> {
        let count = size / ENTRY;
        let rising = rising.min(count);
        let start = address.checked_add(rising * ENTRY)?;
        let bytes = image.table(start, (count - rising) * ENTRY)?;
        let places = bytes.chunks_exact(ENTRY as usize).zip(0..);
        let mut rest: Vec<(u64, u32)> =
            places.filter_map(|(entry, index)| Some((u64_at(entry, 0)?, index))).collect();
        rest.sort_unstable();
        Some(Self { address, rising, bytes, rest })
    }

    /// The lowest and the highest place of both parts.
    fn ends(&self, image: &Image) -> impl Iterator<Item = u64> {
        let rising = [0, self.rising.saturating_sub(1)].into_iter().filter(|_| self.rising > 0);
        let rising: Vec<Entry> = rising.filter_map(|index| self.entry(image, index)).collect();
        let rest = self.rest.first().into_iter().chain(self.rest.last()).map(|(place, _)| *place);
        rising.into_iter().map(|entry| entry.place).chain(rest.collect::<Vec<_>>())
    }

    fn raw(&self, image: &Image, index: u64) -> Option<[u8; ENTRY as usize]> {
        let mut entry = [0; ENTRY as usize];
        if index < self.rising {
            return image.bytes(self.address.checked_add(index * ENTRY)?, &mut entry).then_some(entry);
        }
        let start = usize::try_from((index - self.rising) * ENTRY).ok()?;
        entry.copy_from_slice(self.bytes.get(start..start + ENTRY as usize)?);
        Some(entry)
    }

    fn entry(&self, image: &Image, index: u64) -> Option<Entry> {
        Entry::parse(&self.raw(image, index)?)
    }

    /// Every entry in order, the rising ones a piece of the table at a time.
    fn each(&self, image: &Image, found: &mut dyn FnMut(Entry)) {
        for first in (0..self.rising).step_by(PIECE as usize) {
            let count = PIECE.min(self.rising - first);
            match image.table(self.address.wrapping_add(first * ENTRY), count * ENTRY) {
                Some(piece) => {
                    piece.chunks_exact(ENTRY as usize).filter_map(Entry::parse).for_each(&mut *found)
                }
                None => {
                    let entries = (first..first + count).filter_map(|index| self.entry(image, index));
                    entries.for_each(&mut *found);
                }
            }
        }
        self.bytes.chunks_exact(ENTRY as usize).filter_map(Entry::parse).for_each(found);
    }

    fn at(&self, image: &Image, place: u64) -> Option<Entry> {
        // Nearly all that is asked for is an import, and those are in memory.
        let found = self.rest.partition_point(|(at, _)| *at < place);
        if let Some((_, index)) = self.rest.get(found).filter(|(at, _)| *at == place) {
            return self.entry(image, self.rising + u64::from(*index));
        }
        let (mut low, mut high) = (0, self.rising);
        while low < high {
            let middle = low.midpoint(high);
            let entry = self.entry(image, middle)?;
            match entry.place.cmp(&place) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(entry),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// RELR: an even word is an address, an odd one a bitmap of the 63 words after the last.
fn unpack(image: &Image, (at, size): (u64, u64)) -> Vec<u64> {
    let Some(words) = (size > 0).then(|| image.table(at, size)).flatten() else { return Vec::new() };
    let mut places = Vec::new();
    let mut next: u64 = 0;
    for word in words.chunks_exact(8).filter_map(|word| u64_at(word, 0)) {
        if places.len() > 8 << 20 {
            break;
        }
        if word & 1 == 0 {
            places.push(word);
            next = word.wrapping_add(8);
        } else {
            let bits = (0..63).filter(|bit| word >> (bit + 1) & 1 == 1);
            places.extend(bits.map(|bit| next.wrapping_add(bit * 8)));
            next = next.wrapping_add(63 * 8);
        }
    }
    places.sort_unstable();
    places
}
