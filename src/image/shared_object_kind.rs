//! Detects the format and architecture of a file from its header.

use std::fmt;

use super::byte_source::{ByteSource, read_range, u16_at, u32_at};

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

impl SharedObjectKind {
    /// Detects the kind of a file from its header, and checks that the file is as long as its header says.
    ///
    /// # Errors
    /// Returns why the file is not a shared object.
    pub fn read_from(source: &dyn ByteSource) -> Result<Self, SharedObjectError> {
        let size = source.size();
        if size == 0 {
            return Err(SharedObjectError::Empty);
        }
        let start = read_range(source, 0, size.min(64)).ok_or(SharedObjectError::Unreadable)?;
        match start.get(..4) {
            Some(b"\x7fELF") => elf_kind(source, &start),
            Some([0xcf | 0xce, 0xfa, 0xed, 0xfe]) => mach_o_kind(source, 0, size),
            Some([0xca, 0xfe, 0xba, 0xbe | 0xbf]) => fat_kind(source, &start),
            Some([b'M', b'Z', ..]) => pe_kind(source, &start),
            Some(_) => Err(SharedObjectError::Magic),
            None if b"\x7fELF".starts_with(&start) || b"MZ".starts_with(&start) => {
                Err(SharedObjectError::Truncated)
            }
            None => Err(SharedObjectError::Magic),
        }
    }
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

/// Each loadable segment must lie within the file. Section headers may be missing: stripped files are valid.
fn elf_kind(source: &dyn ByteSource, header: &[u8]) -> Result<SharedObjectKind, SharedObjectError> {
    let truncated = SharedObjectError::Truncated;
    let (bits, order) = match (header.get(4), header.get(5)) {
        (Some(1), Some(order)) => (32, *order),
        (Some(2), Some(order)) => (64, *order),
        (_, _) => return Err(truncated),
    };
    let machine = u16_at(header, 18).ok_or(truncated)?;
    if bits == 32 || order != 1 {
        let machine = if order == 1 { machine } else { machine.swap_bytes() };
        return Ok(SharedObjectKind {
            format: SharedObjectFormat::Elf,
            architecture: Architecture::Other(machine.into()),
            bits,
        });
    }
    let architecture = match object::elf::Machine(machine) {
        object::elf::EM_X86_64 => Architecture::X86_64,
        object::elf::EM_AARCH64 => Architecture::Aarch64,
        other => Architecture::Other(other.0.into()),
    };
    super::elf::read_segments(source).filter(|segments| !segments.is_empty()).ok_or(truncated)?;
    Ok(SharedObjectKind { format: SharedObjectFormat::Elf, architecture, bits })
}

fn mach_o_kind(
    source: &dyn ByteSource,
    offset: u64,
    size: u64,
) -> Result<SharedObjectKind, SharedObjectError> {
    let truncated = SharedObjectError::Truncated;
    let header = read_range(source, offset, size.min(32)).ok_or(truncated)?;
    let bits = if header.first() == Some(&0xcf) { 64 } else { 32 };
    let architecture = match u32_at(&header, 4).ok_or(truncated)? {
        0x0100_0007 => Architecture::X86_64,
        0x0100_000c => Architecture::Aarch64,
        other => Architecture::Other(other),
    };
    Ok(SharedObjectKind { format: SharedObjectFormat::MachO, architecture, bits })
}

/// The fat header is big-endian: a count, then 20 bytes for each architecture.
fn fat_kind(source: &dyn ByteSource, header: &[u8]) -> Result<SharedObjectKind, SharedObjectError> {
    let slices = super::fat_macho::read_slices(source, header).ok_or(SharedObjectError::Truncated)?;
    let kinds = slices.iter().map(|slice| mach_o_kind(source, slice.offset, slice.size));
    let kinds: Vec<SharedObjectKind> = kinds.collect::<Result<_, _>>()?;
    let readable =
        kinds.iter().find(|kind| kind.bits == 64 && !matches!(kind.architecture, Architecture::Other(_)));
    readable.or(kinds.first()).copied().ok_or(SharedObjectError::Truncated)
}

fn pe_kind(source: &dyn ByteSource, header: &[u8]) -> Result<SharedObjectKind, SharedObjectError> {
    let truncated = SharedObjectError::Truncated;
    let at = u32_at(header, 0x3c).ok_or(truncated)?;
    let nt = read_range(source, at.into(), 26).ok_or(truncated)?;
    if nt.get(..4) != Some(b"PE\0\0") {
        return Err(SharedObjectError::Magic);
    }
    let architecture = match u16_at(&nt, 4).ok_or(truncated)? {
        0x8664 => Architecture::X86_64,
        0xaa64 => Architecture::Aarch64,
        other => Architecture::Other(other.into()),
    };
    let bits = if u16_at(&nt, 24) == Some(0x20b) { 64 } else { 32 };
    Ok(SharedObjectKind { format: SharedObjectFormat::Pe, architecture, bits })
}
