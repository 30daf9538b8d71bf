//! Memory written by the interpreted code, as a layer over the memory of the files. Paths share unmodified
//! pages after a fork, so thousands of paths fit in memory.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

use super::value::{AbstractValue, UnknownId, byte_mask};

/// Eight-byte words per page.
const WORDS: u64 = 32;

/// Written pages by number.
#[derive(Clone, Debug, Default)]
pub(in crate::image) struct MemoryOverlay {
    pages: Rc<BTreeMap<u64, Rc<OverlayPage>>>,
    /// Sum of [`OverlayWord::digest`] over all words, updated on each write, so that comparing overlays is
    /// cheap.
    digest: u64,
}

type OverlayPage = [OverlayWord; WORDS as usize];

/// Eight bytes, with bit masks of the bytes that were written and of those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct OverlayWord {
    bytes: u64,
    known: u8,
    written: u8,
    /// The unknown value that the whole word holds.
    id: UnknownId,
}

impl OverlayWord {
    /// A hash of a word and its index; 0 if nothing was written.
    fn digest(self, index: u64) -> u64 {
        if self.written == 0 {
            return 0;
        }
        let marks = u64::from(self.known) | u64::from(self.written) << 8 | u64::from(self.id.number) << 16;
        mix_bits(mix_bits(mix_bits(index) ^ self.bytes) ^ marks)
    }
}

