//! Scans all code of a file for references to watched addresses, and keeps what was found.

use std::cell::RefCell;
use std::ops::Range;

use super::super::fast_maps::NumberSet;
use super::super::memory::Image;
use super::super::shared_object_kind::Architecture;
use super::aarch64_scan::{FollowedAddresses, scan_aarch64};
use super::address_clusters::AddressCluster;
use super::code_scan::{CHUNK, CodeScan};
use super::instruction::RegisterSets;
use super::reference::Reference;
use super::x86_scan::scan_x86;

/// At least the length of the longest instruction.
const MARGIN: usize = 16;

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
            };
            scan_code(&mut scan);
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

/// Scans all code of the file.
fn scan_code(scan: &mut CodeScan<'_>) {
    let image = scan.image;
    let clusters = AddressCluster::cluster_ranges(scan.ranges);
    let mut followed = FollowedAddresses::default();
    let mut buffer = vec![0; CHUNK + MARGIN];
    for code in code_ranges(image) {
        let size = code.end - code.start;
        for at in (0..size).step_by(CHUNK) {
            let length = (size - at).min((CHUNK + MARGIN) as u64) as usize;
            let start = code.start + at;
            if !image.read_uncached(start, &mut buffer[..length]) {
                break;
            }
            let bytes = &buffer[..length];
            match image.kind.architecture {
                Architecture::X86_64 | Architecture::Other(_) => scan_x86(scan, start, bytes, &clusters),
                Architecture::Aarch64 => scan_aarch64(scan, &mut followed, start, bytes),
            }
        }
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
