//! Finds code that refers to given addresses, by a scan over all of a file's code.
//! A declaration in writable memory is only believed where no code that was not interpreted can change it.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess};

use super::kind::Architecture;
use super::memory::{Image, Link};
use super::numbers::NumberSet;

/// One reference to a watched address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    /// The instruction.
    pub(super) from: u64,
    /// The address that it names.
    pub(super) to: u64,
    pub(super) usage: Usage,
}

/// What an instruction does with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Usage {
    /// Reads what is there.
    Load,
    /// Writes there.
    Store,
    /// Computes the address, for whatever use.
    Take,
    /// Computes it as an argument of an imported function.
    Pass,
}

/// Bytes that are read at once: they stay in the processor's cache until they are looked at.
const CHUNK: usize = 1 << 18;
/// Code that is looked at with the same upper halves of displacements.
const STRETCH: usize = 1 << 12;
/// Code that is looked at without a branch.
const BLOCK: usize = 64;
/// The longest instruction, and then some.
const MARGIN: usize = 16;
/// A jump or a call follows within so many instructions, or the use is not followed.
const AHEAD: usize = 24;
/// Runs of watched addresses that are looked for one by one; each costs as much as a run over all code.
const MOST_HULLS: usize = 3;
/// A narrower gap makes too little difference.
const LEAST_GAP: u64 = 1 << 14;

/// What was found in a file's code so far: the same question is asked again, with a few more addresses, each
/// time that memory turns out not to be reliable.
#[derive(Default)]
pub(super) struct Scanned {
    ranges: Vec<Range<u64>>,
    /// For each displacement, the instructions that it could be part of.
    found: Vec<Vec<Reference>>,
}

impl Scanned {
    /// Every reference into the ranges from code outside `seen`.
    pub(super) fn references(
        &mut self,
        image: &Image,
        ranges: &[Range<u64>],
        seen: &NumberSet,
    ) -> Vec<Reference> {
        let known = |range: &Range<u64>| self.ranges.contains(range);
        let unknown: Vec<Range<u64>> = ranges.iter().filter(|range| !known(range)).cloned().collect();
        if !unknown.is_empty() {
            let mut scan = Scan { image, ranges: &unknown, found: &mut self.found };
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

struct Scan<'a> {
    image: &'a Image,
    ranges: &'a [Range<u64>],
    found: &'a mut Vec<Vec<Reference>>,
}

/// Addresses that lie close together: a displacement that may lead to one of them leads into `low..low + width`.
struct Hull {
    low: u64,
    width: u32,
    /// Sorted, none touching another.
    ranges: Vec<Range<u64>>,
}

impl Hull {
    /// Splits ranges where the gaps between them are widest.
    fn all(ranges: &[Range<u64>]) -> Vec<Self> {
        let mut sorted = ranges.to_vec();
        sorted.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in sorted {
            match joined.last_mut() {
                // An immediate of up to four bytes may follow the displacement.
                Some(last) if range.start <= last.end.saturating_add(4) => last.end = last.end.max(range.end),
                Some(_) | None => joined.push(range),
            }
        }
        let gap = |at: usize| joined[at].start - joined[at - 1].end;
        let mut splits: Vec<usize> = (1..joined.len()).filter(|at| gap(*at) > LEAST_GAP).collect();
        splits.sort_by_key(|at| std::cmp::Reverse(gap(*at)));
        splits.truncate(MOST_HULLS - 1);
        splits.sort_unstable();
        let ends = splits.iter().copied().chain([joined.len()]);
        let starts = std::iter::once(0).chain(splits.iter().copied());
        let pieces = starts.zip(ends).filter(|(start, end)| start < end);
        // What is wider than code can reach is looked for range by range.
        let pieces = pieces.map(|(start, end)| &joined[start..end]).flat_map(|piece| match Self::of(piece) {
            Some(hull) => vec![hull],
            None => piece.iter().filter_map(|range| Self::of(std::slice::from_ref(range))).collect(),
        });
        pieces.collect()
    }

    fn of(ranges: &[Range<u64>]) -> Option<Self> {
        let low = ranges.first()?.start.saturating_sub(4);
        let width = u32::try_from(ranges.last()?.end - low).ok()?;
        Some(Self { low, width, ranges: ranges.to_vec() })
    }

    /// Whether an instruction whose displacement leads here may mean a watched address.
    fn near(&self, address: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= address);
        self.ranges.get(next).is_some_and(|range| range.start <= address.saturating_add(4))
    }
}

/// The upper halves of all displacements from some code into a hull.
struct Halves {
    first: u8,
    more: u8,
    top: u8,
}

impl Halves {
    /// `None` where they are too many to tell anything.
    fn of(hull: &Hull, place: u64, length: u64) -> Option<Self> {
        let nearest = hull.low.wrapping_sub(place.wrapping_add(length + 4)).cast_signed() >> 16;
        let farthest = hull.low.wrapping_add(hull.width.into()).wrapping_sub(place).cast_signed() >> 16;
        let top = (nearest >> 8) as u8;
        let halves = Self { first: nearest as u8, more: (farthest - nearest) as u8, top };
        (nearest >> 8 == farthest >> 8).then_some(halves)
    }

