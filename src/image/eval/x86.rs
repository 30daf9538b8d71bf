//! Interprets x86-64 instructions, decoded by `iced-x86`. An instruction that is not modeled makes everything
//! unknown that it may have written.

use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

use super::machine_state::{Condition, Flags, MachineState, STACK, STACK_FLOOR};
use super::processor::{ControlTransfer, MemoryBus, THREAD};
use super::value::{AbstractValue, byte_mask, sign_extend};
use super::x86_conditions::{jump_condition, move_condition, set_condition};
use super::x86_registers::{read_register, write_register};

/// Synthetic stack canary at `fs:0x28`. Any number will do: it is only compared with itself.
const CANARY: AbstractValue = AbstractValue::Known(0x5afe_c0de_5afe_c000);

/// Interprets the instruction at [`MachineState::at`].
pub(in crate::image) fn interpret_instruction(
    bus: &dyn MemoryBus,
    state: &mut MachineState,
) -> ControlTransfer {
    let mut code = [0; 15];
    let length = bus.fetch_code(state.at, &mut code);
    let mut decoder = Decoder::with_ip(64, &code[..length], state.at, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return ControlTransfer::Stop;
    }
    state.at = instruction.next_ip();
    X86Interpreter { bus, instruction: &instruction }.interpret(state)
}

struct X86Interpreter<'a> {
    bus: &'a dyn MemoryBus,
    instruction: &'a Instruction,
}

