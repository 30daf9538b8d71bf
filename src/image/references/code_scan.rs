//! Scans all code of a file for references to watched addresses.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use super::super::fast_maps::{MultiplyHasher, NumberMap, NumberSet};
use super::super::memory::Image;
use super::super::shared_object_kind::Architecture;
use super::aarch64_scan::HeldAddress;
use super::address_clusters::AddressCluster;
use super::address_tracker::{self, AddressTracker, TrackedStore};
use super::instruction::{Instruction, RegisterSets};

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

/// Bytes read at once: few enough to stay in the processor's cache while they are scanned.
pub(super) const CHUNK: usize = 1 << 18;
/// At least the length of the longest instruction.
pub(super) const MARGIN: usize = 16;

/// Maximum distance between an address and a write through it; larger distances occur on impossible paths.
pub(in crate::image) const MAX_WRITE_DISTANCE: u64 = 256;
/// Limit of instructions that are followed for a file; and where each page address is followed (AArch64).
const MAX_INSTRUCTIONS: usize = 1 << 18;
const MAX_INSTRUCTIONS_WITH_PAGES: usize = 1 << 20;
/// Limit of data ranges that are excluded; files have fewer sections.
const MAX_DATA: usize = 256;

/// The references found so far. Each time that more memory turns out to be unreliable, the search is repeated
/// with a few more ranges; only these are scanned for.
#[derive(Default)]
pub(in crate::image) struct ScanCache {
    ranges: Vec<Range<u64>>,
    /// For each displacement, the instructions of which it may be a part.
    found: Vec<Vec<Reference>>,
}

impl ScanCache {
    /// Every reference into the ranges from code other than the instructions in `seen`.
    pub(in crate::image) fn find_references(
        &mut self,
        image: &Image,
        ranges: &[Range<u64>],
        seen: &NumberSet,
    ) -> Vec<Reference> {
        let known = |range: &Range<u64>| self.ranges.contains(range);
        let unknown: Vec<Range<u64>> = ranges.iter().filter(|range| !known(range)).cloned().collect();
        if !unknown.is_empty() {
            let mut scan = CodeScan {
                image,
                ranges: &unknown,
                found: &mut self.found,
                budget: match image.kind.architecture {
                    Architecture::X86_64 | Architecture::Other(_) => MAX_INSTRUCTIONS,
                    Architecture::Aarch64 => MAX_INSTRUCTIONS_WITH_PAGES,
                },
                convention: RegisterSets::for_kind(image.kind),
                returning: RefCell::default(),
                seen: HashSet::default(),
            };
            scan.scan_code();
            self.ranges.extend(unknown);
        }
        // An instruction without its prefix is valid too. If any of the possible starts was interpreted, that
        // one is real.
        let unseen = self.found.iter().filter(|each| !each.iter().any(|one| seen.contains(&one.from)));
        let watched = |to: u64| ranges.iter().any(|range| range.contains(&to));
        let mut references: Vec<Reference> =
            unseen.flatten().filter(|reference| watched(reference.to)).copied().collect();
        references.sort_unstable();
        references.dedup();
        references
    }
}

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
    pub(super) seen: HashSet<HeldAddress, BuildHasherDefault<MultiplyHasher>>,
}

impl CodeScan<'_> {
    fn scan_code(&mut self) {
        let clusters = AddressCluster::cluster_ranges(self.ranges);
        let mut buffer = vec![0; CHUNK + MARGIN];
        for code in code_ranges(self.image) {
            let size = code.end - code.start;
            for at in (0..size).step_by(CHUNK) {
                let length = (size - at).min((CHUNK + MARGIN) as u64) as usize;
                let start = code.start + at;
                if !self.image.read_uncached(start, &mut buffer[..length]) {
                    break;
                }
                let bytes = &buffer[..length];
                match self.image.kind.architecture {
                    Architecture::X86_64 | Architecture::Other(_) => self.scan_x86(start, bytes, &clusters),
                    Architecture::Aarch64 => self.scan_aarch64(start, bytes),
                }
            }
        }
    }

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
            // On AArch64, `follow_address` follows each register separately.
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

/// The address ranges of a file's code.
fn code_ranges(image: &Image) -> Vec<Range<u64>> {
    let segments = image.segments.iter().filter(|segment| segment.executable);
    let backed = segments
        .map(|segment| segment.address..segment.address.saturating_add(segment.size.min(segment.file_size)));
    let mut code: Vec<Range<u64>> = backed.collect();
    for data in image.data.iter().take(MAX_DATA) {
        let apart = |range: Range<u64>| {
            let (before, after) =
                (range.start..range.end.min(data.start), range.start.max(data.end)..range.end);
            [before, after].into_iter().filter(|range| !range.is_empty())
        };
        code = code.into_iter().flat_map(apart).collect();
    }
    code
}
