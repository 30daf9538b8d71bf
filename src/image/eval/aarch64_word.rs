//! The fields of an AArch64 instruction.

use super::machine_state::MachineState;
use super::value::AbstractValue;

/// Number of the stack pointer; in most operands the same number stands for zero.
pub(super) const STACK_POINTER: usize = 31;

/// The encoding of one instruction and its address.
#[derive(Clone, Copy)]
pub(in crate::image) struct A64Word {
    pub(in crate::image) code: u32,
    pub(in crate::image) at: u64,
}

impl A64Word {
    pub(in crate::image) fn bits(&self, low: u32, count: u32) -> u32 {
        self.code >> low & ((1 << count) - 1)
    }

    pub(in crate::image) fn signed_bits(&self, low: u32, count: u32) -> u64 {
        let unused = 64 - count;
        ((u64::from(self.bits(low, count)) << unused).cast_signed() >> unused).cast_unsigned()
    }

    /// The register number encoded at this bit.
    pub(in crate::image) fn register(&self, low: u32) -> usize {
        self.bits(low, 5) as usize
    }

    /// The address that `ADR` or `ADRP` computes.
    pub(in crate::image) fn pc_relative_address(&self) -> u64 {
        let offset = self.signed_bits(5, 19) << 2 | u64::from(self.bits(29, 2));
        if self.bits(31, 1) == 1 {
            (self.at & !0xfff).wrapping_add(offset << 12)
        } else {
            self.at.wrapping_add(offset)
        }
    }

    /// The value of the general register encoded at this bit; register 31 is zero.
    pub(super) fn read_register(&self, state: &MachineState, low: u32) -> AbstractValue {
        match self.register(low) {
            STACK_POINTER => AbstractValue::ZERO,
            number => state.registers[number],
        }
    }
}
