//! x86-64 instructions, as far as following an address needs them.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
    UsedMemory,
};

use super::super::memory::Image;
use super::instruction::{Access, Flow, Instruction, Sum, Target};

/// The number of a general register, of any width.
pub(super) fn number(register: Register) -> Option<u8> {
    register.is_gpr().then(|| register.full_register().number() as u8)
}

/// Whether memory is read, and nothing else.
pub(super) fn is_read(memory: &UsedMemory) -> bool {
    matches!(memory.access(), OpAccess::Read | OpAccess::CondRead)
}

/// Reads the instruction there; `None` where there is none.
pub(super) fn decode(image: &Image, at: u64, factory: &mut InstructionInfoFactory) -> Option<Instruction> {
    let decoded = one(image, at)?;
    let plain =
        Instruction { length: decoded.len() as u64, flow: flow(image, &decoded), ..Instruction::default() };
    if decoded.mnemonic() == Mnemonic::Mov
        && let (OpKind::Register, OpKind::Register) = (decoded.op0_kind(), decoded.op1_kind())
        && decoded.op0_register().is_gpr64()
        && let (Some(to), Some(from)) = (number(decoded.op0_register()), number(decoded.op1_register()))
    {
        return Some(Instruction { sum: Some(Sum { to, from, by: 0 }), ..plain });
    }
    let info = factory.info(&decoded);
    let mut instruction = plain;
    let mut places = 0;
    for memory in info.used_memory() {
        let is_store = !is_read(memory);
        // LEA computes another address.
        if let (Some(base), true) = (number(memory.base()), is_store && decoded.mnemonic() != Mnemonic::Lea)
            && memory.index() == Register::None
        {
            let (offset, size) = (memory.displacement().cast_signed(), memory.memory_size().size() as u8);
            instruction.access = Some(Access { base, offsets: [offset; 2], size, is_store });
            places |= 1 << base;
            continue;
        }
        let through = [memory.base(), memory.index()].into_iter().filter_map(number);
        for register in through {
            places |= 1 << register;
            if is_store {
                instruction.gives |= 1 << register;
            }
        }
    }
    let is_compared = matches!(decoded.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
    let named = (0..decoded.op_count()).filter(|operand| decoded.op_kind(*operand) == OpKind::Register);
    let named: u32 =
        named.filter_map(|operand| number(decoded.op_register(operand))).fold(0, |all, one| all | 1 << one);
    for used in info.used_registers() {
        let Some(register) = number(used.register()) else { continue };
        let one = 1 << register;
        match used.access() {
            // A write of 32 bits clears the other half.
            OpAccess::Write if used.register().size() >= 4 => instruction.writes |= one,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::None | OpAccess::NoMemAccess => {}
            // Call and return read registers that the convention names.
            _ if !matches!(instruction.flow, Flow::Next | Flow::Branch(_)) => {}
            access => {
                let is_value = places & one == 0 || named & one != 0;
                if is_value && !is_compared {
                    instruction.gives |= one;
                }
                if access == OpAccess::ReadWrite && used.register().size() >= 4 {
                    instruction.writes |= one;
                }
            }
        }
    }
    Some(instruction)
}

fn one(image: &Image, at: u64) -> Option<iced_x86::Instruction> {
    let mut code = [0; 15];
    let length = image.code(at, &mut code);
    let mut decoder = Decoder::with_ip(64, &code[..length], at, DecoderOptions::NONE);
    let decoded = decoder.decode();
    (!decoded.is_invalid()).then_some(decoded)
}

fn flow(image: &Image, instruction: &iced_x86::Instruction) -> Flow {
    match instruction.flow_control() {
        FlowControl::Next | FlowControl::XbeginXabortXend => Flow::Next,
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => {
            Flow::Jump(target(image, instruction, 0))
        }
        FlowControl::ConditionalBranch => Flow::Branch(instruction.near_branch_target()),
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call(target(image, instruction, 0)),
        FlowControl::Return => Flow::Return,
        FlowControl::Interrupt | FlowControl::Exception => Flow::Stop,
    }
}

/// Where a jump or a call leads: through the import table, or to a stub that jumps through it.
fn target(image: &Image, instruction: &iced_x86::Instruction, depth: u32) -> Target {
    if instruction.is_ip_rel_memory_operand() {
        return image.imported(instruction.ip_rel_memory_address()).map_or(Target::Untold, Target::import);
    }
    if !matches!(instruction.op0_kind(), OpKind::NearBranch64) {
        return Target::Untold;
    }
    let there = instruction.near_branch_target();
    let Some(first) = one(image, there).filter(|_| depth < 2) else { return Target::Code(there) };
    let first = if first.mnemonic() == Mnemonic::Endbr64 { one(image, first.next_ip()) } else { Some(first) };
    let jump = first.filter(|first| first.mnemonic() == Mnemonic::Jmp);
    match jump.map(|jump| target(image, &jump, depth + 1)) {
        Some(import @ (Target::Import | Target::Never)) => import,
        Some(Target::Code(_) | Target::Untold) | None => Target::Code(there),
    }
}
