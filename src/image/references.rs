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

const CHUNK: usize = 1 << 16;
const BLOCK: usize = 256;
/// The longest instruction, and then some.
const MARGIN: usize = 16;
/// A jump or a call follows within so many instructions, or the use is not followed.
const AHEAD: usize = 24;

/// Every reference into the ranges from code outside `seen`.
pub(super) fn references(image: &Image, ranges: &[Range<u64>], seen: &NumberSet) -> Vec<Reference> {
    let (Some(low), Some(high)) =
        (ranges.iter().map(|range| range.start).min(), ranges.iter().map(|range| range.end).max())
    else {
        return Vec::new();
    };
    let mut scan = Scan { image, ranges, hull: low..high, seen, found: Vec::new() };
    for segment in image.segments.iter().filter(|segment| segment.executable) {
        let size = segment.size.min(segment.file_size);
        let mut at = 0;
        let mut pages = [None; 32];
        while at < size {
            let length = (size - at).min((CHUNK + MARGIN) as u64);
            let Some(bytes) = image.raw(segment.address + at, length) else { break };
            match image.kind.architecture {
                Architecture::X86_64 | Architecture::Other(_) => scan.x86(segment.address + at, &bytes),
                Architecture::Aarch64 => scan.aarch64(segment.address + at, &bytes, &mut pages),
            }
            at += CHUNK as u64;
        }
    }
    scan.found.sort_unstable();
    scan.found.dedup();
    scan.found
}

struct Scan<'a> {
    image: &'a Image,
    ranges: &'a [Range<u64>],
    hull: Range<u64>,
    seen: &'a NumberSet,
    found: Vec<Reference>,
}

impl Scan<'_> {
    fn watched(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }

    /// Whether an instruction whose displacement leads here may mean a watched address: an immediate of up to
    /// four bytes may follow the displacement.
    fn near(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.start <= address.saturating_add(4) && address < range.end)
    }

    /// Any four bytes may be the displacement of an instruction: those that point into the hull are decoded.
    fn x86(&mut self, start: u64, bytes: &[u8]) {
        // An immediate of up to four bytes may follow the displacement.
        let low = self.hull.start.wrapping_sub(4);
        let Ok(width) = u32::try_from(self.hull.end.wrapping_sub(low)) else { return };
        let target = |place: u64, window: &[u8; 4]| {
            let displacement = i32::from_le_bytes(*window);
            place.wrapping_add(4).wrapping_add_signed(displacement.into())
        };
        let places = bytes.len().saturating_sub(3).min(CHUNK);
        for block in (0..places).step_by(BLOCK) {
            // Sums in 32 bits, over a whole block without a branch: this is where a scan's time goes.
            let end = (block + BLOCK).min(places);
            let Some(window) = bytes.get(block..end + 3) else { return };
            let base = (start.wrapping_add(block as u64 + 4).wrapping_sub(low) & 0xffff_ffff) as u32;
            let near = window.array_windows::<4>().zip(base..).fold(false, |near, (window, base)| {
                near | (u32::from_le_bytes(*window).wrapping_add(base) < width)
            });
            if !near {
                continue;
            }
            for (index, window) in window.array_windows::<4>().enumerate() {
                let place = start.wrapping_add((block + index) as u64);
                let to = target(place, window);
                if to.wrapping_sub(low) < u64::from(width) && self.near(to) {
                    self.decode(place, to);
                }
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
            if fits && to.wrapping_sub(near) <= 4 && self.watched(to) {
                fitting.push(Reference { from, to, usage: self.usage(&instruction, from) });
            }
        }
        // Without its prefix an instruction decodes as well: one of several starts is the real one.
        if !fitting.iter().any(|reference| self.seen.contains(&reference.from)) {
            self.found.append(&mut fitting);
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
    /// the next `ADRP`, so that nothing is missed.
    fn aarch64(&mut self, start: u64, bytes: &[u8], pages: &mut [Option<u64>; 32]) {
        for (index, word) in bytes.chunks_exact(4).enumerate().take(CHUNK / 4) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            let at = start.wrapping_add(index as u64 * 4);
            let bits = |low: u32, count: u32| u64::from(word >> low & ((1 << count) - 1));
            let (to, from) = (bits(0, 5) as usize, bits(5, 5) as usize);
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
        if self.hull.contains(&to) && self.watched(to) && !self.seen.contains(&from) {
            let usage = if usage == Usage::Take && self.handed_on(from) { Usage::Pass } else { usage };
            self.found.push(Reference { from, to, usage });
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
