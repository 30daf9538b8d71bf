//! What the interpreted code has written: a layer over the file's memory.

use std::collections::BTreeMap;
use std::ops::Range;

use super::value::{Name, Value, mask};

/// Written words by their address divided by eight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::image) struct Overlay(BTreeMap<u64, Word>);

/// Eight bytes: each written and known, written and unknown, or not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Word {
    bytes: u64,
    known: u8,
    written: u8,
    /// The whole word is this unknown value.
    name: Name,
}

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
    /// At most eight bytes.
    pub(in crate::image) fn get(&self, address: u64, bytes: u32) -> Written {
        let (mut value, mut seen, mut unknown) = (0_u64, 0, false);
        if address.is_multiple_of(8) && bytes == 8 {
            match self.0.get(&(address / 8)) {
                None => return Written::None,
                Some(word) if word.name != Name::NOBODY => return Written::All(Value::Unknown(word.name)),
                Some(_) => {}
            }
        }
        for index in 0..bytes {
            let at = address.wrapping_add(index.into());
            let Some(word) = self.0.get(&(at / 8)) else { continue };
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
        if let (0, 8, Value::Unknown(name)) = (address % 8, bytes, value) {
            self.0.insert(address / 8, Word { bytes: 0, known: 0, written: 0xff, name });
            return;
        }
        for index in 0..bytes {
            let at = address.wrapping_add(index.into());
            let word =
                self.0.entry(at / 8).or_insert(Word { bytes: 0, known: 0, written: 0, name: Name::NOBODY });
            let (bit, shift) = (1_u8 << (at % 8), at % 8 * 8);
            word.name = Name::NOBODY;
            word.written |= bit;
            word.bytes &= !(0xff << shift);
            match value {
                Value::Known(value) => {
                    word.known |= bit;
                    word.bytes |= (value & mask(bytes)) >> (index * 8) << 56 >> 56 << shift;
                }
                Value::Unknown(_) => word.known &= !bit,
            }
        }
    }

    /// Forgets what was written inside a range: those bytes are unknown now.
    pub(in crate::image) fn forget(&mut self, range: Range<u64>) {
        let words = range.start / 8..range.end.div_ceil(8);
        for (index, word) in self.0.range_mut(words) {
            for byte in 0..8 {
                if range.contains(&(index * 8 + byte)) {
                    word.known &= !(1 << byte);
                    word.bytes &= !(0xff << (byte * 8));
                    word.name = Name::NOBODY;
                }
            }
        }
    }

    /// Replaces an unknown value wherever it was written.
    pub(in crate::image) fn learn(&mut self, name: Name, value: Value) {
        for word in self.0.values_mut().filter(|word| word.name == name) {
            let known = value.known();
            *word = Word {
                bytes: known.unwrap_or(0),
                known: if known.is_some() { 0xff } else { 0 },
                written: 0xff,
                name: Name::NOBODY,
            };
        }
    }

    /// The unknown values held.
    pub(in crate::image) fn names(&self) -> impl Iterator<Item = Name> {
        self.0.values().map(|word| word.name).filter(|name| *name != Name::NOBODY)
    }

    /// Drops what lies below `address` and above `floor`: stack frames that are gone.
    pub(in crate::image) fn drop_range(&mut self, floor: u64, address: u64) {
        if self.0.range(floor / 8..address / 8).next().is_some() {
            let mut rest = self.0.split_off(&(floor / 8));
            let mut above = rest.split_off(&(address / 8));
            self.0.append(&mut above);
        }
    }
}
