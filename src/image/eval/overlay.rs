//! What the interpreted code has written: a layer over the file's memory.
//! Paths share what they have not written since they parted, so a thousand of them fit.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

use super::value::{Name, Value, mask};

/// Words of eight bytes in a page.
const WORDS: u64 = 32;

/// Written pages by their number.
#[derive(Clone, Debug, Default)]
pub(in crate::image) struct Overlay {
    pages: Rc<BTreeMap<u64, Rc<Page>>>,
    /// Sum of [`Word::digest`] over all words, kept up to date so that two overlays compare at once.
    digest: u64,
}

type Page = [Word; WORDS as usize];

/// Eight bytes: each written and known, written and unknown, or not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Word {
    bytes: u64,
    known: u8,
    written: u8,
    /// The whole word is this unknown value.
    name: Name,
}

impl Word {
    /// Well-mixed bits of a word and its place; 0 where nothing was written.
    fn digest(self, index: u64) -> u64 {
        if self.written == 0 {
            return 0;
        }
        let marks = u64::from(self.known) | u64::from(self.written) << 8 | u64::from(self.name.number) << 16;
        mix(mix(mix(index) ^ self.bytes) ^ marks)
    }
}

/// The finaliser of splitmix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

impl Hash for Overlay {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

const UNTOUCHED: Word = Word { bytes: 0, known: 0, written: 0, name: Name::NOBODY };

/// What the overlay says about a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Written {
    /// All of it was written.
    All(Value),
    /// None of it.
    None,
    /// Some of it: ask byte by byte.
    Partly,
}

impl Overlay {
    fn word(&self, address: u64) -> Word {
        let index = address / 8;
        let page = self.pages.get(&(index / WORDS));
        page.map_or(UNTOUCHED, |page| page[(index % WORDS) as usize])
    }

    fn change(&mut self, address: u64, change: impl FnOnce(&mut Word)) {
        let index = address / 8;
        let pages = Rc::make_mut(&mut self.pages);
        let page = pages.entry(index / WORDS).or_insert_with(|| Rc::new([UNTOUCHED; WORDS as usize]));
        let word = &mut Rc::make_mut(page)[(index % WORDS) as usize];
        self.digest = self.digest.wrapping_sub(word.digest(index));
        change(word);
        self.digest = self.digest.wrapping_add(word.digest(index));
    }

    /// At most eight bytes.
    pub(in crate::image) fn get(&self, address: u64, bytes: u32) -> Written {
        let word = self.word(address);
        if address.is_multiple_of(8) && bytes == 8 {
            match (word.written, word.known) {
                (0, _) => return Written::None,
                (0xff, 0xff) => return Written::All(Value::Known(word.bytes)),
                (0xff, known) if known & 0xf == 0xf => return Written::All(Value::half(word.bytes as u32)),
                (0xff, _) => return Written::All(Value::Unknown(word.name)),
                (_, _) => return Written::Partly,
            }
        }
        let (mut value, mut seen, mut unknown) = (0_u64, 0, false);
        for index in 0..bytes {
            let at = address.wrapping_add(index.into());
            let word = if at / 8 == address / 8 { word } else { self.word(at) };
            let bit = 1_u8 << (at % 8);
            if word.written & bit != 0 {
                seen += 1;
                unknown |= word.known & bit == 0;
                value |= (word.bytes >> (at % 8 * 8) & 0xff) << (index * 8);
            }
        }
        match seen {
            0 => Written::None,
            all if all == bytes && unknown => Written::All(Value::UNKNOWN),
            all if all == bytes => Written::All(Value::Known(value)),
            _ => Written::Partly,
        }
    }