    /// Whether the upper half of a displacement may be among these third and fourth bytes of all in a block.
    /// This is where a scan's time goes: no branch over the whole block, so that compilers make vector code
    /// of it.
    fn may_be_in(&self, thirds: &[u8; BLOCK], fourths: &[u8; BLOCK]) -> bool {
        let pairs = thirds.iter().zip(fourths);
        pairs.fold(false, |near, (third, fourth)| {
            near | ((third.wrapping_sub(self.first) <= self.more) & (*fourth == self.top))
        })
    }
}

/// Whether an AArch64 instruction makes a function's frame: it stores registers that the function must save first below
/// the stack pointer and moves that down, or stores x29 and x30 in the frame. x30 alone is stored around calls too.
fn makes_frame(word: u32) -> bool {
    let is_saved = |register: u32| (19..=30).contains(&register);
    let (first, second, base) = (word & 31, word >> 10 & 31, word >> 5 & 31);
    // STP of 64 bits and STR of 64 bits, pre-indexed.
    let pair = word & 0xffe0_0000 == 0xa9a0_0000 && is_saved(first) && is_saved(second);
    let single = word & 0xfff0_0c00 == 0xf810_0c00 && is_saved(first) && first != 30;
    let frame_record = word & 0xffc0_7fff == 0xa900_7bfd;
    base == 31 && (pair || single || frame_record)
}

/// Whether some four bytes of code at `place` are a displacement into the hull: sums in 32 bits, once for each
/// of four alignments.
fn sums_refer(window: &[u8], place: u64, hull: &Hull) -> bool {
    const HALF: u32 = 1 << 31;
    // Signed comparisons are cheaper in vectors.
    let limit = hull.width.wrapping_sub(HALF).cast_signed();
    let mut near = false;
    for phase in 0..4 {
        let Some(words) = window.get(phase..) else { return near };
        let base = place.wrapping_add(phase as u64 + 4).wrapping_sub(hull.low) as u32;
        let mut base = base.wrapping_sub(HALF);
        for word in words.as_chunks::<4>().0 {
            near |= u32::from_le_bytes(*word).wrapping_add(base).cast_signed() < limit;
            base = base.wrapping_add(4);
        }
    }
    near
}

impl Scan<'_> {
    fn all(&mut self) {
        let hulls = Hull::all(self.ranges);
        let mut buffer = vec![0; CHUNK + MARGIN];
        for segment in self.image.segments.iter().filter(|segment| segment.executable) {
            let size = segment.size.min(segment.file_size);
            let mut pages = [None; 32];
            for at in (0..size).step_by(CHUNK) {
                let length = (size - at).min((CHUNK + MARGIN) as u64) as usize;
                let start = segment.address + at;
                if !self.image.raw(start, &mut buffer[..length]) {
                    break;
                }
                let bytes = &buffer[..length];
                match self.image.kind.architecture {
                    Architecture::X86_64 | Architecture::Other(_) => self.x86(start, bytes, &hulls),
                    Architecture::Aarch64 => self.aarch64(start, bytes, &mut pages),
                }
            }
        }
    }

    fn watched(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }

    /// Any four bytes may be the displacement of an instruction: those that point into a hull are decoded.
    fn x86(&mut self, start: u64, bytes: &[u8], hulls: &[Hull]) {
        let places = bytes.len().saturating_sub(3).min(CHUNK);
        for at in (0..places).step_by(STRETCH) {
            let place = start.wrapping_add(at as u64);
            let Some(stretch) = bytes.get(at..(at + STRETCH).min(places) + 3) else { return };
            for hull in hulls {
                match Halves::of(hull, place, stretch.len() as u64) {
                    Some(halves) => self.stretch(place, stretch, hull, &halves),
                    None => self.block(place, stretch, hull),
                }
            }
        }
    }

    fn stretch(&mut self, place: u64, stretch: &[u8], hull: &Hull, halves: &Halves) {
        let [_, _, thirds @ .., _] = stretch else { return };
        let [_, _, _, fourths @ ..] = stretch else { return };
        let (thirds, fourths) = (thirds.as_chunks::<BLOCK>().0, fourths.as_chunks::<BLOCK>().0);
        for (index, (thirds, fourths)) in thirds.iter().zip(fourths).enumerate() {
            if halves.may_be_in(thirds, fourths) {
                let at = index * BLOCK;
                self.block(place.wrapping_add(at as u64), &stretch[at..at + BLOCK + 3], hull);
            }
        }
        let rest = fourths.len() * BLOCK;
        self.block(place.wrapping_add(rest as u64), &stretch[rest..], hull);
    }

