//! Maps and sets of addresses, page numbers and names: they are asked for millions of times, so the standard
//! library's keyed hash would be a tenth of all the time. How many entries a file can cause is bounded.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type NameMap<K, V> = HashMap<K, V, foldhash::fast::FixedState>;
pub(super) type NumberMap<V> = HashMap<u64, V, BuildHasherDefault<Mix>>;
pub(super) type NumberSet = HashSet<u64, BuildHasherDefault<Mix>>;

/// Both halves of one wide multiplication.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product ^ product >> 64) as u64;
    }
}