    /// At most eight bytes.
    pub(in crate::image) fn set(&mut self, address: u64, bytes: u32, value: Value) {
        if let (8, Value::Unknown(name)) = (bytes, value)
            && let Some(half) = name.half()
        {
            self.set(address, 4, Value::Known(half.into()));
            return self.set(address.wrapping_add(4), 4, Value::UNKNOWN);
        }
        if let (0, 8, Value::Unknown(name)) = (address % 8, bytes, value) {
            return self.change(address, |word| *word = Word { bytes: 0, known: 0, written: 0xff, name });
        }
        let mut done = 0;
        while done < bytes {
            let at = address.wrapping_add(done.into());
            let first = (at % 8) as u32;
            let count = (8 - first).min(bytes - done);
            let (marks, place) = ((0xff_u8 >> (8 - count)) << first, mask(count) << (first * 8));
            let part = value.known().map(|value| value >> (done * 8) << (first * 8) & place);
            self.change(at, |word| {
                word.name = Name::NOBODY;
                word.written |= marks;
                word.known = if part.is_some() { word.known | marks } else { word.known & !marks };
                word.bytes = word.bytes & !place | part.unwrap_or(0);
            });
            done += count;
        }
    }

    /// Forgets what was written inside a range: those bytes are unknown now.
    pub(in crate::image) fn forget(&mut self, range: Range<u64>) {
        for index in range.start / 8..range.end.div_ceil(8) {
            if self.word(index * 8).written == 0 {
                continue;
            }
            self.change(index * 8, |word| {
                for byte in (0..8).filter(|byte| range.contains(&(index * 8 + byte))) {
                    word.known &= !(1 << byte);
                    word.bytes &= !(0xff << (byte * 8));
                    word.name = Name::NOBODY;
                }
            });
        }
    }

    /// Replaces an unknown value wherever it was written.
    pub(in crate::image) fn learn(&mut self, name: Name, value: Value) {
        self.learn_below(u64::MAX, name, value);
    }

    /// The same at addresses below this one.
    pub(in crate::image) fn learn_below(&mut self, end: u64, name: Name, value: Value) {
        let pages = self.pages.range(..=end / 8 / WORDS);
        let held = pages.flat_map(|(number, page)| {
            let places = page.iter().enumerate().filter(|(_, word)| word.name == name);
            places.map(move |(place, _)| (number * WORDS + place as u64) * 8)
        });
        for address in held.filter(|address| *address < end).collect::<Vec<_>>() {
            let (bytes, known) = value.known().map_or((0, 0), |value| (value, 0xff));
            self.change(address, |word| *word = Word { bytes, known, written: 0xff, name: Name::NOBODY });
        }
    }

    /// The unknown values held.
    pub(in crate::image) fn names(&self) -> impl Iterator<Item = Name> {
        let words = self.pages.values().flat_map(|page| page.iter());
        words.map(|word| word.name).filter(|name| *name != Name::NOBODY)
    }

    /// Drops what lies from `floor` up to `top`: stack frames that are gone.
    pub(in crate::image) fn drop_range(&mut self, floor: u64, top: u64) {
        let (first, last) = (floor / 8 / WORDS, top / 8 / WORDS);
        let gone: Vec<u64> = self.pages.range(first..=last).map(|(number, _)| *number).collect();
        for number in gone {
            let words = if number == last { top / 8 % WORDS } else { WORDS };
            for index in number * WORDS..number * WORDS + words {
                if self.word(index * 8).written != 0 {
                    self.change(index * 8, |word| *word = UNTOUCHED);
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
        let mut memory = Overlay::default();
        memory.set(64, 4, Value::Known(3));
        memory.set(68, 4, Value::UNKNOWN);
        let Written::All(copied) = memory.get(64, 8) else { panic!("it was written") };
        assert_eq!(copied.known(), None);
        memory.set(80, 8, copied);
        memory.set(100, 8, copied);
        for at in [80, 100] {
            assert_eq!(memory.get(at, 4), Written::All(Value::Known(3)), "at {at}");
            assert_eq!(memory.get(at + 4, 4), Written::All(Value::UNKNOWN), "at {at}");
        }
        assert_eq!((copied.low(2), copied.low(4)), (Value::Known(3), Value::Known(3)));
    }
}