    #[inline(never)]
    fn block(&mut self, first: u64, window: &[u8], hull: &Hull) {
        if !sums_refer(window, first, hull) {
            return;
        }
        for (place, window) in (first..).zip(window.array_windows::<4>()) {
            let displacement = i32::from_le_bytes(*window);
            let to = place.wrapping_add(4).wrapping_add_signed(displacement.into());
            if to.wrapping_sub(hull.low) < u64::from(hull.width) && hull.near(to) {
                self.decode(place, to);
            }
        }
    }

    #[cold]
    fn decode(&mut self, displacement: u64, near: u64) {
        let mut code = [0; 32];
        let mut fitting = Vec::new();
        for before in 1..=11 {
            let from = displacement.wrapping_sub(before);
            if !self.image.bytes(from, &mut code) {
                continue;
            }
            let mut decoder = Decoder::with_ip(64, &code, from, DecoderOptions::NONE);
            let instruction = decoder.decode();
            let offsets = decoder.get_constant_offsets(&instruction);
            let fits = !instruction.is_invalid()
                && instruction.is_ip_rel_memory_operand()
                && offsets.displacement_offset() as u64 == before;
            let to = instruction.ip_rel_memory_address();
            if fits && to.wrapping_sub(near) <= 4 {
                fitting.push(Reference { from, to, usage: self.usage(&instruction, from) });
            }
        }
        if !fitting.is_empty() {
            self.found.push(fitting);
        }
    }

    fn usage(&self, instruction: &Instruction, from: u64) -> Usage {
        if instruction.mnemonic() == Mnemonic::Lea {
            return if self.passed(from) { Usage::Pass } else { Usage::Take };
        }
        let mut factory = InstructionInfoFactory::new();
        let memory = factory.info(instruction).used_memory().to_vec();
        let reads =
            memory.iter().all(|memory| matches!(memory.access(), OpAccess::Read | OpAccess::CondRead));
        if reads { Usage::Load } else { Usage::Store }
    }

