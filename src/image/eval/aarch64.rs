//! AArch64, decoded by hand: fixed-width words of a few dozen forms. What is not known here forgets every
//! register that the word could name.
//! Facts: Arm Architecture Reference Manual, A64 base instructions, "Top-level encodings for A64".

use super::processor::{Bus, Step};
use super::state::{Condition, Flags, State};
use super::value::{Value, extend, mask};

const STACK_POINTER: usize = 31;

/// Interprets the instruction at [`State::at`].
pub(in crate::image) fn step(bus: &dyn Bus, state: &mut State) -> Step {
    let mut code = [0; 4];
    if bus.code(state.at, &mut code) < 4 {
        return Step::Stop;
    }
    let word = Word { code: u32::from_le_bytes(code), at: state.at };
    state.at = state.at.wrapping_add(4);
    match word.bits(25, 4) {
        0b1000 | 0b1001 => word.immediate(state),
        0b1010 | 0b1011 => return word.control(state),
        0b0101 | 0b1101 => word.register_form(state),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => super::aarch64_memory::step(&word, bus, state),
        0b0111 | 0b1111 => word.vector(state),
        _ => return Step::Stop,
    }
    Step::Next
}

/// One instruction and where it lies.
#[derive(Clone, Copy)]
pub(in crate::image) struct Word {
    pub(in crate::image) code: u32,
    pub(in crate::image) at: u64,
}

impl Word {
    pub(in crate::image) fn bits(&self, low: u32, count: u32) -> u32 {
        self.code >> low & ((1 << count) - 1)
    }

    pub(in crate::image) fn signed(&self, low: u32, count: u32) -> u64 {
        let unused = 64 - count;
        ((u64::from(self.bits(low, count)) << unused).cast_signed() >> unused).cast_unsigned()
    }

    /// Number of the register named at this bit.
    pub(in crate::image) fn register(&self, low: u32) -> usize {
        self.bits(low, 5) as usize
    }

    /// What `ADR` and `ADRP` compute.
    pub(in crate::image) fn address(&self) -> u64 {
        let offset = self.signed(5, 19) << 2 | u64::from(self.bits(29, 2));
        if self.bits(31, 1) == 1 {
            (self.at & !0xfff).wrapping_add(offset << 12)
        } else {
            self.at.wrapping_add(offset)
        }
    }

    /// The general register named at this bit, with 31 for zero.
    pub(super) fn read(&self, state: &State, low: u32) -> Value {
        match self.register(low) {
            STACK_POINTER => Value::ZERO,
            number => state.registers[number],
        }
    }

    /// 4 or 8 bytes.
    fn width(&self) -> u32 {
        if self.bits(31, 1) == 1 { 8 } else { 4 }
    }

    fn write(&self, state: &mut State, value: Value) {
        let number = self.register(0);
        if number != STACK_POINTER {
            state.registers[number] = value.low(self.width());
        }
    }

    /// Data processing with an immediate operand.
    fn immediate(&self, state: &mut State) {
        let width = self.width();
        match self.bits(23, 3) {
            0b000 | 0b001 => {
                if self.register(0) != STACK_POINTER {
                    state.registers[self.register(0)] = Value::Known(self.address());
                }
            }
            0b010 => {
                let shift = if self.bits(22, 1) == 1 { 12 } else { 0 };
                let operand = Value::Known(u64::from(self.bits(10, 12)) << shift);
                let base = state.registers[self.register(5)];
                let flags = self.bits(29, 1) == 1;
                let value = self.sum(state, base, operand, flags);
                // Register 31 is the stack pointer here, but where flags are set.
                if self.register(0) != STACK_POINTER || !flags {
                    state.registers[self.register(0)] = value.low(width);
                }
            }
            0b100 => {
                let Some(operand) = self.bitmask() else { return self.forget(state) };
                let base = self.read(state, 5);
                let value = self.logic(state, self.bits(29, 2), base, Value::Known(operand & mask(width)));
                if self.bits(29, 2) == 0b11 {
                    self.write(state, value);
                } else {
                    state.registers[self.register(0)] = value.low(width);
                }
            }
            0b101 => {
                let shift = self.bits(21, 2) * 16;
                let part = u64::from(self.bits(5, 16)) << shift;
                let value = match self.bits(29, 2) {
                    0b00 => Value::Known(!part),
                    0b10 => Value::Known(part),
                    0b11 => self.read(state, 0).map(|old| old & !(0xffff << shift) | part),
                    _ => Value::UNKNOWN,
                };
                self.write(state, value);
            }
            0b110 => self.bitfield(state),
            _ => self.forget(state),
        }
    }