/// The finalizer of splitmix64.
fn mix_bits(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

impl Hash for MemoryOverlay {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

const UNWRITTEN: OverlayWord = OverlayWord { bytes: 0, known: 0, written: 0, id: UnknownId::NOBODY };

/// The result of reading a range from the overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum OverlayLookup {
    /// The whole range was written.
    All(AbstractValue),
    /// Nothing in the range was written.
    None,
    /// Part of the range was written: read it byte by byte.
    Partly,
}

impl MemoryOverlay {
    fn word_at(&self, address: u64) -> OverlayWord {
        let index = address / 8;
        let page = self.pages.get(&(index / WORDS));
        page.map_or(UNWRITTEN, |page| page[(index % WORDS) as usize])
    }

    fn change_word(&mut self, address: u64, change: impl FnOnce(&mut OverlayWord)) {
        let index = address / 8;
        let pages = Rc::make_mut(&mut self.pages);
        let page = pages.entry(index / WORDS).or_insert_with(|| Rc::new([UNWRITTEN; WORDS as usize]));
        let word = &mut Rc::make_mut(page)[(index % WORDS) as usize];
        self.digest = self.digest.wrapping_sub(word.digest(index));
        change(word);
        self.digest = self.digest.wrapping_add(word.digest(index));
    }

    /// At most eight bytes.
    pub(in crate::image) fn read_bytes(&self, address: u64, bytes: u32) -> OverlayLookup {
        let word = self.word_at(address);
        if address.is_multiple_of(8) && bytes == 8 {
            match (word.written, word.known) {
                (0, _) => return OverlayLookup::None,
                (0xff, 0xff) => return OverlayLookup::All(AbstractValue::Known(word.bytes)),
                (0xff, known) if known & 0xf == 0xf => {
                    return OverlayLookup::All(AbstractValue::from_low_half(word.bytes as u32));
                }
                (0xff, _) => return OverlayLookup::All(AbstractValue::Unknown(word.id)),
                (_, _) => return OverlayLookup::Partly,
            }
        }
        let (mut value, mut seen, mut unknown) = (0_u64, 0, false);
        for index in 0..bytes {
            let at = address.wrapping_add(index.into());
            let word = if at / 8 == address / 8 { word } else { self.word_at(at) };
            let bit = 1_u8 << (at % 8);
            if word.written & bit != 0 {
                seen += 1;
                unknown |= word.known & bit == 0;
                value |= (word.bytes >> (at % 8 * 8) & 0xff) << (index * 8);
            }
        }
        match seen {
            0 => OverlayLookup::None,
            all if all == bytes && unknown => OverlayLookup::All(AbstractValue::UNKNOWN),
            all if all == bytes => OverlayLookup::All(AbstractValue::Known(value)),
            _ => OverlayLookup::Partly,
        }
    }

    /// At most eight bytes.
    pub(in crate::image) fn write_bytes(&mut self, address: u64, bytes: u32, value: AbstractValue) {
        if let (8, AbstractValue::Unknown(id)) = (bytes, value)
            && let Some(half) = id.half()
        {
            self.write_bytes(address, 4, AbstractValue::Known(half.into()));
            return self.write_bytes(address.wrapping_add(4), 4, AbstractValue::UNKNOWN);
        }
        if let (0, 8, AbstractValue::Unknown(id)) = (address % 8, bytes, value) {
            return self
                .change_word(address, |word| *word = OverlayWord { bytes: 0, known: 0, written: 0xff, id });
        }
        let mut done = 0;
        while done < bytes {
            let at = address.wrapping_add(done.into());
            let first = (at % 8) as u32;
            let count = (8 - first).min(bytes - done);
            let (marks, bits) = ((0xff_u8 >> (8 - count)) << first, byte_mask(count) << (first * 8));
            let part = value.as_known().map(|value| value >> (done * 8) << (first * 8) & bits);
            self.change_word(at, |word| {
                word.id = UnknownId::NOBODY;
                word.written |= marks;
                word.known = if part.is_some() { word.known | marks } else { word.known & !marks };
                word.bytes = word.bytes & !bits | part.unwrap_or(0);
            });
            done += count;
        }
    }

    /// Makes the written bytes in a range unknown.
    pub(in crate::image) fn forget_range(&mut self, range: Range<u64>) {
        for index in range.start / 8..range.end.div_ceil(8) {
            if self.word_at(index * 8).written == 0 {
                continue;
            }
            self.change_word(index * 8, |word| {
                for byte in (0..8).filter(|byte| range.contains(&(index * 8 + byte))) {
                    word.known &= !(1 << byte);
                    word.bytes &= !(0xff << (byte * 8));
                    word.id = UnknownId::NOBODY;
                }
            });
        }
    }

    /// Replaces an unknown value wherever it is stored.
    pub(in crate::image) fn replace_unknown(&mut self, id: UnknownId, value: AbstractValue) {
        self.replace_unknown_below(u64::MAX, id, value);
    }

    /// Replaces an unknown value that is stored below the address `end`.
    pub(in crate::image) fn replace_unknown_below(&mut self, end: u64, id: UnknownId, value: AbstractValue) {
        let pages = self.pages.range(..=end / 8 / WORDS);
        let held = pages.flat_map(|(number, page)| {
            let words = page.iter().enumerate().filter(|(_, word)| word.id == id);
            words.map(move |(index, _)| (number * WORDS + index as u64) * 8)
        });
        for address in held.filter(|address| *address < end).collect::<Vec<_>>() {
            let (bytes, known) = value.as_known().map_or((0, 0), |value| (value, 0xff));
            self.change_word(address, |word| {
                *word = OverlayWord { bytes, known, written: 0xff, id: UnknownId::NOBODY }
            });
        }
    }

    /// The unknown values that are stored.
    pub(in crate::image) fn unknown_ids(&self) -> impl Iterator<Item = UnknownId> {
        let words = self.pages.values().flat_map(|page| page.iter());
        words.map(|word| word.id).filter(|id| *id != UnknownId::NOBODY)
    }

    /// Erases the writes from `floor` up to `top`: frames of functions that have returned.
    pub(in crate::image) fn erase_range(&mut self, floor: u64, top: u64) {
        let (first, last) = (floor / 8 / WORDS, top / 8 / WORDS);
        let gone: Vec<u64> = self.pages.range(first..=last).map(|(number, _)| *number).collect();
        for number in gone {
            let words = if number == last { top / 8 % WORDS } else { WORDS };
            for index in number * WORDS..number * WORDS + words {
                if self.word_at(index * 8).written != 0 {
                    self.change_word(index * 8, |word| *word = UNWRITTEN);
                }
            }
            if number != last {
                Rc::make_mut(&mut self.pages).remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_whose_high_half_is_not_told_is_copied_with_its_low_half() {
        let mut memory = MemoryOverlay::default();
        memory.write_bytes(64, 4, AbstractValue::Known(3));
        memory.write_bytes(68, 4, AbstractValue::UNKNOWN);
        let OverlayLookup::All(copied) = memory.read_bytes(64, 8) else { panic!("it was written") };
        assert_eq!(copied.as_known(), None);
        memory.write_bytes(80, 8, copied);
        memory.write_bytes(100, 8, copied);
        for at in [80, 100] {
            assert_eq!(memory.read_bytes(at, 4), OverlayLookup::All(AbstractValue::Known(3)), "at {at}");
            assert_eq!(memory.read_bytes(at + 4, 4), OverlayLookup::All(AbstractValue::UNKNOWN), "at {at}");
        }
        assert_eq!(
            (copied.low_bytes(2), copied.low_bytes(4)),
            (AbstractValue::Known(3), AbstractValue::Known(3))
        );
    }
}
