//! Maps and sets with fast hashers, for addresses, page numbers and names.
//!
//! They are queried millions of times; the standard library's keyed hash would take a tenth of the total
//! time. Collision attacks are no concern, because the number of entries that a file can cause is bounded.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type NameMap<K, V> = HashMap<K, V, foldhash::fast::FixedState>;
pub(super) type NumberMap<V> = HashMap<u64, V, BuildHasherDefault<MultiplyHasher>>;
pub(super) type NumberSet = HashSet<u64, BuildHasherDefault<MultiplyHasher>>;

/// A hasher for integers: the XOR of both halves of a 128-bit product.
#[derive(Default)]
pub(super) struct MultiplyHasher(u64);

impl Hasher for MultiplyHasher {
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
