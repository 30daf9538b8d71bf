//! What following an address needs to know of one instruction, whatever the processor.

use super::super::eval::{self, never_returns};
use super::super::kind::{Architecture, Format, Kind};

/// One instruction. Registers are general ones by number; a set of them has a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Bytes to the one after it.
    pub(super) length: u64,
    /// A register that now holds the value of another (or of itself before), and a constant added to that.
    pub(super) sum: Option<Sum>,
    /// A register that now holds this address.
    pub(super) address: Option<(u8, u64)>,
    /// Registers whose values go where they are not followed: memory, arithmetic.
    pub(super) gives: u32,
    /// Registers that certainly hold something else afterwards.
    pub(super) writes: u32,
    /// Memory that it reads or writes through a register.
    pub(super) access: Option<Access>,
    pub(super) flow: Flow,
}

/// `to = from + by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) to: u8,
    pub(super) from: u8,
    pub(super) by: i64,
}

/// Memory at a register plus a constant; of a pair, the second place too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) base: u8,
    pub(super) offsets: [i64; 2],
    /// Bytes of one value.
    pub(super) size: u8,
    pub(super) is_store: bool,
}

/// Where it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flow {
    /// At the next one.
    #[default]
    Next,
    /// There.
    Jump(Target),
    /// There, or at the next one.
    Branch(u64),
    /// There, and then at the next one.
    Call(Target),
    /// Where the caller goes on.
    Return,
    /// Nowhere.
    Stop,
}

/// Where a jump or a call leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An imported function that returns.
    Import,
    /// One that does not.
    Never,
    /// Code of this file.
    Code(u64),
    /// What a register or memory says.
    Untold,
}

/// How functions of a platform use general registers: sets of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convention {
    /// Those that may hold arguments.
    pub(super) arguments: u32,
    /// Those that a call may change.
    pub(super) volatile: u32,
    /// Those that a call within the file may be taken to change: GCC knows what its own functions leave alone (-fipa-ra).
    pub(super) volatile_within: u32,
    /// That of the result.
    pub(super) result: u32,
}

impl Convention {
    /// That of a file's platform.
    pub(super) fn of(kind: Kind) -> Self {
        let set = |registers: &[usize]| registers.iter().fold(0, |all, register| all | 1 << register);
        let platform = eval::Convention::of(kind);
        let (arguments, volatile) = (set(platform.arguments), set(platform.volatile));
        let plain = Self { arguments, volatile, volatile_within: volatile, result: 1 << platform.result };
        match (kind.architecture, kind.format) {
            // x8 leads to where a result is to be; x18 is the platform's.
            (Architecture::Aarch64, _) => Self {
                arguments: arguments | 1 << 8,
                volatile: volatile | 1 << 18,
                volatile_within: 1 << 30,
                ..plain
            },
            (_, Format::Pe) => plain,
            (_, Format::Elf | Format::MachO) => Self { volatile_within: plain.result, ..plain },
        }
    }
}

impl Target {
    /// The imported function of this name.
    pub(super) fn import(name: &str) -> Self {
        if never_returns(name) { Self::Never } else { Self::Import }
    }
}
