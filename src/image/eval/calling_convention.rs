//! Calling conventions of the supported platforms, each with the interpreter of its processor.

use super::machine_state::MachineState;
use super::processor::{ControlTransfer, MemoryBus};
use super::{aarch64, x86};
use crate::image::shared_object_kind::{Architecture, SharedObjectFormat, SharedObjectKind};

/// The calling convention of a processor and operating system.
pub(in crate::image) struct CallingConvention {
    pub(in crate::image) arguments: &'static [usize],
    pub(in crate::image) result: usize,
    pub(in crate::image) stack_pointer: usize,
    /// Registers that a call may change.
    pub(in crate::image) volatile: &'static [usize],
    /// Register of the return address; `None` where a call pushes it (x86).
    pub(in crate::image) link: Option<usize>,
    pub(in crate::image) step: fn(&dyn MemoryBus, &mut MachineState) -> ControlTransfer,
}

impl CallingConvention {
    /// The calling convention for a file's platform.
    pub(in crate::image) fn for_kind(kind: SharedObjectKind) -> &'static Self {
        match (kind.architecture, kind.format) {
            (
                Architecture::X86_64 | Architecture::Other(_),
                SharedObjectFormat::Elf | SharedObjectFormat::MachO,
            ) => &SYSTEM_V,
            (Architecture::X86_64 | Architecture::Other(_), SharedObjectFormat::Pe) => &WINDOWS,
            (
                Architecture::Aarch64,
                SharedObjectFormat::Elf | SharedObjectFormat::MachO | SharedObjectFormat::Pe,
            ) => &AAPCS,
        }
    }
}

/// Linux and macOS on x86-64 (System V ABI).
const SYSTEM_V: CallingConvention = CallingConvention {
    arguments: &[7, 6, 2, 1, 8, 9],
    result: 0,
    stack_pointer: 4,
    volatile: &[0, 1, 2, 6, 7, 8, 9, 10, 11],
    link: None,
    step: x86::interpret_instruction,
};

/// Windows on x86-64.
const WINDOWS: CallingConvention = CallingConvention {
    arguments: &[1, 2, 8, 9],
    result: 0,
    stack_pointer: 4,
    volatile: &[0, 1, 2, 8, 9, 10, 11],
    link: None,
    step: x86::interpret_instruction,
};

/// AArch64 on all operating systems.
const AAPCS: CallingConvention = CallingConvention {
    arguments: &[0, 1, 2, 3, 4, 5, 6, 7],
    result: 0,
    stack_pointer: 31,
    volatile: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 30],
    link: Some(30),
    step: aarch64::interpret_instruction,
};
