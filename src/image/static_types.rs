//! Finds static types that a module passes to `PyType_Ready`: calls whose argument is a type object in the
//! file's own data. Sources: `PyTypeObject` in `Include/cpython/object.h`, flags in `Include/object.h`.

use std::collections::BTreeSet;

use iced_x86::{
    Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

use super::memory::{Image, LoadedPointer};
use super::shared_object_kind::{Architecture, SharedObjectFormat};

const CHUNK: u64 = 1 << 18;
/// Bytes of a RIP-relative `LEA`.
const LEA: u64 = 7;
/// Limit of instructions between the `LEA` and the call.
const MAX_DISTANCE: usize = 12;
const READY: &str = "PyType_Ready";
/// `Py_TPFLAGS_HEAPTYPE`.
const HEAP_TYPE: u64 = 1 << 9;

/// The `tp_name`s of static types that are passed to `PyType_Ready` directly.
///
/// Types that are passed by way of a table or a helper function are not found, nor any in AArch64 code. So
/// the result has no false positives, but may be incomplete.
pub(super) fn find_readied_types(image: &Image) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if !image.imports_symbol(READY) || image.kind.architecture != Architecture::X86_64 {
        return names;
    }
    let mut buffer = vec![0; (CHUNK + LEA - 1) as usize];
    for segment in image.segments.iter().filter(|segment| segment.executable) {
        let size = segment.size.min(segment.file_size);
        for at in (0..size).step_by(CHUNK as usize) {
            let start = segment.address.wrapping_add(at);
            let bytes = &mut buffer[..(size - at).min(CHUNK + LEA - 1) as usize];
            if !image.read_uncached(start, bytes) {
                break;
            }
            for index in memchr::memchr_iter(0x8d, bytes).filter_map(|opcode| opcode.checked_sub(1)) {
                let Some(window) = bytes.get(index..).and_then(|rest| rest.first_chunk::<7>()) else { break };
                let [prefix, _, operand, displacement @ ..] = window;
                if prefix & 0xfb != 0x48 || operand & 0xc7 != 5 {
                    continue;
                }
                let from = start.wrapping_add(index as u64);
                let displacement = i32::from_le_bytes(*displacement);
                let address = from.wrapping_add(LEA).wrapping_add_signed(displacement.into());
                if let Some(name) = read_static_type_name(image, address)
                    && is_passed_to_type_ready(image, from)
                {
                    names.insert(name);
                }
            }
        }
    }
    names
}

/// The `tp_name` of the static type at this address, if there is one.
fn read_static_type_name(image: &Image, address: u64) -> Option<String> {
    let data = image.segment_at(address).is_some_and(|segment| segment.writable && !segment.executable);
    if !data || !address.is_multiple_of(8) {
        return None;
    }
    // The object header of a free-threaded build is longer, and has all ones at this offset.
    let head = if image.read_u32(address.checked_add(12)?)? == u32::MAX { 32 } else { 16 };
    let field = |offset: u64| address.checked_add(head + offset);
    // Cheap checks first: most addresses are not of a type.
    let basic_size = image.read_u64(field(16)?)?;
    if !(16..1 << 20).contains(&basic_size) || image.read_u64(field(152)?)? & HEAP_TYPE != 0 {
        return None;
    }
    let Some(LoadedPointer::Address(name)) = image.pointer_at(field(8)?) else { return None };
    let name = image.read_c_string(name)?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())).then_some(name)
}

/// Whether the address computed by the instruction at `from` is the first argument of the next call, and that
/// call is of `PyType_Ready`.
fn is_passed_to_type_ready(image: &Image, from: u64) -> bool {
    let mut code = [0; 128];
    let Some(segment) = image.segment_at(from) else { return false };
    // The segment may end within the buffer.
    let left = usize::try_from(segment.address + segment.size - from).unwrap_or(usize::MAX);
    let code = &mut code[..left.min(128)];
    if !image.read_bytes(from, code) {
        return false;
    }
    let argument = if image.kind.format == SharedObjectFormat::Pe { Register::RCX } else { Register::RDI };
    let mut decoder = Decoder::with_ip(64, code, from, DecoderOptions::NONE);
    let mut factory = InstructionInfoFactory::new();
    let mut holders = vec![decoder.decode().op0_register()];
    for _ in 0..MAX_DISTANCE {
        let instruction = decoder.decode();
        match instruction.mnemonic() {
            Mnemonic::Call | Mnemonic::Jmp => {
                return holders.contains(&argument) && calls_type_ready(image, &instruction, 0);
            }
            Mnemonic::Ret | Mnemonic::INVALID => return false,
            Mnemonic::Mov
                if instruction.op1_kind() == OpKind::Register
                    && holders.contains(&instruction.op1_register()) =>
            {
                holders.push(instruction.op0_register());
                continue;
            }
            _ if instruction.is_jcc_short_or_near() => return false,
            _ => {}
        }
        for used in factory.info(&instruction).used_registers() {
            if !matches!(
                used.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess | OpAccess::None
            ) {
                holders.retain(|holder| *holder != used.register().full_register());
            }
        }
    }
    false
}

/// Whether the instruction calls `PyType_Ready`: through the import table, or a stub that jumps through it.
fn calls_type_ready(image: &Image, instruction: &Instruction, depth: u32) -> bool {
    if instruction.is_ip_rel_memory_operand() {
        let Some(LoadedPointer::Import(index, 0)) = image.pointer_at(instruction.ip_rel_memory_address())
        else {
            return false;
        };
        return image.imports.get(index as usize).is_some_and(|import| import.name == READY);
    }
    let mut code = [0; 32];
    let target = instruction.near_branch_target();
    if depth > 0 || target == 0 || !image.read_bytes(target, &mut code) {
        return false;
    }
    let mut decoder = Decoder::with_ip(64, &code, target, DecoderOptions::NONE);
    let mut first = decoder.decode();
    if first.mnemonic() == Mnemonic::Endbr64 {
        first = decoder.decode();
    }
    first.mnemonic() == Mnemonic::Jmp && calls_type_ready(image, &first, depth + 1)
}
