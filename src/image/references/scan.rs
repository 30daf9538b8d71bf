//! The scan over all of a file's code, and what it finds.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use super::super::kind::Architecture;
use super::super::memory::Image;
use super::super::numbers::{Mix, NumberMap, NumberSet};
use super::aarch64::Held;
use super::follow::{self, Follow, Store};
use super::hull::Hull;
use super::instruction::{Convention, Instruction};

/// One reference to a watched address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::image) struct Reference {
    /// The instruction.
    pub(in crate::image) from: u64,
    /// The address that it names.
    pub(in crate::image) to: u64,
    /// Bytes that it reads or writes there; 1 for an address.
    pub(in crate::image) size: u64,
    pub(in crate::image) usage: Usage,
}

impl Reference {
    /// The bytes that it is about.
    pub(in crate::image) fn places(&self) -> Range<u64> {
        self.to..self.to.saturating_add(self.size.max(1))
    }
}

/// What an instruction does with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::image) enum Usage {
    /// Reads what is there, or compares the address.
    Load,
    /// Writes there.
    Store,
    /// Computes the address, and does with it what is not followed.
    Take,
    /// Computes it as an argument of imported functions.
    Pass,
}

/// Bytes that are read at once: they stay in the processor's cache until they are looked at.
pub(super) const CHUNK: usize = 1 << 18;
/// The longest instruction, and then some.
pub(super) const MARGIN: usize = 16;

/// How far before a place an address may lie through which it is written; a path that cannot be taken leads farther.
pub(in crate::image) const NEAR: u64 = 256;
/// Instructions that are followed in all of a file, and where every page that code names is followed.
const PATIENCE: usize = 1 << 18;
const PATIENCE_WITH_PAGES: usize = 1 << 20;
/// Ranges of data that are left out; a file's sections are fewer.
const MOST_DATA: usize = 256;

/// What was found in a file's code so far: the same question is asked again, with a few more addresses, each
/// time that memory turns out not to be reliable.
#[derive(Default)]
pub(in crate::image) struct Scanned {
    ranges: Vec<Range<u64>>,
    /// For each displacement, the instructions that it could be part of.
    found: Vec<Vec<Reference>>,
}

impl Scanned {
    /// Every reference into the ranges from code outside `seen`.
    pub(in crate::image) fn references(
        &mut self,
        image: &Image,
        ranges: &[Range<u64>],
        seen: &NumberSet,
    ) -> Vec<Reference> {
        let known = |range: &Range<u64>| self.ranges.contains(range);
        let unknown: Vec<Range<u64>> = ranges.iter().filter(|range| !known(range)).cloned().collect();
        if !unknown.is_empty() {
            let mut scan = Scan {
                image,
                ranges: &unknown,
                found: &mut self.found,
                patience: match image.kind.architecture {
                    Architecture::X86_64 | Architecture::Other(_) => PATIENCE,
                    Architecture::Aarch64 => PATIENCE_WITH_PAGES,
                },
                convention: Convention::of(image.kind),
                returning: RefCell::default(),
                seen: HashSet::default(),
            };
            scan.all();
            self.ranges.extend(unknown);
        }
        // Without its prefix an instruction decodes as well: one of several starts is the real one.
        let unseen = self.found.iter().filter(|each| !each.iter().any(|one| seen.contains(&one.from)));
        let watched = |to: u64| ranges.iter().any(|range| range.contains(&to));
        let mut references: Vec<Reference> =
            unseen.flatten().filter(|reference| watched(reference.to)).copied().collect();
        references.sort_unstable();
        references.dedup();
        references
    }
}

pub(super) struct Scan<'a> {
    pub(super) image: &'a Image,
    pub(super) ranges: &'a [Range<u64>],
    pub(super) found: &'a mut Vec<Vec<Reference>>,
    /// Instructions that may still be followed; what is not may do anything.
    pub(super) patience: usize,
    pub(super) convention: Convention,
    /// Whether functions return, as far as that was looked at.
    pub(super) returning: RefCell<NumberMap<bool>>,
    pub(super) seen: HashSet<Held, BuildHasherDefault<Mix>>,
}

impl Scan<'_> {
    fn all(&mut self) {
        let hulls = Hull::all(self.ranges);
        let mut buffer = vec![0; CHUNK + MARGIN];
        for code in code(self.image) {
            let size = code.end - code.start;
            for at in (0..size).step_by(CHUNK) {
                let length = (size - at).min((CHUNK + MARGIN) as u64) as usize;
                let start = code.start + at;
                if !self.image.raw(start, &mut buffer[..length]) {
                    break;
                }
                let bytes = &buffer[..length];
                match self.image.kind.architecture {
                    Architecture::X86_64 | Architecture::Other(_) => self.x86(start, bytes, &hulls),
                    Architecture::Aarch64 => self.aarch64(start, bytes),
                }
            }
        }
    }

    /// What becomes of an address that a register holds from here on; notes what is written at a distance from it.
    pub(super) fn taken(
        &mut self,
        decode: &dyn Fn(u64) -> Option<Instruction>,
        at: u64,
        register: u8,
        address: u64,
    ) -> Usage {
        let follow = Follow {
            decode,
            convention: self.convention,
            // There every register is looked at by itself.
            beside: self.image.kind.architecture == Architecture::Aarch64,
            patience: follow::PATIENCE.min(self.patience),
            returning: &self.returning,
        };
        let fate = follow.fate(at, register);
        self.patience -= fate.looked_at;
        for Store { at, offset, size } in &fate.stores {
            let to = address.wrapping_add_signed(*offset);
            if offset.unsigned_abs() < NEAR && self.watched(to) {
                let (from, size, usage) = (*at, (*size).into(), Usage::Store);
                self.found.push(vec![Reference { from, to, size, usage }]);
            }
        }
        fate.usage
    }

    pub(super) fn watched(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }
}

/// Where a file's code lies.
fn code(image: &Image) -> Vec<Range<u64>> {
    let segments = image.segments.iter().filter(|segment| segment.executable);
    let backed = segments
        .map(|segment| segment.address..segment.address.saturating_add(segment.size.min(segment.file_size)));
    let mut code: Vec<Range<u64>> = backed.collect();
    for data in image.data.iter().take(MOST_DATA) {
        let apart = |range: Range<u64>| {
            let (before, after) =
                (range.start..range.end.min(data.start), range.start.max(data.end)..range.end);
            [before, after].into_iter().filter(|range| !range.is_empty())
        };
        code = code.into_iter().flat_map(apart).collect();
    }
    code
}
