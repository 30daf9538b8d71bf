//! Decodes x86-64 instructions for tracking an address.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
    UsedMemory,
};

use super::super::memory::Image;
use super::instruction::{BranchTarget, Flow, Instruction, MemoryAccess, RegisterSum};

/// The number of a general register of any width.
pub(super) fn register_number(register: Register) -> Option<u8> {
    register.is_gpr().then(|| register.full_register().number() as u8)
}

/// Whether the memory operand is only read.
pub(super) fn is_read_only(memory: &UsedMemory) -> bool {
    matches!(memory.access(), OpAccess::Read | OpAccess::CondRead)
}

/// Decodes the instruction at `at`; `None` if it is invalid.
pub(super) fn decode_x86(
    image: &Image,
    at: u64,
    factory: &mut InstructionInfoFactory,
) -> Option<Instruction> {
    let decoded = decode_raw(image, at)?;
    let plain = Instruction {
        length: decoded.len() as u64,
        flow: control_flow(image, &decoded),
        ..Instruction::default()
    };
    if decoded.mnemonic() == Mnemonic::Mov
        && let (OpKind::Register, OpKind::Register) = (decoded.op0_kind(), decoded.op1_kind())
        && decoded.op0_register().is_gpr64()
        && let (Some(to), Some(from)) =
            (register_number(decoded.op0_register()), register_number(decoded.op1_register()))
    {
        return Some(Instruction { sum: Some(RegisterSum { to, from, by: 0 }), ..plain });
    }
    let info = factory.info(&decoded);
    let mut instruction = plain;
    let mut address_registers = 0;
    for memory in info.used_memory() {
        let is_store = !is_read_only(memory);
        // LEA computes an address and does not access memory.
        if let (Some(base), true) =
            (register_number(memory.base()), is_store && decoded.mnemonic() != Mnemonic::Lea)
            && memory.index() == Register::None
        {
            let (offset, size) = (memory.displacement().cast_signed(), memory.memory_size().size() as u8);
            instruction.access = Some(MemoryAccess { base, offsets: [offset; 2], size, is_store });
            address_registers |= 1 << base;
            continue;
        }
        let through = [memory.base(), memory.index()].into_iter().filter_map(register_number);
        for register in through {
            address_registers |= 1 << register;
            if is_store {
                instruction.untracked |= 1 << register;
            }
        }
    }
    let is_compared = matches!(decoded.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
    let named = (0..decoded.op_count()).filter(|operand| decoded.op_kind(*operand) == OpKind::Register);
    let named: u32 = named
        .filter_map(|operand| register_number(decoded.op_register(operand)))
        .fold(0, |all, one| all | 1 << one);
    for used in info.used_registers() {
        let Some(register) = register_number(used.register()) else { continue };
        let one = 1 << register;
        match used.access() {
            // A 32-bit write clears the upper half.
            OpAccess::Write if used.register().size() >= 4 => instruction.writes |= one,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::None | OpAccess::NoMemAccess => {}
            // Registers that calls and returns use are given by the calling convention.
            _ if !matches!(instruction.flow, Flow::Next | Flow::Branch(_)) => {}
            access => {
                let is_value = address_registers & one == 0 || named & one != 0;
                if is_value && !is_compared {
                    instruction.untracked |= one;
                }
                if access == OpAccess::ReadWrite && used.register().size() >= 4 {
                    instruction.writes |= one;
                }
            }
        }
    }
    Some(instruction)
}

fn decode_raw(image: &Image, at: u64) -> Option<iced_x86::Instruction> {
    let mut code = [0; 15];
    let length = image.read_code(at, &mut code);
    let mut decoder = Decoder::with_ip(64, &code[..length], at, DecoderOptions::NONE);
    let decoded = decoder.decode();
    (!decoded.is_invalid()).then_some(decoded)
}

fn control_flow(image: &Image, instruction: &iced_x86::Instruction) -> Flow {
    match instruction.flow_control() {
        FlowControl::Next | FlowControl::XbeginXabortXend => Flow::Next,
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => {
            Flow::Jump(branch_target(image, instruction, 0))
        }
        FlowControl::ConditionalBranch => Flow::Branch(instruction.near_branch_target()),
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call(branch_target(image, instruction, 0)),
        FlowControl::Return => Flow::Return,
        FlowControl::Interrupt | FlowControl::Exception => Flow::Stop,
    }
}

/// The target of a jump or a call: through the import table, through a stub that jumps through it, or in the
/// file.
fn branch_target(image: &Image, instruction: &iced_x86::Instruction, depth: u32) -> BranchTarget {
    if instruction.is_ip_rel_memory_operand() {
        return image
            .imported_symbol_at(instruction.ip_rel_memory_address())
            .map_or(BranchTarget::Untold, BranchTarget::for_import);
    }
    if !matches!(instruction.op0_kind(), OpKind::NearBranch64) {
        return BranchTarget::Untold;
    }
    let destination = instruction.near_branch_target();
    let Some(first) = decode_raw(image, destination).filter(|_| depth < 2) else {
        return BranchTarget::Code(destination);
    };
    let first =
        if first.mnemonic() == Mnemonic::Endbr64 { decode_raw(image, first.next_ip()) } else { Some(first) };
    let jump = first.filter(|first| first.mnemonic() == Mnemonic::Jmp);
    match jump.map(|jump| branch_target(image, &jump, depth + 1)) {
        Some(import @ (BranchTarget::Import | BranchTarget::Never)) => import,
        Some(BranchTarget::Code(_) | BranchTarget::Untold) | None => BranchTarget::Code(destination),
    }
}
