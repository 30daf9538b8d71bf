//! Vector registers, stored sparsely because almost none has a known value.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use super::value::AbstractValue;

/// A 32-byte register in pieces of eight bytes.
type VectorPieces = [AbstractValue; 4];

/// Registers by number; a missing one is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::image) struct VectorRegisters(BTreeMap<usize, VectorPieces>);

impl VectorRegisters {
    pub(in crate::image) fn clear(&mut self) {
        self.0.clear();
    }

    pub(in crate::image) fn values(&self) -> impl Iterator<Item = &AbstractValue> {
        self.0.values().flatten()
    }

    pub(in crate::image) fn values_mut(&mut self) -> impl Iterator<Item = &mut AbstractValue> {
        self.0.values_mut().flatten()
    }

    pub(in crate::image) fn zero_upper_halves(&mut self) {
        self.0.values_mut().for_each(|pieces| pieces[2..].fill(AbstractValue::ZERO));
    }
}

impl Index<usize> for VectorRegisters {
    type Output = VectorPieces;

    fn index(&self, number: usize) -> &VectorPieces {
        self.0.get(&number).unwrap_or(&[AbstractValue::UNKNOWN; 4])
    }
}

impl IndexMut<usize> for VectorRegisters {
    fn index_mut(&mut self, number: usize) -> &mut VectorPieces {
        self.0.entry(number).or_insert([AbstractValue::UNKNOWN; 4])
    }
}
