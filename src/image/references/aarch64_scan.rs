//! Finds references in AArch64 code. `ADRP` loads the address of a page, and later instructions add an
//! offset. Each page address near a watched address is followed along every branch, as long as a register
//! holds it.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use super::super::fast_maps::MultiplyHasher;
use super::super::memory::Image;
use super::aarch64_decoder;
use super::code_scan::{CHUNK, CodeScan};
use super::instruction::{BranchTarget, Flow, RegisterSum};
use super::reference::{Reference, Usage};

/// Maximum distance from a page to an address that is computed from it: a 12-bit offset, and the same again
/// from an anchor (GCC's `TARGET_MAX_ANCHOR_OFFSET`).
const REACH: u64 = 0x2000;
/// Maximum distance backwards: an anchor within data, and an unscaled offset.
const REACH_BACK: u64 = 0x1000;
/// Limit of additions that form an address: page, anchor, and the address itself. Code that adds more often
/// iterates over a table.
const MAX_SUMS: u8 = 3;

/// A register that holds an address before an instruction. Each one is followed separately.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct HeldAddress {
    at: u64,
    register: u8,
    address: u64,
    /// Number of additions that formed the address.
    sums: u8,
    /// Whether code is followed linearly past its end, because a jump through a table may lead anywhere in
    /// the function.
    is_linear: bool,
}

/// The register states from which code was followed already.
#[derive(Default)]
pub(super) struct FollowedAddresses(HashSet<HeldAddress, BuildHasherDefault<MultiplyHasher>>);

/// Scans a chunk of code.
pub(super) fn scan_aarch64(
    scan: &mut CodeScan<'_>,
    followed: &mut FollowedAddresses,
    start: u64,
    bytes: &[u8],
) {
    PageScan { scan, followed }.scan_chunk(start, bytes);
}

/// A scan that starts at instructions that load the address of a page.
struct PageScan<'s, 'a> {
    scan: &'s mut CodeScan<'a>,
    followed: &'s mut FollowedAddresses,
}

impl PageScan<'_, '_> {
    fn scan_chunk(&mut self, start: u64, bytes: &[u8]) {
        let (start, bytes) =
            (start.next_multiple_of(4), bytes.get((start.wrapping_neg() & 3) as usize..).unwrap_or_default());
        for (at, word) in (start..).step_by(4).zip(bytes.as_chunks::<4>().0).take(CHUNK / 4) {
            let word = u32::from_le_bytes(*word);
            let Some((register, address)) = aarch64_decoder::decode_page_address(word, at) else { continue };
            let near = |range: &&Range<u64>| {
                address < range.end.saturating_add(REACH_BACK) && range.start.saturating_sub(address) < REACH
            };
            if register == 31 || !self.scan.ranges.iter().any(|range| near(&range)) {
                continue;
            }
            // The result of ADRP is not an address yet, even if a watched range begins at the page. ADR
            // computes an address.
            if word >> 31 == 0 {
                self.record_reference(
                    Reference { from: at, to: address, size: 1, usage: Usage::Take },
                    register,
                );
            }
            self.follow_address(HeldAddress {
                at: at.wrapping_add(4),
                register,
                address,
                sums: 0,
                is_linear: false,
            });
            if self.scan.budget == 0 {
                let anything = |to| vec![Reference { from: at, to, size: 1, usage: Usage::Take }];
                self.scan
                    .found
                    .extend(self.scan.ranges.iter().filter(near).map(|range| anything(range.start)));
            }
        }
    }

    fn follow_address(&mut self, from: HeldAddress) {
        let mut waiting = vec![from];
        while let Some(held) = waiting.pop() {
            let mut here = Some(held);
            while let Some(held) = here.filter(|_| self.scan.budget > 0) {
                if !self.followed.0.insert(held) {
                    break;
                }
                self.scan.budget -= 1;
                here = self.follow_instruction(held, &mut waiting);
            }
        }
    }

