//! The effects of one instruction that matter for tracking an address, independent of the processor.

use super::super::eval::{self, never_returns};
use super::super::shared_object_kind::{Architecture, SharedObjectFormat, SharedObjectKind};

/// The effects of one instruction. General registers are identified by number, sets of registers by bit
/// masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Length in bytes.
    pub(super) length: u64,
    /// A register set to the value of another one (or its own) plus a constant.
    pub(super) sum: Option<RegisterSum>,
    /// A register set to a constant address.
    pub(super) address: Option<(u8, u64)>,
    /// Registers whose values are used in ways that are not tracked: stored to memory, arithmetic.
    pub(super) untracked: u32,
    /// Registers that are overwritten.
    pub(super) writes: u32,
    /// A memory access through a register.
    pub(super) access: Option<MemoryAccess>,
    pub(super) flow: Flow,
}

/// A register move or addition: `to = from + by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegisterSum {
    pub(super) to: u8,
    pub(super) from: u8,
    pub(super) by: i64,
}

/// A memory access at a register plus a constant; for a pair, also the offset of the second value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryAccess {
    pub(super) base: u8,
    pub(super) offsets: [i64; 2],
    /// Bytes per value.
    pub(super) size: u8,
    pub(super) is_store: bool,
}

/// Where execution continues after an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flow {
    /// At the next instruction.
    #[default]
    Next,
    /// At the target.
    Jump(BranchTarget),
    /// At this address, or at the next instruction.
    Branch(u64),
    /// At the target, and after its return at the next instruction.
    Call(BranchTarget),
    /// In the caller.
    Return,
    /// Nowhere: a trap.
    Stop,
}

/// The target of a jump or a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BranchTarget {
    /// An imported function that may return.
    Import,
    /// An imported function that never returns.
    Never,
    /// Code of the same file.
    Code(u64),
    /// An indirect target in a register or in memory.
    Untold,
}

/// The calling convention of a platform, as sets of general registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegisterSets {
    /// Registers that may hold arguments.
    pub(super) arguments: u32,
    /// Registers that a call may change.
    pub(super) volatile: u32,
    /// Registers that a call within the file is assumed to change: GCC uses what it knows about its own
    /// functions (`-fipa-ra`).
    pub(super) volatile_within: u32,
    /// Register of the result.
    pub(super) result: u32,
}

impl RegisterSets {
    /// The register sets for a file's platform.
    pub(super) fn for_kind(kind: SharedObjectKind) -> Self {
        let set = |registers: &[usize]| registers.iter().fold(0, |all, register| all | 1 << register);
        let platform = eval::CallingConvention::for_kind(kind);
        let (arguments, volatile) = (set(platform.arguments), set(platform.volatile));
        let plain = Self { arguments, volatile, volatile_within: volatile, result: 1 << platform.result };
        match (kind.architecture, kind.format) {
            // x8 holds the address of an indirect result; x18 is reserved for the platform.
            (Architecture::Aarch64, _) => Self {
                arguments: arguments | 1 << 8,
                volatile: volatile | 1 << 18,
                volatile_within: 1 << 30,
                ..plain
            },
            (_, SharedObjectFormat::Pe) => plain,
            (_, SharedObjectFormat::Elf | SharedObjectFormat::MachO) => {
                Self { volatile_within: plain.result, ..plain }
            }
        }
    }
}

impl BranchTarget {
    /// The target for the imported function of this name.
    pub(super) fn for_import(name: &str) -> Self {
        if never_returns(name) { Self::Never } else { Self::Import }
    }
}
