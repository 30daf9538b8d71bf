//! Decodes AArch64 instructions for tracking an address. If an instruction that is not decoded here
//! overwrites a register, the register is tracked for longer than necessary, which is safe.
//! Sources: Arm Architecture Reference Manual, A64 base instructions, "Top-level encodings for A64";
//! Procedure Call Standard (AAPCS64), "General-purpose Registers".

use super::super::eval::aarch64_word::A64Word;
use super::instruction::{BranchTarget, Flow, Instruction, MemoryAccess, RegisterSum};

/// Register number of the stack pointer or the zero register.
const NONE: u8 = 31;

/// Decodes an instruction. `import` returns the imported function if code at an address is its stub.
pub(super) fn decode_a64(word: u32, at: u64, import: &dyn Fn(u64) -> Option<BranchTarget>) -> Instruction {
    let word = A64Decoder(A64Word { code: word, at });
    let instruction = match word.bits(25, 4) {
        0b1000 | 0b1001 => word.decode_immediate(),
        0b1010 | 0b1011 => word.decode_branch(import),
        0b0101 | 0b1101 => word.decode_register_form(),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => word.decode_load_store(),
        0b0111 | 0b1111 => {
            Instruction { untracked: word.registers_moved_to_vectors(), ..Instruction::default() }
        }
        0b0000 => Instruction { flow: Flow::Stop, ..Instruction::default() },
        _ => Instruction::default(),
    };
    Instruction { length: 4, ..instruction }
}

/// The register that `ADRP` or `ADR` sets, and the page or address.
pub(super) fn decode_page_address(word: u32, at: u64) -> Option<(u8, u64)> {
    let word = A64Word { code: word, at };
    (word.bits(24, 5) == 0b10000).then(|| (word.register(0) as u8, word.pc_relative_address()))
}

/// Whether an instruction sets up a stack frame: it stores callee-saved registers with a pre-decrement of the
/// stack pointer, or stores x29 and x30 in the frame. x30 alone is also stored around calls, so it does not
/// count.
pub(super) fn is_frame_setup(word: u32) -> bool {
    let is_saved = |register: u32| (19..=30).contains(&register);
    let (first, second, base) = (word & 31, word >> 10 & 31, word >> 5 & 31);
    // STP of 64 bits and STR of 64 bits, pre-indexed.
    let pair = word & 0xffe0_0000 == 0xa9a0_0000 && is_saved(first) && is_saved(second);
    let single = word & 0xfff0_0c00 == 0xf810_0c00 && is_saved(first) && first != 30;
    let frame_record = word & 0xffc0_7fff == 0xa900_7bfd;
    base == 31 && (pair || single || frame_record)
}

/// The instruction that is being decoded.
struct A64Decoder(A64Word);

impl A64Decoder {
    fn bits(&self, low: u32, count: u32) -> u32 {
        self.0.bits(low, count)
    }

    fn signed_bits(&self, low: u32, count: u32) -> i64 {
        self.0.signed_bits(low, count).cast_signed()
    }

    fn register(&self, low: u32) -> u8 {
        self.0.register(low) as u8
    }

    /// The set of the registers whose numbers are encoded at these bits.
    fn register_set(&self, lows: &[u32]) -> u32 {
        lows.iter().map(|low| register_bit(self.register(*low))).fold(0, |all, one| all | one)
    }

    fn decode_immediate(&self) -> Instruction {
        let (to, from) = (self.register(0), self.register(5));
        let plain = Instruction { writes: self.register_set(&[0]), ..Instruction::default() };
        match self.bits(23, 3) {
            0b000 | 0b001 => Instruction { address: Some((to, self.0.pc_relative_address())), ..plain },
            0b010 if to == NONE || from == NONE => plain,
            0b010 if self.bits(31, 1) == 1 && self.bits(29, 1) == 0 => {
                let by = i64::from(self.bits(10, 12)) << if self.bits(22, 1) == 1 { 12 } else { 0 };
                let by = if self.bits(30, 1) == 1 { -by } else { by };
                Instruction { sum: Some(RegisterSum { to, from, by }), ..Instruction::default() }
            }
            // Moves of constants have no source register.
            0b101 => plain,
            _ => Instruction { untracked: self.register_set(&[5]), ..plain },
        }
    }

