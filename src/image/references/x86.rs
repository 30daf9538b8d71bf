//! References of x86-64 code: any four bytes may be the displacement of an instruction.

use std::cell::RefCell;

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory, Mnemonic};

use super::hull::{BLOCK, Halves, Hull, sums_refer};
use super::operands;
use super::scan::{CHUNK, Reference, Scan, Usage};

/// Bytes of an instruction, and of it before a displacement.
const LONGEST: usize = 15;
const MOST_BEFORE: usize = 11;
/// Code that is looked at with the same upper halves of displacements.
const STRETCH: usize = 1 << 12;

impl Scan<'_> {
    /// Any four bytes may be the displacement of an instruction: those that point into a hull are decoded.
    pub(super) fn x86(&mut self, start: u64, bytes: &[u8], hulls: &[Hull]) {
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
        // The byte before says that the place is relative to the next instruction (ModRM: mod 0, rm 5).
        let mut kind = [0];
        if !self.image.bytes(displacement.wrapping_sub(1), &mut kind) || kind[0] & 0xc7 != 5 {
            return;
        }
        let mut around = [0; MOST_BEFORE + LONGEST];
        let start = displacement.wrapping_sub(MOST_BEFORE as u64);
        let is_all_there = self.image.bytes(start, &mut around);
        let mut fitting = Vec::new();
        for before in 1..=MOST_BEFORE {
            let from = displacement.wrapping_sub(before as u64);
            let code = &mut around[MOST_BEFORE - before..][..LONGEST];
            let length = if is_all_there { LONGEST } else { self.image.code(from, code) };
            let mut decoder = Decoder::with_ip(64, &code[..length], from, DecoderOptions::NONE);
            let instruction = decoder.decode();
            let offsets = decoder.get_constant_offsets(&instruction);
            // Half an address is none: the same bytes with their prefix are what is meant.
            let is_half = instruction.mnemonic() == Mnemonic::Lea && !instruction.op0_register().is_gpr64();
            let fits = !instruction.is_invalid()
                && !is_half
                && instruction.is_ip_rel_memory_operand()
                && offsets.displacement_offset() == before;
            let to = instruction.ip_rel_memory_address();
            if fits && to.wrapping_sub(near) <= 4 {
                fitting.push(self.reference(&instruction, to));
            }
        }
        if !fitting.is_empty() {
            self.found.push(fitting);
        }
    }

    /// What an instruction does with the place that it names.
    fn reference(&mut self, instruction: &iced_x86::Instruction, to: u64) -> Reference {
        let from = instruction.ip();
        if instruction.mnemonic() == Mnemonic::Lea {
            let (image, factory) = (self.image, RefCell::new(InstructionInfoFactory::new()));
            let decode = |at| operands::decode(image, at, &mut factory.borrow_mut());
            let register = operands::number(instruction.op0_register());
            let usage = register
                .map_or(Usage::Take, |register| self.taken(&decode, instruction.next_ip(), register, to));
            return Reference { from, to, size: 1, usage };
        }
        let reads =
            InstructionInfoFactory::new().info(instruction).used_memory().iter().all(operands::is_read);
        let usage = if reads { Usage::Load } else { Usage::Store };
        Reference { from, to, size: instruction.memory_size().size() as u64, usage }
    }
}
