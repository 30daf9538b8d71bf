//! What the two processors have in common: one instruction at a time, against registers and memory.

use super::state::{Condition, State};
use super::value::Value;
use crate::image::kind::{Architecture, Format, Kind};

/// Memory as the interpreted code sees it.
pub(in crate::image) trait Bus {
    fn load(&self, state: &State, address: Value, bytes: u32) -> Value;
    fn store(&self, state: &mut State, address: Value, bytes: u32, value: Value);
    /// Code bytes; how many there are.
    fn code(&self, address: u64, buffer: &mut [u8]) -> usize;
}

/// Where control goes after one instruction; [`State::at`] is then the next one in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Step {
    Next,
    Jump(Value),
    Branch(Condition, u64),
    /// Branch if this register's value is zero (`true`) or not; AArch64.
    BranchZero(Value, u32, bool, u64),
    /// A branch on something that is not worked out.
    Either(u64),
    Call(Value),
    Return,
    /// A trap, or nothing that can be decoded.
    Stop,
}

/// Where the made-up block of the running thread lies, that Windows has in `gs`.
pub(in crate::image) const THREAD: u64 = 0x7080_0000_0000;

/// How a processor and an operating system pass arguments.
pub(in crate::image) struct Convention {
    pub(in crate::image) arguments: &'static [usize],
    pub(in crate::image) result: usize,
    pub(in crate::image) stack_pointer: usize,
    /// Registers that a call may change.
    pub(in crate::image) volatile: &'static [usize],
    /// A call pushes the return address (x86); else it is in this register.
    pub(in crate::image) link: Option<usize>,
    pub(in crate::image) step: fn(&dyn Bus, &mut State) -> Step,
}

impl Convention {
    /// That of a file's platform.
    pub(in crate::image) fn of(kind: Kind) -> &'static Self {
        match (kind.architecture, kind.format) {
            (Architecture::X86_64 | Architecture::Other(_), Format::Elf | Format::MachO) => &SYSTEM_V,
            (Architecture::X86_64 | Architecture::Other(_), Format::Pe) => &WINDOWS,
            (Architecture::Aarch64, Format::Elf | Format::MachO | Format::Pe) => &AAPCS,
        }
    }
}

/// Linux and macOS on x86-64.
const SYSTEM_V: Convention = Convention {
    arguments: &[7, 6, 2, 1, 8, 9],
    result: 0,
    stack_pointer: 4,
    volatile: &[0, 1, 2, 6, 7, 8, 9, 10, 11],
    link: None,
    step: super::x86::step,
};

/// Windows on x86-64.
const WINDOWS: Convention = Convention {
    arguments: &[1, 2, 8, 9],
    result: 0,
    stack_pointer: 4,
    volatile: &[0, 1, 2, 8, 9, 10, 11],
    link: None,
    step: super::x86::step,
};

/// All of AArch64.
const AAPCS: Convention = Convention {
    arguments: &[0, 1, 2, 3, 4, 5, 6, 7],
    result: 0,
    stack_pointer: 31,
    volatile: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 30],
    link: Some(30),
    step: super::aarch64::step,
};
