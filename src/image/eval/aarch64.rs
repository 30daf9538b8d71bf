//! Interprets AArch64 instructions. The decoder is hand-written, since a few dozen forms of fixed-width words
//! are enough. An instruction that is not modeled makes every register unknown that it may have written.
//! Source: Arm Architecture Reference Manual, A64 base instructions, "Top-level encodings for A64".

use super::aarch64_memory::interpret_load_store;
use super::aarch64_word::{A64Word, STACK_POINTER};
use super::machine_state::{Condition, Flags, MachineState};
use super::processor::{ControlTransfer, MemoryBus};
use super::value::{AbstractValue, byte_mask, sign_extend};

/// Interprets the instruction at [`MachineState::at`].
pub(in crate::image) fn interpret_instruction(
    bus: &dyn MemoryBus,
    state: &mut MachineState,
) -> ControlTransfer {
    let mut code = [0; 4];
    if bus.fetch_code(state.at, &mut code) < 4 {
        return ControlTransfer::Stop;
    }
    let word = A64Word { code: u32::from_le_bytes(code), at: state.at };
    state.at = state.at.wrapping_add(4);
    match word.bits(25, 4) {
        0b1000 | 0b1001 => word.interpret_immediate(state),
        0b1010 | 0b1011 => return word.interpret_branch(state),
        0b0101 | 0b1101 => word.interpret_register_form(state),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => interpret_load_store(&word, bus, state),
        0b0111 | 0b1111 => word.interpret_vector(state),
        _ => return ControlTransfer::Stop,
    }
    ControlTransfer::Next
}

impl A64Word {
    /// Operand size: 4 or 8 bytes.
    fn width(&self) -> u32 {
        if self.bits(31, 1) == 1 { 8 } else { 4 }
    }

    fn write_register(&self, state: &mut MachineState, value: AbstractValue) {
        let number = self.register(0);
        if number != STACK_POINTER {
            state.registers[number] = value.low_bytes(self.width());
        }
    }

    /// Data processing with an immediate operand.
    fn interpret_immediate(&self, state: &mut MachineState) {
        let width = self.width();
        match self.bits(23, 3) {
            0b000 | 0b001 => {
                if self.register(0) != STACK_POINTER {
                    state.registers[self.register(0)] = AbstractValue::Known(self.pc_relative_address());
                }
            }
            0b010 => {
                let shift = if self.bits(22, 1) == 1 { 12 } else { 0 };
                let operand = AbstractValue::Known(u64::from(self.bits(10, 12)) << shift);
                let base = state.registers[self.register(5)];
                let flags = self.bits(29, 1) == 1;
                let value = self.add_or_subtract(state, base, operand, flags);
                // Register 31 is the stack pointer, unless flags are set.
                if self.register(0) != STACK_POINTER || !flags {
                    state.registers[self.register(0)] = value.low_bytes(width);
                }
            }
            0b100 => {
                let Some(operand) = self.decode_bitmask() else { return self.forget_destination(state) };
                let base = self.read_register(state, 5);
                let value = self.apply_logic(
                    state,
                    self.bits(29, 2),
                    base,
                    AbstractValue::Known(operand & byte_mask(width)),
                );
                if self.bits(29, 2) == 0b11 {
                    self.write_register(state, value);
                } else {
                    state.registers[self.register(0)] = value.low_bytes(width);
                }
            }
            0b101 => {
                let shift = self.bits(21, 2) * 16;
                let part = u64::from(self.bits(5, 16)) << shift;
                let value = match self.bits(29, 2) {
                    0b00 => AbstractValue::Known(!part),
                    0b10 => AbstractValue::Known(part),
                    0b11 => self.read_register(state, 0).map(|old| old & !(0xffff << shift) | part),
                    _ => AbstractValue::UNKNOWN,
                };
                self.write_register(state, value);
            }
            0b110 => self.interpret_bitfield(state),
            _ => self.forget_destination(state),
        }
    }

    /// Adds or subtracts (bit 30), and sets the flags if `flags` (bit 29).
    fn add_or_subtract(
        &self,
        state: &mut MachineState,
        a: AbstractValue,
        b: AbstractValue,
        flags: bool,
    ) -> AbstractValue {
        let width = self.width();
        let subtract = self.bits(30, 1) == 1;
        let (a, b) = (a.low_bytes(width), b.low_bytes(width));
        let result = match (subtract, b) {
            (_, AbstractValue::Known(0)) => a,
            (true, _) => a.zip_with(b, u64::wrapping_sub),
            (false, _) => a.zip_with(b, u64::wrapping_add),
        };
        if flags {
            state.flags = if subtract {
                Flags::Compare(a, b, width)
            } else {
                Flags::Result(result.low_bytes(width), width)
            };
        }
        result
    }