    fn decode_branch(&self, import: &dyn Fn(u64) -> Option<BranchTarget>) -> Instruction {
        let destination = |low, count| self.0.at.wrapping_add_signed(self.signed_bits(low, count) << 2);
        let target = |address| import(address).unwrap_or(BranchTarget::Code(address));
        let flow = match (self.bits(26, 6), self.bits(24, 8)) {
            (0b000101, _) => Flow::Jump(target(destination(0, 26))),
            (0b100101, _) => Flow::Call(target(destination(0, 26))),
            (_, 0x54 | 0x34 | 0xb4 | 0x35 | 0xb5) => Flow::Branch(destination(5, 19)),
            (_, 0x36 | 0xb6 | 0x37 | 0xb7) => Flow::Branch(destination(5, 14)),
            (_, 0xd6 | 0xd7) => match self.bits(21, 2) {
                0b00 => Flow::Jump(BranchTarget::Untold),
                0b01 => Flow::Call(BranchTarget::Untold),
                _ => Flow::Return,
            },
            // SVC and similar instructions return.
            (_, 0xd4) if self.bits(21, 3) == 0 && self.bits(0, 2) != 0 => Flow::Next,
            (_, 0xd4) => Flow::Stop,
            // MRS writes its register.
            (_, 0xd5) if self.bits(20, 2) == 0b11 => {
                return Instruction { writes: self.register_set(&[0]), ..Instruction::default() };
            }
            (_, _) => Flow::Next,
        };
        Instruction { flow, ..Instruction::default() }
    }

    fn decode_register_form(&self) -> Instruction {
        // Conditional compares, RMIF and SETF write only flags.
        if self.bits(21, 8) == 0b1101_0010 || self.bits(21, 8) == 0b1101_0000 && self.bits(10, 6) != 0 {
            return Instruction::default();
        }
        let is_sum = self.bits(24, 5) == 0b01011;
        if is_sum && self.bits(29, 1) == 1 && self.register(0) == NONE {
            return Instruction::default();
        }
        // MOV of a register: ORR with the zero register, not shifted.
        if self.0.code & 0xffe0_ffe0 == 0xaa00_03e0 && self.register(0) != NONE && self.register(16) != NONE {
            let sum = RegisterSum { to: self.register(0), from: self.register(16), by: 0 };
            return Instruction { sum: Some(sum), ..Instruction::default() };
        }
        // Instructions with three sources encode one at bit 10.
        let sources: &[u32] = if self.bits(24, 5) == 0b11011 { &[5, 10, 16] } else { &[5, 16] };
        Instruction {
            untracked: self.register_set(sources),
            writes: self.register_set(&[0]),
            ..Instruction::default()
        }
    }

    /// Registers that are moved to vector registers: `FMOV`, `SCVTF`, `DUP`, `INS`.
    fn registers_moved_to_vectors(&self) -> u32 {
        let scalar =
            self.0.code & 0x5f20_fc00 == 0x1e20_0000 && matches!(self.bits(16, 3), 0b010 | 0b011 | 0b111);
        let vector = self.0.code & 0xbfe0_fc00 == 0x0e00_0c00 || self.0.code & 0xffe0_fc00 == 0x4e00_1c00;
        if scalar || vector { self.register_set(&[5]) } else { 0 }
    }

    fn decode_load_store(&self) -> Instruction {
        let is_vector = self.bits(26, 1) == 1;
        let general = |lows: &[u32]| if is_vector { 0 } else { self.register_set(lows) };
        let base = self.register(5);
        let access = |offsets: [i64; 2], size: u8, is_store: bool| {
            Some(MemoryAccess { base, offsets, size, is_store })
        };
        let size = 1 << if is_vector && self.bits(23, 1) == 1 { 4 } else { self.bits(30, 2) };
        let moved = |is_store: bool, values: u32, offsets: [i64; 2], size: u8| Instruction {
            access: access(offsets, size, is_store),
            untracked: if is_store { values } else { 0 },
            writes: if is_store { 0 } else { values },
            ..Instruction::default()
        };
        if self.0.code & 0x3b00_0000 == 0x1800_0000 {
            return Instruction { writes: general(&[0]), ..Instruction::default() };
        }
        if self.0.code & 0x3a00_0000 == 0x2800_0000 {
            let size: u8 = match (is_vector, self.bits(30, 2)) {
                (true, size) => 4 << size.min(2),
                (false, 0b10) => 8,
                (false, _) => 4,
            };
            let (by, is_store) = (self.signed_bits(15, 7) * i64::from(size), self.bits(22, 1) == 0);
            let first = if self.bits(23, 2) == 0b01 { 0 } else { by };
            let pair = moved(is_store, general(&[0, 10]), [first, first + i64::from(size)], size);
            return if self.bits(23, 1) == 1 { self.with_writeback(pair, by) } else { pair };
        }
        // Bits 22 and 23 tell loads from stores, except for 128-bit vectors.
        let is_store = self.bits(22, 2) == 0 || is_vector && self.bits(22, 1) == 0;
        if self.0.code & 0x3b00_0000 == 0x3900_0000 {
            return moved(is_store, general(&[0]), [i64::from(self.bits(10, 12)) * i64::from(size); 2], size);
        }
        if self.0.code & 0x3b00_0000 == 0x3800_0000 {
            let by = self.signed_bits(12, 9);
            return match (self.bits(21, 1), self.bits(10, 2)) {
                (0, 0b00 | 0b10) => moved(is_store, general(&[0]), [by; 2], size),
                (0, 0b01) => self.with_writeback(moved(is_store, general(&[0]), [0; 2], size), by),
                (0, _) => self.with_writeback(moved(is_store, general(&[0]), [by; 2], size), by),
                (_, 0b10) => {
                    // Register offset: the address is not known.
                    let plain = moved(is_store, general(&[0]), [0; 2], size);
                    let through = if is_store { self.register_set(&[5]) } else { 0 };
                    Instruction {
                        access: None,
                        untracked: plain.untracked | self.register_set(&[16]) | through,
                        ..plain
                    }
                }
                // Atomic operations read and write.
                (_, _) => Instruction {
                    access: access([0; 2], size, true),
                    untracked: self.register_set(&[16]),
                    writes: self.register_set(&[0]),
                    ..Instruction::default()
                },
            };
        }
        if self.0.code & 0x3f00_0000 == 0x0800_0000 {
            // Exclusive and ordered accesses; compare and swap.
            let is_store = self.bits(22, 1) == 0 || self.bits(21, 1) == 1 && self.bits(23, 1) == 1;
            let plain = moved(is_store, self.register_set(&[0]), [0; 2], 16);
            return Instruction {
                untracked: if is_store { self.register_set(&[0, 10, 16]) } else { 0 },
                ..plain
            };
        }
        // Ordered accesses with an unscaled offset: STLUR, LDAPUR.
        if self.0.code & 0x3f20_0c00 == 0x1900_0000 {
            return moved(is_store, general(&[0]), [self.signed_bits(12, 9); 2], size);
        }
        // Structure loads and stores of several vectors, which may update the base; and encodings not decoded
        // here.
        let is_several = self.0.code & 0xbe00_0000 == 0x0c00_0000;
        Instruction {
            access: access([0; 2], if is_several { 64 } else { 16 }, self.bits(22, 1) == 0),
            untracked: if is_several && self.bits(23, 1) == 1 { self.register_set(&[5]) } else { 0 },
            ..Instruction::default()
        }
    }

