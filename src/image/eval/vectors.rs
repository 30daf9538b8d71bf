//! Vector registers, of which next to none hold anything that is known.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use super::value::Value;

/// A register in pieces of eight bytes.
type Pieces = [Value; 4];

/// Registers by number; one that is missing is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::image) struct Vectors(BTreeMap<usize, Pieces>);

impl Vectors {
    pub(in crate::image) fn clear(&mut self) {
        self.0.clear();
    }

    pub(in crate::image) fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.values().flatten()
    }

    pub(in crate::image) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.values_mut().flatten()
    }

    pub(in crate::image) fn zero_upper_halves(&mut self) {
        self.0.values_mut().for_each(|pieces| pieces[2..].fill(Value::ZERO));
    }
}

impl Index<usize> for Vectors {
    type Output = Pieces;

    fn index(&self, number: usize) -> &Pieces {
        self.0.get(&number).unwrap_or(&[Value::UNKNOWN; 4])
    }
}

impl IndexMut<usize> for Vectors {
    fn index_mut(&mut self, number: usize) -> &mut Pieces {
        self.0.entry(number).or_insert([Value::UNKNOWN; 4])
    }
}