    fn apply_logic(
        &self,
        state: &mut MachineState,
        operation: u32,
        a: AbstractValue,
        b: AbstractValue,
    ) -> AbstractValue {
        let width = self.width();
        let (a, b) = (a.low_bytes(width), b.low_bytes(width));
        let zero = a == AbstractValue::ZERO || b == AbstractValue::ZERO;
        let result = match operation {
            0b01 if a == AbstractValue::ZERO => b,
            0b01 if b == AbstractValue::ZERO => a,
            0b01 => a.zip_with(b, |a, b| a | b),
            0b10 => a.zip_with(b, |a, b| a ^ b),
            _ if zero => AbstractValue::ZERO,
            _ => a.zip_with(b, |a, b| a & b),
        };
        if operation == 0b11 {
            state.flags = Flags::Result(result, width);
        }
        result
    }

    /// Decodes a bitmask immediate (`DecodeBitMasks` in the manual).
    fn decode_bitmask(&self) -> Option<u64> {
        let (n, rotate, ones) = (self.bits(22, 1), self.bits(16, 6), self.bits(10, 6));
        let length = (n << 6 | (!ones & 0x3f)).checked_ilog2()?;
        let size = 1_u32 << length;
        if size < 2 {
            return None;
        }
        let (ones, rotate) = (ones & (size - 1), rotate & (size - 1));
        if ones == size - 1 {
            return None;
        }
        let element = (1_u64 << (ones + 1)) - 1;
        let all = if size == 64 { u64::MAX } else { (1 << size) - 1 };
        let rotated =
            if rotate == 0 { element } else { (element >> rotate | element << (size - rotate)) & all };
        Some((0..64 / size).fold(0, |whole, index| whole | rotated << (index * size)))
    }

    /// `UBFM`, `SBFM`: shifts and extensions. The result of `BFM`, which keeps bits of its destination, is
    /// unknown.
    fn interpret_bitfield(&self, state: &mut MachineState) {
        let (rotate, top) = (self.bits(16, 6), self.bits(10, 6));
        let bits = self.width() * 8;
        let source = self.read_register(state, 5);
        let signed = match self.bits(29, 2) {
            0b00 => true,
            0b10 => false,
            _ => return self.write_register(state, AbstractValue::UNKNOWN),
        };
        let value = source.map(|source| {
            let source = source & byte_mask(self.width());
            let field = |count: u32| if count >= 64 { u64::MAX } else { (1 << count) - 1 };
            let (value, count, shift) = if top >= rotate {
                (source >> rotate & field(top - rotate + 1), top - rotate + 1, 0)
            } else {
                (source & field(top + 1), top + 1, bits - rotate)
            };
            let unused = 64 - count.min(64);
            let value =
                if signed { ((value << unused).cast_signed() >> unused).cast_unsigned() } else { value };
            value.wrapping_shl(shift)
        });
        self.write_register(state, value);
    }

    /// Branches, exceptions, system instructions.
    fn interpret_branch(&self, state: &mut MachineState) -> ControlTransfer {
        let target = |low, count| self.at.wrapping_add(self.signed_bits(low, count) << 2);
        match self.bits(26, 6) {
            0b000101 => return ControlTransfer::Jump(AbstractValue::Known(target(0, 26))),
            0b100101 => return self.branch_with_link(state, AbstractValue::Known(target(0, 26))),
            _ => {}
        }
        match self.bits(24, 8) {
            0x54 => return ControlTransfer::Branch(decode_condition(self.bits(0, 4)), target(5, 19)),
            0x34 | 0xb4 | 0x35 | 0xb5 => {
                let zero = self.bits(24, 1) == 0;
                let value = self.read_register(state, 0).low_bytes(self.width());
                return ControlTransfer::BranchZero(value, self.width(), zero, target(5, 19));
            }
            0x36 | 0xb6 | 0x37 | 0xb7 => {
                let bit = self.bits(31, 1) << 5 | self.bits(19, 5);
                let set = self.bits(24, 1) == 1;
                let value = self.read_register(state, 0).map(|value| value >> bit & 1);
                return match value {
                    AbstractValue::Known(value) if (value == 1) == set => {
                        ControlTransfer::Jump(AbstractValue::Known(target(5, 14)))
                    }
                    AbstractValue::Known(_) => ControlTransfer::Next,
                    AbstractValue::Unknown(_) => ControlTransfer::Either(target(5, 14)),
                };
            }
            0xd6 | 0xd7 => {
                // Bits 11 and 24 are set with pointer authentication, which does not change the address.
                let register = self.read_register(state, 5);
                return match self.bits(21, 2) {
                    0b00 => ControlTransfer::Jump(register),
                    0b01 => self.branch_with_link(state, register),
                    0b10 => ControlTransfer::Return,
                    _ => ControlTransfer::Stop,
                };
            }
            0xd4 => return ControlTransfer::Stop,
            0xd5 => {
                if self.bits(20, 2) == 0b11 && self.register(0) != STACK_POINTER {
                    state.registers[self.register(0)] = AbstractValue::UNKNOWN;
                }
            }
            _ => return ControlTransfer::Stop,
        }
        ControlTransfer::Next
    }

