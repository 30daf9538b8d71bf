//! A scan of a file's code: what it looks for, and the references found so far.

use std::cell::RefCell;
use std::ops::Range;

use super::super::fast_maps::NumberMap;
use super::super::memory::Image;
use super::super::shared_object_kind::Architecture;
use super::address_tracker::{self, AddressTracker, TrackedStore};
use super::instruction::{Instruction, RegisterSets};
use super::reference::{Reference, Usage};

/// Bytes read at once: few enough to stay in the processor's cache while they are scanned.
pub(super) const CHUNK: usize = 1 << 18;

/// Maximum distance between an address and a write through it; larger distances occur on impossible paths.
pub(in crate::image) const MAX_WRITE_DISTANCE: u64 = 256;

/// A scan of a file's code for references to `ranges`.
pub(super) struct CodeScan<'a> {
    pub(super) image: &'a Image,
    pub(super) ranges: &'a [Range<u64>],
    pub(super) found: &'a mut Vec<Vec<Reference>>,
    /// Remaining number of instructions that may be followed; when exhausted, any use is assumed.
    pub(super) budget: usize,
    pub(super) convention: RegisterSets,
    /// Cache: whether a function may return.
    pub(super) returning: RefCell<NumberMap<bool>>,
}

impl CodeScan<'_> {
    /// Tracks the address that `register` holds from the instruction at `at`. Returns how it is used, and
    /// records writes at a constant distance from it.
    pub(super) fn track_address(
        &mut self,
        decode: &dyn Fn(u64) -> Option<Instruction>,
        at: u64,
        register: u8,
        address: u64,
    ) -> Usage {
        let tracker = AddressTracker {
            decode,
            convention: self.convention,
            // On AArch64, the scan itself follows each register separately.
            is_followed_by_caller: self.image.kind.architecture == Architecture::Aarch64,
            budget: address_tracker::MAX_INSTRUCTIONS.min(self.budget),
            returning: &self.returning,
        };
        let uses = tracker.track_register(at, register);
        self.budget -= uses.decoded;
        for TrackedStore { at, offset, size } in &uses.stores {
            let to = address.wrapping_add_signed(*offset);
            if offset.unsigned_abs() < MAX_WRITE_DISTANCE && self.is_watched(to) {
                let (from, size, usage) = (*at, (*size).into(), Usage::Store);
                self.found.push(vec![Reference { from, to, size, usage }]);
            }
        }
        uses.usage
    }

    pub(super) fn is_watched(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }
}