    /// Processes one instruction. Returns the next one if the register still holds the address.
    fn follow_instruction(
        &mut self,
        held: HeldAddress,
        waiting: &mut Vec<HeldAddress>,
    ) -> Option<HeldAddress> {
        let HeldAddress { at, register, address, .. } = held;
        let word = self.scan.image.read_u32(at)?;
        // x19 to x28 are callee-saved (AAPCS64): at the start of a function they no longer hold an address of
        // the code before.
        if (19..29).contains(&register) && aarch64_decoder::is_frame_setup(word) {
            return None;
        }
        let instruction =
            aarch64_decoder::decode_a64(word, at, &|target| import_of_stub(self.scan.image, target));
        if let Some(access) = instruction.access.filter(|access| access.base == register) {
            let usage = if access.is_store { Usage::Store } else { Usage::Load };
            for offset in access.offsets {
                let to = address.wrapping_add_signed(offset);
                self.record_reference(Reference { from: at, to, size: access.size.into(), usage }, register);
            }
        }
        let next = HeldAddress { at: at.wrapping_add(4), ..held };
        let sum = instruction.sum.filter(|sum| sum.from == register && sum.to < 31);
        if let Some(RegisterSum { to, by, .. }) = sum.filter(|sum| sum.by == 0 || held.sums < MAX_SUMS) {
            let address = address.wrapping_add_signed(by);
            self.record_reference(Reference { from: at, to: address, size: 1, usage: Usage::Take }, to);
            if to != register || by != 0 {
                let sums = held.sums + u8::from(by != 0);
                waiting.push(HeldAddress { register: to, address, sums, ..next });
            }
        }
        let gone = match instruction.flow {
            Flow::Call(_) => self.scan.convention.volatile,
            _ => instruction.writes,
        };
        let is_replaced =
            instruction.sum.is_some_and(|sum| sum.to == register && (sum.from != register || sum.by != 0));
        if gone & 1 << register != 0 || is_replaced {
            return None;
        }
        match instruction.flow {
            Flow::Call(BranchTarget::Never) => {}
            Flow::Next | Flow::Call(_) => return Some(next),
            Flow::Branch(target) => {
                waiting.push(HeldAddress { at: target, ..held });
                return Some(next);
            }
            Flow::Jump(BranchTarget::Untold) => return Some(HeldAddress { is_linear: true, ..next }),
            Flow::Jump(BranchTarget::Code(target)) => waiting.push(HeldAddress { at: target, ..held }),
            Flow::Jump(BranchTarget::Import | BranchTarget::Never) | Flow::Return | Flow::Stop => {}
        }
        held.is_linear.then_some(next)
    }

    /// Records a reference if it is to a watched address. Uses of a computed address are tracked.
    fn record_reference(&mut self, reference: Reference, register: u8) {
        if !self.scan.is_watched(reference.to) {
            return;
        }
        let image = self.scan.image;
        let decode = |at| {
            Some(aarch64_decoder::decode_a64(image.read_u32(at)?, at, &|target| {
                import_of_stub(image, target)
            }))
        };
        let usage = match reference.usage {
            Usage::Take => {
                self.scan.track_address(&decode, reference.from.wrapping_add(4), register, reference.to)
            }
            usage @ (Usage::Load | Usage::Store | Usage::Pass) => usage,
        };
        self.scan.found.push(vec![Reference { usage, ..reference }]);
    }
}

/// The imported function whose stub is at this address: `ADRP`, `LDR`, (`ADD`), `BR`, optionally after a
/// `BTI` landing pad.
fn import_of_stub(image: &Image, at: u64) -> Option<BranchTarget> {
    let first = image.read_u32(at)?;
    let start = if first == 0xd503_245f { at.wrapping_add(4) } else { at };
    let (page, load) = (image.read_u32(start)?, image.read_u32(start.wrapping_add(4))?);
    if page & 0x9f00_0000 != 0x9000_0000 || load & 0xffc0_0000 != 0xf940_0000 {
        return None;
    }
    let (_, page) = aarch64_decoder::decode_page_address(page, start)?;
    image
        .imported_symbol_at(page.wrapping_add(u64::from(load >> 10 & 0xfff) * 8))
        .map(BranchTarget::for_import)
}
