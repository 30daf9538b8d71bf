//! Finds references in x86-64 code. Instruction boundaries are not known, so any four bytes may be a
//! displacement.

use std::cell::RefCell;

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory, Mnemonic};

use super::address_clusters::{AddressCluster, BLOCK, UpperHalves, has_displacement_into};
use super::code_scan::{CHUNK, CodeScan};
use super::reference::{Reference, Usage};
use super::x86_decoder;

/// Maximum length of an instruction, and of the part before its displacement.
const MAX_LENGTH: usize = 15;
const MAX_BEFORE: usize = 11;
/// Bytes of code for which the upper halves of displacements are computed once.
const STRETCH: usize = 1 << 12;

/// Scans a chunk of code. Any four bytes may be a displacement: those that point into a cluster are decoded.
pub(super) fn scan_x86(scan: &mut CodeScan<'_>, start: u64, bytes: &[u8], clusters: &[AddressCluster]) {
    DisplacementScan { scan }.scan_chunk(start, bytes, clusters);
}

/// A scan that starts at displacements that point into a cluster.
struct DisplacementScan<'s, 'a> {
    scan: &'s mut CodeScan<'a>,
}

impl DisplacementScan<'_, '_> {
    fn scan_chunk(&mut self, start: u64, bytes: &[u8], clusters: &[AddressCluster]) {
        let positions = bytes.len().saturating_sub(3).min(CHUNK);
        for at in (0..positions).step_by(STRETCH) {
            let address = start.wrapping_add(at as u64);
            let Some(stretch) = bytes.get(at..(at + STRETCH).min(positions) + 3) else { return };
            for cluster in clusters {
                match UpperHalves::from_code_range(cluster, address, stretch.len() as u64) {
                    Some(halves) => self.scan_stretch(address, stretch, cluster, &halves),
                    None => self.scan_block(address, stretch, cluster),
                }
            }
        }
    }

    fn scan_stretch(&mut self, address: u64, stretch: &[u8], cluster: &AddressCluster, halves: &UpperHalves) {
        let [_, _, thirds @ .., _] = stretch else { return };
        let [_, _, _, fourths @ ..] = stretch else { return };
        let (thirds, fourths) = (thirds.as_chunks::<BLOCK>().0, fourths.as_chunks::<BLOCK>().0);
        for (index, (thirds, fourths)) in thirds.iter().zip(fourths).enumerate() {
            if halves.may_occur_in(thirds, fourths) {
                let at = index * BLOCK;
                self.scan_block(address.wrapping_add(at as u64), &stretch[at..at + BLOCK + 3], cluster);
            }
        }
        let rest = fourths.len() * BLOCK;
        self.scan_block(address.wrapping_add(rest as u64), &stretch[rest..], cluster);
    }

    #[inline(never)]
    fn scan_block(&mut self, first: u64, window: &[u8], cluster: &AddressCluster) {
        if !has_displacement_into(window, first, cluster) {
            return;
        }
        for (address, window) in (first..).zip(window.array_windows::<4>()) {
            let displacement = i32::from_le_bytes(*window);
            let to = address.wrapping_add(4).wrapping_add_signed(displacement.into());
            if to.wrapping_sub(cluster.low) < u64::from(cluster.width) && cluster.is_near_watched(to) {
                self.decode_around(address, to);
            }
        }
    }

    #[cold]
    fn decode_around(&mut self, displacement: u64, near: u64) {
        // The ModRM byte before the displacement must select RIP-relative addressing (mod 0, rm 5).
        let mut kind = [0];
        if !self.scan.image.read_bytes(displacement.wrapping_sub(1), &mut kind) || kind[0] & 0xc7 != 5 {
            return;
        }
        let mut around = [0; MAX_BEFORE + MAX_LENGTH];
        let start = displacement.wrapping_sub(MAX_BEFORE as u64);
        let is_all_there = self.scan.image.read_bytes(start, &mut around);
        let mut fitting = Vec::new();
        for before in 1..=MAX_BEFORE {
            let from = displacement.wrapping_sub(before as u64);
            let code = &mut around[MAX_BEFORE - before..][..MAX_LENGTH];
            let length = if is_all_there { MAX_LENGTH } else { self.scan.image.read_code(from, code) };
            let mut decoder = Decoder::with_ip(64, &code[..length], from, DecoderOptions::NONE);
            let instruction = decoder.decode();
            let offsets = decoder.get_constant_offsets(&instruction);
            // A 32-bit LEA truncates the address. The same bytes with the prefix before them are the actual
            // instruction.
            let is_half = instruction.mnemonic() == Mnemonic::Lea && !instruction.op0_register().is_gpr64();
            let fits = !instruction.is_invalid()
                && !is_half
                && instruction.is_ip_rel_memory_operand()
                && offsets.displacement_offset() == before;
            let to = instruction.ip_rel_memory_address();
            if fits && to.wrapping_sub(near) <= 4 {
                fitting.push(self.classify_instruction(&instruction, to));
            }
        }
        if !fitting.is_empty() {
            self.scan.found.push(fitting);
        }
    }

    /// Classifies what an instruction does with the address to which it refers.
    fn classify_instruction(&mut self, instruction: &iced_x86::Instruction, to: u64) -> Reference {
        let from = instruction.ip();
        if instruction.mnemonic() == Mnemonic::Lea {
            let (image, factory) = (self.scan.image, RefCell::new(InstructionInfoFactory::new()));
            let decode = |at| x86_decoder::decode_x86(image, at, &mut factory.borrow_mut());
            let register = x86_decoder::register_number(instruction.op0_register());
            let usage = register.map_or(Usage::Take, |register| {
                self.scan.track_address(&decode, instruction.next_ip(), register, to)
            });
            return Reference { from, to, size: 1, usage };
        }
        let reads = InstructionInfoFactory::new()
            .info(instruction)
            .used_memory()
            .iter()
            .all(x86_decoder::is_read_only);
        let usage = if reads { Usage::Load } else { Usage::Store };
        Reference { from, to, size: instruction.memory_size().size() as u64, usage }
    }
}