    /// Addition or subtraction (bit 30), by flags (bit 29).
    fn sum(&self, state: &mut State, a: Value, b: Value, flags: bool) -> Value {
        let width = self.width();
        let subtract = self.bits(30, 1) == 1;
        let (a, b) = (a.low(width), b.low(width));
        let result = match (subtract, b) {
            (_, Value::Known(0)) => a,
            (true, _) => a.with(b, u64::wrapping_sub),
            (false, _) => a.with(b, u64::wrapping_add),
        };
        if flags {
            state.flags =
                if subtract { Flags::Compare(a, b, width) } else { Flags::Result(result.low(width), width) };
        }
        result
    }

    fn logic(&self, state: &mut State, operation: u32, a: Value, b: Value) -> Value {
        let width = self.width();
        let (a, b) = (a.low(width), b.low(width));
        let zero = a == Value::ZERO || b == Value::ZERO;
        let result = match operation {
            0b01 if a == Value::ZERO => b,
            0b01 if b == Value::ZERO => a,
            0b01 => a.with(b, |a, b| a | b),
            0b10 => a.with(b, |a, b| a ^ b),
            _ if zero => Value::ZERO,
            _ => a.with(b, |a, b| a & b),
        };
        if operation == 0b11 {
            state.flags = Flags::Result(result, width);
        }
        result
    }