    /// Adds the update of the base register (pre- and post-indexed accesses).
    fn with_writeback(&self, instruction: Instruction, by: i64) -> Instruction {
        let base = self.register(5);
        if base == NONE {
            return instruction;
        }
        Instruction { sum: Some(RegisterSum { to: base, from: base, by }), ..instruction }
    }
}

fn register_bit(register: u8) -> u32 {
    if register == NONE { 0 } else { 1 << register }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(word: u32) -> Instruction {
        decode_a64(word, 0x1000, &|_| None)
    }

    #[test]
    fn frames_are_told_from_other_stores() {
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
            assert_eq!(is_frame_setup(word), is_frame, "{word:#x}");
        }
    }

    #[test]
    fn what_becomes_of_registers_is_as_the_manual_has_it() {
        let sum = |to, from, by| Instruction {
            length: 4,
            sum: Some(RegisterSum { to, from, by }),
            ..Instruction::default()
        };
        assert_eq!(of(0x9109_4000), sum(0, 0, 592)); // add x0, x0, #592
        assert_eq!(of(0xd100_4001), sum(1, 0, -16)); // sub x1, x0, #16
        assert_eq!(of(0xaa13_03e0), sum(0, 19, 0)); // mov x0, x19
        let compared = Instruction { length: 4, ..Instruction::default() };
        assert_eq!(of(0xeb01_001f), compared); // cmp x0, x1
        assert_eq!(of(0xf100_041f), compared); // cmp x0, #1
        assert_eq!(of(0xfa41_0004), compared); // ccmp x0, x1, #4, eq
        let stored = of(0xf900_1001); // str x1, [x0, #32]
        assert_eq!(stored.access, Some(MemoryAccess { base: 0, offsets: [32; 2], size: 8, is_store: true }));
        assert_eq!((stored.untracked, stored.writes), (1 << 1, 0));
        let loaded = of(0xa940_2c09); // ldp x9, x11, [x0]
        assert_eq!(loaded.access, Some(MemoryAccess { base: 0, offsets: [0, 8], size: 8, is_store: false }));
        assert_eq!((loaded.untracked, loaded.writes), (0, 1 << 9 | 1 << 11));
        let wide = of(0x3d80_041f); // str q31, [x0, #16]
        assert_eq!(wide.access, Some(MemoryAccess { base: 0, offsets: [16; 2], size: 16, is_store: true }));
        assert_eq!(of(0x9e67_0000).untracked, 1); // fmov d0, x0
        assert_eq!(of(0x1e61_2800).untracked, 0); // fadd d0, d0, d1
        assert_eq!(decode_page_address(0xd000_0001, 0x1234), Some((1, 0x3000))); // adrp x1, 0x3000
        assert_eq!(of(0xd400_0001).flow, Flow::Next); // svc #0
        assert_eq!(of(0xd420_0000).flow, Flow::Stop); // brk #0
        assert_eq!(of(0xd61f_0220).flow, Flow::Jump(BranchTarget::Untold)); // br x17
        assert_eq!(of(0x9400_0001).flow, Flow::Call(BranchTarget::Code(0x1004))); // bl
        assert_eq!(of(0x3607_ffe0).flow, Flow::Branch(0xffc)); // tbz w0, #0, .-4
    }
}