    /// Whether the next call after this instruction goes to an import.
    fn passed(&self, from: u64) -> bool {
        let mut code = [0; 256];
        let mut length = code.len();
        while !self.image.bytes(from, &mut code[..length]) {
            length /= 2;
            if length < MARGIN {
                return false;
            }
        }
        let mut decoder = Decoder::with_ip(64, &code[..length], from, DecoderOptions::NONE);
        for _ in 0..AHEAD {
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                return false;
            }
            match instruction.mnemonic() {
                Mnemonic::Call | Mnemonic::Jmp => return self.imported(&instruction, 0),
                mnemonic if instruction.is_jcc_short_or_near() || mnemonic == Mnemonic::Ret => return false,
                _ => {}
            }
        }
        false
    }

    /// A call through the import table, or to a stub that jumps through it.
    fn imported(&self, instruction: &Instruction, depth: u32) -> bool {
        if instruction.is_ip_rel_memory_operand() {
            return matches!(self.image.link(instruction.ip_rel_memory_address()), Some(Link::Import(..)));
        }
        let mut code = [0; 32];
        let target = instruction.near_branch_target();
        if depth > 1 || target == 0 || !self.image.bytes(target, &mut code) {
            return false;
        }
        let mut decoder = Decoder::with_ip(64, &code, target, DecoderOptions::NONE);
        let mut first = decoder.decode();
        if first.mnemonic() == Mnemonic::Endbr64 {
            first = decoder.decode();
        }
        first.mnemonic() == Mnemonic::Jmp && self.imported(&first, depth + 1)
    }

    /// `ADRP` puts a page into a register, a later instruction adds the rest; a register keeps its page until
    /// the next `ADRP`, so that nothing is missed. Where a function makes its frame, what x19 to x28 hold is its
    /// caller's (AAPCS64, "General-purpose Registers"): what they held in the code before is another function's.
    fn aarch64(&mut self, start: u64, bytes: &[u8], pages: &mut [Option<u64>; 32]) {
        for (index, word) in bytes.chunks_exact(4).enumerate().take(CHUNK / 4) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            let at = start.wrapping_add(index as u64 * 4);
            let bits = |low: u32, count: u32| u64::from(word >> low & ((1 << count) - 1));
            let (to, from) = (bits(0, 5) as usize, bits(5, 5) as usize);
            if makes_frame(word) {
                pages[19..29].fill(None);
            }
            if word & 0x1f00_0000 == 0x1000_0000 {
                let offset = (bits(5, 19) << 2 | bits(29, 2)) << 43;
                let offset = offset.cast_signed() >> 43;
                if word >> 31 == 1 {
                    pages[to] = Some((at & !0xfff).wrapping_add_signed(offset << 12));
                } else {
                    self.note(at, at.wrapping_add_signed(offset), Usage::Take);
                }
                continue;
            }
            let Some(page) = pages[from] else { continue };
            if word & 0xff80_0000 == 0x9100_0000 {
                let shift = if bits(22, 1) == 1 { 12 } else { 0 };
                self.note(at, page.wrapping_add(bits(10, 12) << shift), Usage::Take);
            } else if word & 0x3b00_0000 == 0x3900_0000 {
                let vector = bits(26, 1) == 1 && bits(23, 1) == 1;
                let scale = if vector { 4 } else { bits(30, 2) };
                let usage = if bits(22, 2) & 1 == 1 || bits(22, 2) == 2 { Usage::Load } else { Usage::Store };
                self.note(at, page.wrapping_add(bits(10, 12) << scale), usage);
            } else if word & 0x3a00_0000 == 0x2800_0000 {
                // Pairs name two places.
                let size = if bits(26, 1) == 1 {
                    4 << bits(30, 2).min(2)
                } else if bits(31, 1) == 1 {
                    8
                } else {
                    4
                };
                let offset = ((bits(15, 7) << 57).cast_signed() >> 57) * size;
                let usage = if bits(22, 1) == 1 { Usage::Load } else { Usage::Store };
                self.note(at, page.wrapping_add_signed(offset), usage);
                self.note(at, page.wrapping_add_signed(offset + size), usage);
            }
        }
    }

    fn note(&mut self, from: u64, to: u64, usage: Usage) {
        if self.watched(to) {
            let usage = if usage == Usage::Take && self.handed_on(from) { Usage::Pass } else { usage };
            self.found.push(vec![Reference { from, to, usage }]);
        }
    }

    /// As [`Self::passed`], for AArch64: the next branch with link goes to a stub that loads an import.
    fn handed_on(&self, from: u64) -> bool {
        for step in 1..AHEAD as u64 {
            let at = from.wrapping_add(step * 4);
            let Some(word) = self.image.u32(at) else { return false };
            match word >> 26 {
                0b100101 | 0b000101 => {
                    let offset = (i64::from(word & 0x03ff_ffff) << 38) >> 36;
                    return self.stub(at.wrapping_add_signed(offset));
                }
                _ if word & 0xfe00_0000 == 0xd600_0000 || word & 0xff00_0010 == 0x5400_0000 => return false,
                _ if word & 0x7e00_0000 == 0x3400_0000 || word & 0x7e00_0000 == 0x3600_0000 => return false,
                _ => {}
            }
        }
        false
    }

    /// `ADRP`, `LDR`, (`ADD`), `BR`: with or without a landing pad before.
    fn stub(&self, at: u64) -> bool {
        let words: Option<Vec<u32>> =
            (0..4).map(|index| self.image.u32(at.wrapping_add(index * 4))).collect();
        let Some(words) = words else { return false };
        let start = usize::from(words[0] == 0xd503_245f);
        let (Some(page), Some(load)) = (words.get(start), words.get(start + 1)) else { return false };
        if page & 0x9f00_0000 != 0x9000_0000 || load & 0xffc0_0000 != 0xf940_0000 {
            return false;
        }
        let offset = (i64::from(page >> 5 & 0x7_ffff) << 2 | i64::from(page >> 29 & 3)) << 43 >> 43;
        let place = at.wrapping_add(start as u64 * 4) & !0xfff;
        let place = place.wrapping_add_signed(offset << 12).wrapping_add(u64::from(load >> 10 & 0xfff) * 8);
        matches!(self.image.link(place), Some(Link::Import(..)))
    }
}

#[cfg(test)]
mod tests {
    use super::makes_frame;

    #[test]
    fn frames_of_aarch64_are_told_from_other_stores() {
        // As GNU as encodes them.
        for (word, is_frame) in [
            (0xa9bc_7bfd, true),  // stp x29, x30, [sp, #-64]!
            (0xa9bd_57f6, true),  // stp x22, x21, [sp, #-48]!
            (0xf81e_0ff3, true),  // str x19, [sp, #-32]!
            (0xa903_7bfd, true),  // stp x29, x30, [sp, #48]
            (0xf81f_0ffe, false), // str x30, [sp, #-16]!
            (0xa902_4ff4, false), // stp x20, x19, [sp, #32]
            (0xa9bf_07e0, false), // stp x0, x1, [sp, #-16]!
            (0xa8c4_7bfd, false), // ldp x29, x30, [sp], #64
            (0xf81e_0c13, false), // str x19, [x0, #-32]!
        ] {
            assert_eq!(makes_frame(word), is_frame, "{word:#x}");
        }
    }
}
