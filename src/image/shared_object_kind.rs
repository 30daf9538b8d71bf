//! Formats and architectures of shared objects.

use std::fmt;

use object::elf;

/// The file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SharedObjectFormat {
    /// ELF: Linux and most of Unix.
    Elf,
    /// Mach-O: macOS.
    MachO,
    /// PE: Windows.
    Pe,
}

/// The processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// `x86_64`, `amd64`.
    X86_64,
    /// `aarch64`, `arm64`.
    Aarch64,
    /// Another architecture, as the raw number in the file's header.
    Other(u32),
}

impl Architecture {
    /// The architecture for `e_machine` of an ELF header.
    pub(super) fn from_elf_machine(machine: u16) -> Self {
        match elf::Machine(machine) {
            elf::EM_X86_64 => Self::X86_64,
            elf::EM_AARCH64 => Self::Aarch64,
            other => Self::Other(other.0.into()),
        }
    }

    /// The architecture for `cputype` of a Mach-O header.
    pub(super) fn from_mach_o_cpu(cpu: u32) -> Self {
        match cpu {
            0x0100_0007 => Self::X86_64,
            0x0100_000c => Self::Aarch64,
            other => Self::Other(other),
        }
    }

    /// The architecture for `Machine` of a PE header.
    pub(super) fn from_pe_machine(machine: u16) -> Self {
        match machine {
            0x8664 => Self::X86_64,
            0xaa64 => Self::Aarch64,
            other => Self::Other(other.into()),
        }
    }

    /// Whether code for it can be interpreted.
    pub(super) fn is_supported(self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

/// File format, processor architecture and word size of a shared object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedObjectKind {
    /// The file format.
    pub format: SharedObjectFormat,
    /// The architecture; of a fat Mach-O file, the first one that is supported.
    pub architecture: Architecture,
    /// 32 or 64.
    pub bits: u8,
}

/// Why a file is not a shared object of a known format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedObjectError {
    /// The file has no content.
    #[error("the file is empty")]
    Empty,
    /// The file starts with no known magic number.
    #[error("not an ELF, Mach-O or PE file")]
    Magic,
    /// The file is shorter than its header says, or the header is inconsistent.
    #[error("the file is truncated or corrupt")]
    Truncated,
    /// The file cannot be opened or read.
    #[error("the file cannot be read")]
    Unreadable,
}

impl fmt::Display for SharedObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            SharedObjectFormat::Elf => "ELF",
            SharedObjectFormat::MachO => "Mach-O",
            SharedObjectFormat::Pe => "PE",
        };
        write!(f, "{format} {}-bit {}", self.bits, self.architecture)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86_64 => f.write_str("x86_64"),
            Self::Aarch64 => f.write_str("aarch64"),
            Self::Other(number) => write!(f, "machine {number:#x}"),
        }
    }
}