    fn branch_with_link(&self, state: &mut MachineState, target: AbstractValue) -> ControlTransfer {
        state.registers[30] = AbstractValue::UNKNOWN;
        ControlTransfer::Call(target)
    }

    /// Data processing with registers only.
    fn interpret_register_form(&self, state: &mut MachineState) {
        let width = self.width();
        let operation = self.bits(24, 5);
        let shifted = |state: &MachineState| {
            let amount = self.bits(10, 6);
            let value = self.read_register(state, 16).low_bytes(width);
            match (self.bits(22, 2), amount) {
                (_, 0) => value,
                (0b00, _) => value.map(|value| value << amount),
                (0b01, _) => value.map(|value| value >> amount),
                (0b10, _) => {
                    value.map(|value| (sign_extend(value, width).cast_signed() >> amount).cast_unsigned())
                }
                _ => AbstractValue::UNKNOWN,
            }
        };
        match operation {
            0b01010 => {
                let operand = shifted(state);
                let operand = if self.bits(21, 1) == 1 { operand.map(|operand| !operand) } else { operand };
                let base = self.read_register(state, 5);
                let value = self.apply_logic(state, self.bits(29, 2), base, operand);
                self.write_register(state, value);
            }
            0b01011 if self.bits(21, 1) == 0 => {
                let (base, operand) = (self.read_register(state, 5), shifted(state));
                let value = self.add_or_subtract(state, base, operand, self.bits(29, 1) == 1);
                self.write_register(state, value);
            }
            0b01011 => {
                let option = self.bits(13, 3);
                let bytes = 1 << (option & 3);
                let operand = self.read_register(state, 16).low_bytes(bytes);
                let operand =
                    if option & 4 != 0 { operand.map(|value| sign_extend(value, bytes)) } else { operand };
                let operand = match self.bits(10, 3) {
                    0 => operand,
                    shift => operand.map(|operand| operand << shift),
                };
                let flags = self.bits(29, 1) == 1;
                let value = self.add_or_subtract(state, state.registers[self.register(5)], operand, flags);
                if self.register(0) != STACK_POINTER || !flags {
                    state.registers[self.register(0)] = value.low_bytes(width);
                }
            }
            0b11010 if self.bits(21, 3) == 0b100 => self.interpret_select(state),
            0b11010 if self.bits(21, 3) == 0b010 => {
                // CCMP and CCMN.
                let (a, b) = (self.read_register(state, 5), self.read_register(state, 16));
                let b = if self.bits(11, 1) == 1 { AbstractValue::Known(self.bits(16, 5).into()) } else { b };
                state.flags = match state.evaluate_condition(decode_condition(self.bits(12, 4))) {
                    Some(true) if self.bits(30, 1) == 1 => {
                        Flags::Compare(a.low_bytes(width), b.low_bytes(width), width)
                    }
                    Some(_) | None => Flags::Unknown,
                };
            }
            0b11010 if self.bits(21, 3) == 0b110 && self.bits(30, 1) == 0 => {
                let (a, b) = (
                    self.read_register(state, 5).low_bytes(width),
                    self.read_register(state, 16).low_bytes(width),
                );
                let count = |b: u64| b & u64::from(width * 8 - 1);
                let value = match self.bits(10, 6) {
                    0b000010 => a.zip_with(b, |a, b| a.checked_div(b).unwrap_or(0)),
                    0b001000 => a.zip_with(b, |a, b| a << count(b)),
                    0b001001 => a.zip_with(b, |a, b| a >> count(b)),
                    _ => AbstractValue::UNKNOWN,
                };
                self.write_register(state, value);
            }
            0b11011 if self.bits(21, 3) == 0 => {
                let (a, b, c) = (
                    self.read_register(state, 5),
                    self.read_register(state, 16),
                    self.read_register(state, 10),
                );
                let product = a.zip_with(b, u64::wrapping_mul);
                let subtract = self.bits(15, 1) == 1;
                let value = c.zip_with(product, |c, product| {
                    if subtract { c.wrapping_sub(product) } else { c.wrapping_add(product) }
                });
                self.write_register(state, value);
            }
            _ => self.forget_destination(state),
        }
    }