impl X86Interpreter<'_> {
    fn interpret(&self, state: &mut MachineState) -> ControlTransfer {
        let instruction = self.instruction;
        if let Some(condition) = jump_condition(instruction.mnemonic()) {
            return ControlTransfer::Branch(condition, instruction.near_branch_target());
        }
        match instruction.mnemonic() {
            Mnemonic::Jmp => return ControlTransfer::Jump(self.branch_target(state)),
            Mnemonic::Call => return ControlTransfer::Call(self.branch_target(state)),
            Mnemonic::Ret => return ControlTransfer::Return,
            Mnemonic::Ud2 | Mnemonic::Int3 | Mnemonic::Hlt | Mnemonic::Int => return ControlTransfer::Stop,
            Mnemonic::Jrcxz | Mnemonic::Jecxz | Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne => {
                return ControlTransfer::Either(instruction.near_branch_target());
            }
            _ => {}
        }
        if !self.interpret_move(state) && !self.interpret_arithmetic(state) && !self.interpret_vector(state) {
            self.forget_written(state);
        }
        ControlTransfer::Next
    }

    fn branch_target(&self, state: &MachineState) -> AbstractValue {
        match self.instruction.op0_kind() {
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                AbstractValue::Known(self.instruction.near_branch_target())
            }
            _ => self.read_operand(state, 0),
        }
    }

    fn interpret_move(&self, state: &mut MachineState) -> bool {
        let instruction = self.instruction;
        match instruction.mnemonic() {
            Mnemonic::Nop | Mnemonic::Endbr64 | Mnemonic::Pause | Mnemonic::Prefetcht0 => {}
            Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movnti => {
                self.write_operand(state, 0, self.read_operand(state, 1));
            }
            Mnemonic::Movsx | Mnemonic::Movsxd => {
                let from = self.operand_width(1);
                self.write_operand(
                    state,
                    0,
                    self.read_operand(state, 1).map(|value| sign_extend(value, from)),
                );
            }
            Mnemonic::Lea => self.write_operand(state, 0, self.memory_address(state)),
            Mnemonic::Push => {
                let value = self.read_operand(state, 0);
                let value = value.map(|value| sign_extend(value, self.operand_width(0)));
                let value = if value.as_known().is_some() { value } else { self.read_operand(state, 0) };
                let top = state.registers[4].map(|top| top.wrapping_sub(8));
                state.registers[4] = top;
                self.bus.store(state, top, 8, value);
            }
            Mnemonic::Pop => {
                let top = state.registers[4];
                let value = self.bus.load(state, top, 8);
                state.registers[4] = top.map(|top| top.wrapping_add(8));
                self.write_operand(state, 0, value);
            }
            Mnemonic::Leave => {
                let frame = state.registers[5];
                state.registers[5] = self.bus.load(state, frame, 8);
                state.registers[4] = frame.map(|top| top.wrapping_add(8));
            }
            Mnemonic::Cdqe => state.registers[0] = state.registers[0].map(|value| sign_extend(value, 4)),
            Mnemonic::Cdq => {
                state.registers[2] = state.registers[0].map(|value| sign_extend(value, 4) >> 32);
            }
            Mnemonic::Cqo => {
                state.registers[2] =
                    state.registers[0].map(|value| (value.cast_signed() >> 63).cast_unsigned());
            }
            Mnemonic::Xchg => {
                let (a, b) = (self.read_operand(state, 0), self.read_operand(state, 1));
                self.write_operand(state, 0, b);
                self.write_operand(state, 1, a);
            }
            Mnemonic::Xadd => {
                let (a, b) = (self.read_operand(state, 0), self.read_operand(state, 1));
                self.write_operand(state, 1, a);
                self.write_operand(state, 0, a.zip_with(b, u64::wrapping_add));
                state.flags = Flags::Unknown;
            }
            Mnemonic::Cmpxchg => self.interpret_cmpxchg(state),
            Mnemonic::Stosq | Mnemonic::Stosd | Mnemonic::Stosb => return self.interpret_string(state, None),
            Mnemonic::Movsq | Mnemonic::Movsd | Mnemonic::Movsb if instruction.is_string_instruction() => {
                return self.interpret_string(state, Some(()));
            }
            mnemonic => {
                if let Some(condition) = move_condition(mnemonic) {
                    match state.evaluate_condition(condition) {
                        Some(true) => self.write_operand(state, 0, self.read_operand(state, 1)),
                        Some(false) => self.write_operand(state, 0, self.read_operand(state, 0)),
                        None if self.read_operand(state, 0) == self.read_operand(state, 1) => {
                            self.write_operand(state, 0, self.read_operand(state, 0))
                        }
                        None => self.write_operand(state, 0, AbstractValue::UNKNOWN),
                    }
                } else if let Some(condition) = set_condition(mnemonic) {
                    let value = state
                        .evaluate_condition(condition)
                        .map_or(AbstractValue::UNKNOWN, |set| AbstractValue::Known(set.into()));
                    self.write_operand(state, 0, value);
                } else {
                    return false;
                }
            }
        }
        true
    }

    fn interpret_cmpxchg(&self, state: &mut MachineState) {
        let width = self.operand_width(0);
        let (held, expected) = (self.read_operand(state, 0), state.registers[0].low_bytes(width));
        state.flags = Flags::Compare(expected, held, width);
        match state.evaluate_condition(Condition::Equal) {
            Some(true) => self.write_operand(state, 0, self.read_operand(state, 1)),
            Some(false) => state.registers[0] = held,
            None => {
                self.write_operand(state, 0, AbstractValue::UNKNOWN);
                state.registers[0] = AbstractValue::UNKNOWN;
            }
        }
    }

    /// Interprets `rep stos` and `rep movs` with a known count of at most 4096.
    fn interpret_string(&self, state: &mut MachineState, copy: Option<()>) -> bool {
        let width = u64::from(self.operand_width(0));
        let repeated = self.instruction.has_rep_prefix() || self.instruction.has_repne_prefix();
        let count = if repeated { state.registers[1] } else { AbstractValue::Known(1) };
        let (AbstractValue::Known(count @ 0..=4096), AbstractValue::Known(to)) = (count, state.registers[7])
        else {
            let on_stack = state.registers[7].as_known().is_some_and(|to| (STACK_FLOOR..STACK).contains(&to));
            state.wrote_to_unknown |= !on_stack;
            return false;
        };
        for index in 0..count {
            let step = index * width;
            let value = match (copy, state.registers[6]) {
                (Some(()), AbstractValue::Known(from)) => {
                    self.bus.load(state, AbstractValue::Known(from.wrapping_add(step)), width as u32)
                }
                (Some(()), AbstractValue::Unknown(_)) => AbstractValue::UNKNOWN,
                (None, _) => state.registers[0].low_bytes(width as u32),
            };
            self.bus.store(state, AbstractValue::Known(to.wrapping_add(step)), width as u32, value);
        }
        state.registers[7] = AbstractValue::Known(to.wrapping_add(count * width));
        if copy.is_some() {
            state.registers[6] = state.registers[6].map(|from| from.wrapping_add(count * width));
        }
        if repeated {
            state.registers[1] = AbstractValue::ZERO;
        }
        true
    }

    fn interpret_arithmetic(&self, state: &mut MachineState) -> bool {
        let instruction = self.instruction;
        if instruction.op_count() == 0 || instruction.op0_register().is_vector_register() {
            return false;
        }
        let width = self.operand_width(0);
        let a = self.read_operand(state, 0);
        let b =
            if instruction.op_count() > 1 { self.read_operand(state, 1) } else { AbstractValue::Known(1) };
        let b = match instruction.op1_kind() {
            OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64
            | OpKind::Immediate8to16 => b.low_bytes(width),
            _ => b,
        };
        let same = instruction.op_count() == 2
            && instruction.op0_kind() == OpKind::Register
            && instruction.op1_kind() == OpKind::Register
            && instruction.op0_register() == instruction.op1_register();
        let bits = u64::from(width) * 8;
        let shift = |count: u64| count & if width == 8 { 63 } else { 31 };
        let result = match instruction.mnemonic() {
            Mnemonic::Cmp => {
                state.flags = Flags::Compare(a, b, width);
                return true;
            }
            Mnemonic::Test => {
                state.flags = Flags::Test(a, b, width);
                return true;
            }
            Mnemonic::Sub => {
                let result = if same { AbstractValue::ZERO } else { a.zip_with(b, u64::wrapping_sub) };
                state.flags = Flags::Compare(a, b, width);
                self.write_operand(state, 0, result);
                return true;
            }
            Mnemonic::And => {
                let zero = a == AbstractValue::ZERO || b == AbstractValue::ZERO;
                let result = if zero {
                    AbstractValue::ZERO
                } else if same {
                    a
                } else {
                    a.zip_with(b, |a, b| a & b)
                };
                state.flags = Flags::Test(result, result, width);
                self.write_operand(state, 0, result);
                return true;
            }
            Mnemonic::Xor if same => {
                state.flags = Flags::Test(AbstractValue::ZERO, AbstractValue::ZERO, width);
                self.write_operand(state, 0, AbstractValue::ZERO);
                return true;
            }
            Mnemonic::Or | Mnemonic::Xor => {
                let or = instruction.mnemonic() == Mnemonic::Or;
                let ones = or && b == AbstractValue::Known(byte_mask(width));
                let both = |a, b| if or { a | b } else { a ^ b };
                let result = if ones {
                    b
                } else if same {
                    a
                } else {
                    a.zip_with(b, both)
                };
                state.flags = Flags::Test(result, result, width);
                self.write_operand(state, 0, result);
                return true;
            }
            Mnemonic::Sbb if same => {
                let borrow = state.evaluate_condition(Condition::Below);
                let result = borrow.map_or(AbstractValue::UNKNOWN, |borrow| {
                    AbstractValue::Known(if borrow { byte_mask(width) } else { 0 })
                });
                state.flags = Flags::Unknown;
                self.write_operand(state, 0, result);
                return true;
            }
            Mnemonic::Add => a.zip_with(b, u64::wrapping_add),
            Mnemonic::Inc => a.map(|a| a.wrapping_add(1)),
            Mnemonic::Dec => a.map(|a| a.wrapping_sub(1)),
            Mnemonic::Neg => a.map(u64::wrapping_neg),
            Mnemonic::Shl => a.zip_with(b, |a, b| a << shift(b)),
            Mnemonic::Shr => a.zip_with(b, |a, b| (a & byte_mask(width)) >> shift(b)),
            Mnemonic::Sar => {
                a.zip_with(b, |a, b| (sign_extend(a, width).cast_signed() >> shift(b)).cast_unsigned())
            }
            Mnemonic::Rol if width > 1 => a.zip_with(b, |a, b| {
                let by = b % bits;
                if by == 0 { a } else { a << by | a >> (bits - by) }
            }),
            Mnemonic::Not => {
                self.write_operand(state, 0, a.map(|a| !a));
                return true;
            }
            Mnemonic::Imul if instruction.op_count() == 2 => a.zip_with(b, u64::wrapping_mul),
            Mnemonic::Imul if instruction.op_count() == 3 => {
                b.zip_with(self.read_operand(state, 2), u64::wrapping_mul)
            }
            Mnemonic::Bt => {
                state.flags = Flags::Unknown;
                return true;
            }
            _ => return false,
        };
        state.flags = match instruction.mnemonic() {
            // These instructions do not set the flags, or leave them undefined, or do so if the count is
            // zero.
            Mnemonic::Rol | Mnemonic::Imul => Flags::Unknown,
            Mnemonic::Shl | Mnemonic::Shr | Mnemonic::Sar if instruction.op1_kind() == OpKind::Register => {
                Flags::Unknown
            }
            _ => Flags::Result(result.low_bytes(width), width),
        };
        self.write_operand(state, 0, result);
        true
    }

    fn interpret_vector(&self, state: &mut MachineState) -> bool {
        let wide = |index| self.instruction.op_kind(index) == OpKind::Register;
        let vector = |index| self.instruction.op_register(index).is_vector_register();
        let number = |index| self.instruction.op_register(index).number();
        let count = self.instruction.op_count();
        match self.instruction.mnemonic() {
            Mnemonic::Movaps
            | Mnemonic::Movups
            | Mnemonic::Movapd
            | Mnemonic::Movupd
            | Mnemonic::Movdqa
            | Mnemonic::Movdqu
            | Mnemonic::Vmovaps
            | Mnemonic::Vmovups
            | Mnemonic::Vmovapd
            | Mnemonic::Vmovupd
            | Mnemonic::Vmovdqa
            | Mnemonic::Vmovdqu
            | Mnemonic::Movntdq
            | Mnemonic::Movntps
            | Mnemonic::Lddqu => {
                let pieces = self.read_pieces(state, 1);
                self.write_pieces(state, 0, pieces);
            }
            Mnemonic::Movq | Mnemonic::Movd | Mnemonic::Vmovq | Mnemonic::Vmovd => {
                let value = if wide(1) && vector(1) {
                    state.vectors[number(1)][0].low_bytes(self.operand_width(0).min(8))
                } else {
                    self.read_operand(state, 1)
                };
                if wide(0) && vector(0) {
                    state.vectors[number(0)] =
                        [value, AbstractValue::ZERO, AbstractValue::ZERO, AbstractValue::ZERO];
                } else {
                    self.write_operand(state, 0, value);
                }
            }
            Mnemonic::Movhps | Mnemonic::Movhpd | Mnemonic::Movlps | Mnemonic::Movlpd if count == 2 => {
                let high = matches!(self.instruction.mnemonic(), Mnemonic::Movhps | Mnemonic::Movhpd);
                let piece = usize::from(high);
                if wide(0) {
                    let value = self.bus.load(state, self.memory_address(state), 8);
                    state.vectors[number(0)][piece] = value;
                } else {
                    let value = state.vectors[number(1)][piece];
                    self.bus.store(state, self.memory_address(state), 8, value);
                }
            }
            Mnemonic::Punpcklqdq | Mnemonic::Movlhps | Mnemonic::Unpcklpd => {
                let [low, ..] = self.read_pieces(state, 1);
                state.vectors[number(0)][1] = low;
            }
            Mnemonic::Vpunpcklqdq | Mnemonic::Vmovlhps | Mnemonic::Vunpcklpd
                if self.operand_width(0) == 16 =>
            {
                let ([low, ..], [high, ..]) = (self.read_pieces(state, 1), self.read_pieces(state, 2));
                state.vectors[number(0)] = [low, high, AbstractValue::ZERO, AbstractValue::ZERO];
            }
            Mnemonic::Vmovhps | Mnemonic::Vmovhpd if count == 3 => {
                let [low, ..] = self.read_pieces(state, 1);
                let high = self.bus.load(state, self.memory_address(state), 8);
                state.vectors[number(0)] = [low, high, AbstractValue::ZERO, AbstractValue::ZERO];
            }
            Mnemonic::Movhlps => {
                let [_, high, ..] = self.read_pieces(state, 1);
                state.vectors[number(0)][0] = high;
            }
            Mnemonic::Pinsrq => {
                let value = self.read_operand(state, 1);
                state.vectors[number(0)][usize::from(self.instruction.immediate8() & 1)] = value;
            }
            Mnemonic::Vpinsrq => {
                let mut pieces = self.read_pieces(state, 1);
                pieces[usize::from(self.instruction.immediate8() & 1)] = self.read_operand(state, 2);
                state.vectors[number(0)] = [pieces[0], pieces[1], AbstractValue::ZERO, AbstractValue::ZERO];
            }
            Mnemonic::Pxor | Mnemonic::Xorps | Mnemonic::Xorpd if wide(1) && number(0) == number(1) => {
                state.vectors[number(0)][..2].fill(AbstractValue::ZERO);
            }
            Mnemonic::Vpxor | Mnemonic::Vxorps | Mnemonic::Vxorpd if wide(2) && number(1) == number(2) => {
                state.vectors[number(0)] = [AbstractValue::ZERO; 4];
            }
            Mnemonic::Pshufd if self.instruction.immediate8() == 0x44 => {
                let [low, ..] = self.read_pieces(state, 1);
                state.vectors[number(0)][..2].fill(low);
            }
            Mnemonic::Pshufd if self.instruction.immediate8() == 0x4e => {
                let [low, high, ..] = self.read_pieces(state, 1);
                state.vectors[number(0)][..2].copy_from_slice(&[high, low]);
            }
            Mnemonic::Vpbroadcastq | Mnemonic::Movddup | Mnemonic::Vmovddup => {
                let [low, ..] = if wide(1) && vector(1) {
                    self.read_pieces(state, 1)
                } else {
                    [self.read_operand(state, 1).low_bytes(8); 4]
                };
                let top = if self.operand_width(0) > 16 { low } else { AbstractValue::ZERO };
                state.vectors[number(0)] = [low, low, top, top];
            }
            Mnemonic::Vinserti128 | Mnemonic::Vinsertf128 => {
                let (mut pieces, [low, high, ..]) = (self.read_pieces(state, 1), self.read_pieces(state, 2));
                let at = usize::from(self.instruction.immediate8() & 1) * 2;
                (pieces[at], pieces[at + 1]) = (low, high);
                state.vectors[number(0)] = pieces;
            }
            Mnemonic::Vzeroupper => state.vectors.zero_upper_halves(),
            _ => return false,
        }
        true
    }

    /// The value of a vector operand in pieces of eight bytes.
    fn read_pieces(&self, state: &MachineState, index: u32) -> [AbstractValue; 4] {
        let register = self.instruction.op_register(index);
        if self.instruction.op_kind(index) == OpKind::Register {
            if register.is_vector_register() {
                return state.vectors[register.number()];
            }
            return [AbstractValue::UNKNOWN; 4];
        }
        let address = self.memory_address(state);
        let size = self.instruction.memory_size().size() as u64;
        std::array::from_fn(|piece| {
            let offset = piece as u64 * 8;
            match offset {
                offset if offset >= size => AbstractValue::ZERO,
                offset => self.bus.load(state, address.map(|address| address.wrapping_add(offset)), 8),
            }
        })
    }

    fn write_pieces(&self, state: &mut MachineState, index: u32, pieces: [AbstractValue; 4]) {
        if self.instruction.op_kind(index) == OpKind::Register {
            let register = self.instruction.op_register(index);
            let vector = &mut state.vectors[register.number()];
            if register.is_xmm() {
                vector[..2].copy_from_slice(&pieces[..2]);
            } else {
                *vector = pieces;
            }
            return;
        }
        let address = self.memory_address(state);
        let size = self.instruction.memory_size().size();
        for (piece, value) in pieces.iter().enumerate().take(size.div_ceil(8)) {
            let at = address.map(|address| address.wrapping_add(piece as u64 * 8));
            self.bus.store(state, at, (size - piece * 8).min(8) as u32, *value);
        }
    }

    /// Size of an operand in bytes.
    fn operand_width(&self, index: u32) -> u32 {
        let instruction = self.instruction;
        match instruction.op_kind(index) {
            OpKind::Register => instruction.op_register(index).size() as u32,
            OpKind::Memory if instruction.mnemonic() == Mnemonic::Lea => 8,
            OpKind::Memory
            | OpKind::MemoryESRDI
            | OpKind::MemorySegRSI
            | OpKind::MemoryESDI
            | OpKind::MemoryESEDI
            | OpKind::MemorySegESI => (instruction.memory_size().size() as u32).clamp(1, 64),
            _ => 8,
        }
    }

    fn memory_address(&self, state: &MachineState) -> AbstractValue {
        let instruction = self.instruction;
        let segment = match instruction.memory_segment() {
            _ if instruction.mnemonic() == Mnemonic::Lea => 0,
            Register::FS => return AbstractValue::UNKNOWN,
            Register::GS => THREAD,
            _ => 0,
        };
        if instruction.is_ip_rel_memory_operand() {
            return AbstractValue::Known(instruction.ip_rel_memory_address());
        }
        let part = |register: Register| match register {
            Register::None => AbstractValue::ZERO,
            register if register.is_gpr64() => state.registers[register.number()],
            register if register.is_gpr32() => state.registers[register.number()].low_bytes(4),
            _ => AbstractValue::UNKNOWN,
        };
        let scale = u64::from(instruction.memory_index_scale());
        let index = part(instruction.memory_index()).map(|index| index.wrapping_mul(scale));
        let displacement = instruction.memory_displacement64().wrapping_add(segment);
        let base = part(instruction.memory_base());
        if index == AbstractValue::ZERO && displacement == 0 {
            return base;
        }
        base.zip_with(index, u64::wrapping_add).map(|sum| sum.wrapping_add(displacement))
    }

    /// The value of a general operand, zero-extended.
    fn read_operand(&self, state: &MachineState, index: u32) -> AbstractValue {
        let instruction = self.instruction;
        match instruction.op_kind(index) {
            OpKind::Register => read_register(state, instruction.op_register(index)),
            OpKind::Memory => {
                let width = self.operand_width(index);
                if matches!(instruction.memory_segment(), Register::FS)
                    && instruction.memory_displacement64() == 0x28
                {
                    return CANARY;
                }
                if width > 8 {
                    AbstractValue::UNKNOWN
                } else {
                    self.bus.load(state, self.memory_address(state), width)
                }
            }
            OpKind::Immediate8
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64 => AbstractValue::Known(instruction.immediate(index)),
            _ => AbstractValue::UNKNOWN,
        }
    }

    fn write_operand(&self, state: &mut MachineState, index: u32, value: AbstractValue) {
        match self.instruction.op_kind(index) {
            OpKind::Register => write_register(state, self.instruction.op_register(index), value),
            OpKind::Memory => {
                let (address, width) = (self.memory_address(state), self.operand_width(index));
                self.bus.store(state, address, width.min(8), value.low_bytes(width));
            }
            _ => {}
        }
    }

    /// Makes everything unknown that an instruction that is not modeled may write.
    fn forget_written(&self, state: &mut MachineState) {
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(self.instruction);
        let writes = |access| {
            matches!(
                access,
                OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
            )
        };
        let stores = info.used_memory().iter().any(|memory| writes(memory.access()));
        if stores {
            let (address, size) = (self.memory_address(state), self.instruction.memory_size().size() as u64);
            for piece in 0..size.clamp(1, 512).div_ceil(8) {
                self.bus.store(
                    state,
                    address.map(|at| at.wrapping_add(piece * 8)),
                    8,
                    AbstractValue::UNKNOWN,
                );
            }
        }
        for used in info.used_registers().iter().filter(|used| writes(used.access())) {
            let register = used.register();
            if register.is_gpr() {
                state.registers[register.full_register().number() & 15] = AbstractValue::UNKNOWN;
            } else if register.is_vector_register() {
                state.vectors[register.number() & 31] = [AbstractValue::UNKNOWN; 4];
            }
        }
        if self.instruction.rflags_modified() != 0 {
            state.flags = Flags::Unknown;
        }
        if self.instruction.code() == Code::INVALID {
            state.registers.fill(AbstractValue::UNKNOWN);
        }
    }
}