    /// `DecodeBitMasks` of the manual.
    fn bitmask(&self) -> Option<u64> {
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

    /// `UBFM`, `SBFM`: shifts and extensions. `BFM` keeps bits of its destination and is forgotten.
    fn bitfield(&self, state: &mut State) {
        let (rotate, top) = (self.bits(16, 6), self.bits(10, 6));
        let bits = self.width() * 8;
        let source = self.read(state, 5);
        let signed = match self.bits(29, 2) {
            0b00 => true,
            0b10 => false,
            _ => return self.write(state, Value::UNKNOWN),
        };
        let value = source.map(|source| {
            let source = source & mask(self.width());
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
        self.write(state, value);
    }

    /// Branches, exceptions, system.
    fn control(&self, state: &mut State) -> Step {
        let target = |low, count| self.at.wrapping_add(self.signed(low, count) << 2);
        match self.bits(26, 6) {
            0b000101 => return Step::Jump(Value::Known(target(0, 26))),
            0b100101 => return self.call(state, Value::Known(target(0, 26))),
            _ => {}
        }
        match self.bits(24, 8) {
            0x54 => return Step::Branch(condition(self.bits(0, 4)), target(5, 19)),
            0x34 | 0xb4 | 0x35 | 0xb5 => {
                let zero = self.bits(24, 1) == 0;
                let value = self.read(state, 0).low(self.width());
                return Step::BranchZero(value, self.width(), zero, target(5, 19));
            }
            0x36 | 0xb6 | 0x37 | 0xb7 => {
                let bit = self.bits(31, 1) << 5 | self.bits(19, 5);
                let set = self.bits(24, 1) == 1;
                let value = self.read(state, 0).map(|value| value >> bit & 1);
                return match value {
                    Value::Known(value) if (value == 1) == set => Step::Jump(Value::Known(target(5, 14))),
                    Value::Known(_) => Step::Next,
                    Value::Unknown(_) => Step::Either(target(5, 14)),
                };
            }
            0xd6 | 0xd7 => {
                // With pointer authentication bits 11 and 24 are set; the address is the same.
                let register = self.read(state, 5);
                return match self.bits(21, 2) {
                    0b00 => Step::Jump(register),
                    0b01 => self.call(state, register),
                    0b10 => Step::Return,
                    _ => Step::Stop,
                };
            }
            0xd4 => return Step::Stop,
            0xd5 => {
                if self.bits(20, 2) == 0b11 && self.register(0) != STACK_POINTER {
                    state.registers[self.register(0)] = Value::UNKNOWN;
                }
            }
            _ => return Step::Stop,
        }
        Step::Next
    }

    fn call(&self, state: &mut State, target: Value) -> Step {
        state.registers[30] = Value::UNKNOWN;
        Step::Call(target)
    }

    /// Data processing with registers only.
    fn register_form(&self, state: &mut State) {
        let width = self.width();
        let operation = self.bits(24, 5);
        let shifted = |state: &State| {
            let amount = self.bits(10, 6);
            let value = self.read(state, 16).low(width);
            match (self.bits(22, 2), amount) {
                (_, 0) => value,
                (0b00, _) => value.map(|value| value << amount),
                (0b01, _) => value.map(|value| value >> amount),
                (0b10, _) => {
                    value.map(|value| (extend(value, width).cast_signed() >> amount).cast_unsigned())
                }
                _ => Value::UNKNOWN,
            }
        };
        match operation {
            0b01010 => {
                let operand = shifted(state);
                let operand = if self.bits(21, 1) == 1 { operand.map(|operand| !operand) } else { operand };
                let base = self.read(state, 5);
                let value = self.logic(state, self.bits(29, 2), base, operand);
                self.write(state, value);
            }
            0b01011 if self.bits(21, 1) == 0 => {
                let (base, operand) = (self.read(state, 5), shifted(state));
                let value = self.sum(state, base, operand, self.bits(29, 1) == 1);
                self.write(state, value);
            }
            0b01011 => {
                let option = self.bits(13, 3);
                let bytes = 1 << (option & 3);
                let operand = self.read(state, 16).low(bytes);
                let operand =
                    if option & 4 != 0 { operand.map(|value| extend(value, bytes)) } else { operand };
                let operand = match self.bits(10, 3) {
                    0 => operand,
                    shift => operand.map(|operand| operand << shift),
                };
                let flags = self.bits(29, 1) == 1;
                let value = self.sum(state, state.registers[self.register(5)], operand, flags);
                if self.register(0) != STACK_POINTER || !flags {
                    state.registers[self.register(0)] = value.low(width);
                }
            }
            0b11010 if self.bits(21, 3) == 0b100 => self.select(state),
            0b11010 if self.bits(21, 3) == 0b010 => {
                // CCMP and CCMN: flags by flags.
                let (a, b) = (self.read(state, 5), self.read(state, 16));
                let b = if self.bits(11, 1) == 1 { Value::Known(self.bits(16, 5).into()) } else { b };
                state.flags = match state.test(condition(self.bits(12, 4))) {
                    Some(true) if self.bits(30, 1) == 1 => Flags::Compare(a.low(width), b.low(width), width),
                    Some(_) | None => Flags::Unknown,
                };
            }
            0b11010 if self.bits(21, 3) == 0b110 && self.bits(30, 1) == 0 => {
                let (a, b) = (self.read(state, 5).low(width), self.read(state, 16).low(width));
                let count = |b: u64| b & u64::from(width * 8 - 1);
                let value = match self.bits(10, 6) {
                    0b000010 => a.with(b, |a, b| a.checked_div(b).unwrap_or(0)),
                    0b001000 => a.with(b, |a, b| a << count(b)),
                    0b001001 => a.with(b, |a, b| a >> count(b)),
                    _ => Value::UNKNOWN,
                };
                self.write(state, value);
            }
            0b11011 if self.bits(21, 3) == 0 => {
                let (a, b, c) = (self.read(state, 5), self.read(state, 16), self.read(state, 10));
                let product = a.with(b, u64::wrapping_mul);
                let subtract = self.bits(15, 1) == 1;
                let value =
                    c.with(
                        product,
                        |c, product| {
                            if subtract { c.wrapping_sub(product) } else { c.wrapping_add(product) }
                        },
                    );
                self.write(state, value);
            }
            _ => self.forget(state),
        }
    }

    /// `CSEL`, `CSINC`, `CSINV`, `CSNEG`.
    fn select(&self, state: &mut State) {
        let other = self.read(state, 16);
        let other = match (self.bits(30, 1), self.bits(10, 2)) {
            (0, 0) => other,
            (0, 1) => other.map(|other| other.wrapping_add(1)),
            (1, 0) => other.map(|other| !other),
            (1, 1) => other.map(u64::wrapping_neg),
            (_, _) => Value::UNKNOWN,
        };
        let value = match state.test(condition(self.bits(12, 4))) {
            Some(true) => self.read(state, 5),
            Some(false) => other,
            None if self.read(state, 5) == other => other,
            None => Value::UNKNOWN,
        };
        self.write(state, value);
    }

    /// The few vector forms that move whole registers about.
    fn vector(&self, state: &mut State) {
        let (to, from) = (self.register(0), self.register(5));
        let zero = [Value::ZERO; 4];
        // MOVI Vd.2D, #0 and its narrower spellings; MOVI Dd, #0.
        if self.code & 0x9ff8_0c00 == 0x0f00_0400 && self.bits(16, 3) == 0 && self.bits(5, 5) == 0 {
            let plain = match (self.bits(29, 1), self.bits(12, 4)) {
                (0, 0 | 2 | 4 | 6 | 8 | 10 | 14) | (1, 14) => true,
                (_, _) => false,
            };
            state.vectors[to] = if plain { zero } else { [Value::UNKNOWN; 4] };
            return;
        }
        match self.code & 0xffff_fc00 {
            // FMOV Dd, Xn; FMOV Xd, Dn; FMOV Vd.D[1], Xn; DUP Vd.2D, Xn
            0x9e67_0000 => {
                let value = self.read(state, 5);
                state.vectors[to] = [value, Value::ZERO, Value::ZERO, Value::ZERO];
            }
            0x9e66_0000 if to != STACK_POINTER => state.registers[to] = state.vectors[from][0],
            0x9eaf_0000 => state.vectors[to][1] = self.read(state, 5),
            0x4e08_0c00 => {
                let value = self.read(state, 5);
                state.vectors[to] = [value, value, Value::ZERO, Value::ZERO];
            }
            // INS Vd.D[0 or 1], Xn
            0x4e08_1c00 => state.vectors[to][0] = self.read(state, 5),
            0x4e18_1c00 => state.vectors[to][1] = self.read(state, 5),
            // INS Vd.D[1], Vn.D[0]; DUP Vd.2D, Vn.D[0]
            0x6e18_0400 => state.vectors[to][1] = state.vectors[from][0],
            0x4e08_0400 => {
                let value = state.vectors[from][0];
                state.vectors[to] = [value, value, Value::ZERO, Value::ZERO];
            }
            // UMOV Xd, Vn.D[0 or 1]
            0x4e08_3c00 if to != STACK_POINTER => state.registers[to] = state.vectors[from][0],
            0x4e18_3c00 if to != STACK_POINTER => state.registers[to] = state.vectors[from][1],
            _ if self.code & 0xffe0_fc00 == 0x4ea0_1c00 && from == self.register(16) => {
                state.vectors[to] = state.vectors[from];
            }
            _ if self.code & 0xffe0_fc00 == 0x4ec0_3800 => {
                let (a, b) = (state.vectors[from][0], state.vectors[self.register(16)][0]);
                state.vectors[to] = [a, b, Value::ZERO, Value::ZERO];
            }
            _ => self.forget(state),
        }
    }

    /// Nothing is known of what this word may have written.
    pub(super) fn forget(&self, state: &mut State) {
        state.vectors[self.register(0)] = [Value::UNKNOWN; 4];
        state.registers[self.register(0)] = match self.register(0) {
            STACK_POINTER => state.registers[STACK_POINTER],
            _ => Value::UNKNOWN,
        };
        state.flags = Flags::Unknown;
    }
}

fn condition(bits: u32) -> Condition {
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