    /// `CSEL`, `CSINC`, `CSINV`, `CSNEG`.
    fn interpret_select(&self, state: &mut MachineState) {
        let other = self.read_register(state, 16);
        let other = match (self.bits(30, 1), self.bits(10, 2)) {
            (0, 0) => other,
            (0, 1) => other.map(|other| other.wrapping_add(1)),
            (1, 0) => other.map(|other| !other),
            (1, 1) => other.map(u64::wrapping_neg),
            (_, _) => AbstractValue::UNKNOWN,
        };
        let value = match state.evaluate_condition(decode_condition(self.bits(12, 4))) {
            Some(true) => self.read_register(state, 5),
            Some(false) => other,
            None if self.read_register(state, 5) == other => other,
            None => AbstractValue::UNKNOWN,
        };
        self.write_register(state, value);
    }

    /// The vector instructions that move whole registers.
    fn interpret_vector(&self, state: &mut MachineState) {
        let (to, from) = (self.register(0), self.register(5));
        let zero = [AbstractValue::ZERO; 4];
        // MOVI Vd.2D, #0 and its narrower forms; MOVI Dd, #0.
        if self.code & 0x9ff8_0c00 == 0x0f00_0400 && self.bits(16, 3) == 0 && self.bits(5, 5) == 0 {
            let plain = match (self.bits(29, 1), self.bits(12, 4)) {
                (0, 0 | 2 | 4 | 6 | 8 | 10 | 14) | (1, 14) => true,
                (_, _) => false,
            };
            state.vectors[to] = if plain { zero } else { [AbstractValue::UNKNOWN; 4] };
            return;
        }
        match self.code & 0xffff_fc00 {
            // FMOV Dd, Xn; FMOV Xd, Dn; FMOV Vd.D[1], Xn; DUP Vd.2D, Xn
            0x9e67_0000 => {
                let value = self.read_register(state, 5);
                state.vectors[to] = [value, AbstractValue::ZERO, AbstractValue::ZERO, AbstractValue::ZERO];
            }
            0x9e66_0000 if to != STACK_POINTER => state.registers[to] = state.vectors[from][0],
            0x9eaf_0000 => state.vectors[to][1] = self.read_register(state, 5),
            0x4e08_0c00 => {
                let value = self.read_register(state, 5);
                state.vectors[to] = [value, value, AbstractValue::ZERO, AbstractValue::ZERO];
            }
            // INS Vd.D[0 or 1], Xn
            0x4e08_1c00 => state.vectors[to][0] = self.read_register(state, 5),
            0x4e18_1c00 => state.vectors[to][1] = self.read_register(state, 5),
            // INS Vd.D[1], Vn.D[0]; DUP Vd.2D, Vn.D[0]
            0x6e18_0400 => state.vectors[to][1] = state.vectors[from][0],
            0x4e08_0400 => {
                let value = state.vectors[from][0];
                state.vectors[to] = [value, value, AbstractValue::ZERO, AbstractValue::ZERO];
            }
            // UMOV Xd, Vn.D[0 or 1]
            0x4e08_3c00 if to != STACK_POINTER => state.registers[to] = state.vectors[from][0],
            0x4e18_3c00 if to != STACK_POINTER => state.registers[to] = state.vectors[from][1],
            // MOV Vd.16B, Vn.16B
            _ if self.code & 0xffe0_fc00 == 0x4ea0_1c00 && from == self.register(16) => {
                state.vectors[to] = state.vectors[from];
            }
            // ZIP1 Vd.2D, Vn.2D, Vm.2D
            _ if self.code & 0xffe0_fc00 == 0x4ec0_3800 => {
                let (a, b) = (state.vectors[from][0], state.vectors[self.register(16)][0]);
                state.vectors[to] = [a, b, AbstractValue::ZERO, AbstractValue::ZERO];
            }
            _ => self.forget_destination(state),
        }
    }

    /// Makes the registers and flags unknown that an instruction that is not modeled may have written.
    fn forget_destination(&self, state: &mut MachineState) {
        state.vectors[self.register(0)] = [AbstractValue::UNKNOWN; 4];
        state.registers[self.register(0)] = match self.register(0) {
            STACK_POINTER => state.registers[STACK_POINTER],
            _ => AbstractValue::UNKNOWN,
        };
        state.flags = Flags::Unknown;
    }
}

fn decode_condition(bits: u32) -> Condition {
    match bits {
        0b0000 => Condition::Equal,
        0b0001 => Condition::NotEqual,
        0b0010 => Condition::AboveEqual,
        0b0011 => Condition::Below,
        0b0100 => Condition::Negative,
        0b0101 => Condition::Positive,
        0b1000 => Condition::Above,
        0b1001 => Condition::BelowEqual,
        0b1010 => Condition::GreaterEqual,
        0b1011 => Condition::Less,
        0b1100 => Condition::Greater,
        0b1101 => Condition::LessEqual,
        _ => Condition::Untold,
    }
}
