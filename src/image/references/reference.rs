//! References of code to watched addresses.

use std::ops::Range;

/// One reference to a watched address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::image) struct Reference {
    /// Address of the instruction.
    pub(in crate::image) from: u64,
    /// The address to which it refers.
    pub(in crate::image) to: u64,
    /// Number of bytes that it reads or writes; 1 if it computes the address.
    pub(in crate::image) size: u64,
    pub(in crate::image) usage: Usage,
}

impl Reference {
    /// The range of addresses to which it refers.
    pub(in crate::image) fn address_range(&self) -> Range<u64> {
        self.to..self.to.saturating_add(self.size.max(1))
    }
}

/// What an instruction does with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::image) enum Usage {
    /// Reads memory, or compares the address.
    Load,
    /// Writes memory.
    Store,
    /// Computes the address and uses it in a way that is not tracked.
    Take,
    /// Computes the address only to pass it to imported functions.
    Pass,
}
