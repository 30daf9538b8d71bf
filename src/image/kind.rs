//! What sort of file this is: told apart before anything is read from it.

use std::fmt;

use super::source::{Source, read, u16_at, u32_at};

/// The container of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Linux and most of Unix.
    Elf,
    /// macOS.
    MachO,
    /// Windows.
    Pe,
}

/// The processor that the code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// `x86_64`, `amd64`.
    X86_64,
    /// `aarch64`, `arm64`.
    Aarch64,
    /// Another one, by the number that the format gives it.
    Other(u32),
}

/// Format, processor and width of a shared object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The container.
    pub format: Format,
    /// The processor; of a fat Mach-O file, the first that this tool can read.
    pub architecture: Architecture,
    /// 32 or 64.
    pub bits: u8,
}

/// Why a file has no [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// None of the magic numbers.
    #[error("not an ELF, Mach-O or PE file")]
    Magic,
    /// The header says one thing and the file's length another.
    #[error("the file is truncated or corrupt")]
    Truncated,
    /// It cannot be opened or read.
    #[error("the file cannot be read")]
    Unreadable,
}

impl Kind {
    /// Reads the header, and checks that the file is as long as its header says.
    pub fn of(source: &dyn Source) -> Result<Self, NotAnObject> {
        let size = source.size();
        if size == 0 {
            return Err(NotAnObject::Empty);
        }
        let start = read(source, 0, size.min(64)).ok_or(NotAnObject::Unreadable)?;
        match start.get(..4) {
            Some(b"\x7fELF") => elf(source, &start),
            Some([0xcf | 0xce, 0xfa, 0xed, 0xfe]) => mach_o(source, 0, size),
            Some([0xca, 0xfe, 0xba, 0xbe | 0xbf]) => fat(source, &start),
            Some([b'M', b'Z', ..]) => pe(source, &start),
            Some(_) => Err(NotAnObject::Magic),
            None if b"\x7fELF".starts_with(&start) || b"MZ".starts_with(&start) => {
                Err(NotAnObject::Truncated)
            }
            None => Err(NotAnObject::Magic),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            Format::Elf => "ELF",
            Format::MachO => "Mach-O",
            Format::Pe => "PE",
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

/// Each loadable segment must lie in the file; section headers may be missing, a stripped file is whole.
fn elf(source: &dyn Source, header: &[u8]) -> Result<Kind, NotAnObject> {
    let truncated = NotAnObject::Truncated;
    let (bits, order) = match (header.get(4), header.get(5)) {
        (Some(1), Some(order)) => (32, *order),
        (Some(2), Some(order)) => (64, *order),
        (_, _) => return Err(truncated),
    };
    let machine = u16_at(header, 18).ok_or(truncated)?;
    if bits == 32 || order != 1 {
        let machine = if order == 1 { machine } else { machine.swap_bytes() };
        return Ok(Kind { format: Format::Elf, architecture: Architecture::Other(machine.into()), bits });
    }
    let architecture = match object::elf::Machine(machine) {
        object::elf::EM_X86_64 => Architecture::X86_64,
        object::elf::EM_AARCH64 => Architecture::Aarch64,
        other => Architecture::Other(other.0.into()),
    };
    super::elf::segments(source).filter(|segments| !segments.is_empty()).ok_or(truncated)?;
    Ok(Kind { format: Format::Elf, architecture, bits })
}

fn mach_o(source: &dyn Source, offset: u64, size: u64) -> Result<Kind, NotAnObject> {
    let truncated = NotAnObject::Truncated;
    let header = read(source, offset, size.min(32)).ok_or(truncated)?;
    let bits = if header.first() == Some(&0xcf) { 64 } else { 32 };
    let architecture = match u32_at(&header, 4).ok_or(truncated)? {
        0x0100_0007 => Architecture::X86_64,
        0x0100_000c => Architecture::Aarch64,
        other => Architecture::Other(other),
    };
    Ok(Kind { format: Format::MachO, architecture, bits })
}

/// The fat header is big-endian: a count, then 20 bytes an architecture.
fn fat(source: &dyn Source, header: &[u8]) -> Result<Kind, NotAnObject> {
    let slices = super::fat::slices(source, header).ok_or(NotAnObject::Truncated)?;
    let kinds = slices.iter().map(|slice| mach_o(source, slice.offset, slice.size));
    let kinds: Vec<Kind> = kinds.collect::<Result<_, _>>()?;
    let readable =
        kinds.iter().find(|kind| kind.bits == 64 && !matches!(kind.architecture, Architecture::Other(_)));
    readable.or(kinds.first()).copied().ok_or(NotAnObject::Truncated)
}

fn pe(source: &dyn Source, header: &[u8]) -> Result<Kind, NotAnObject> {
    let truncated = NotAnObject::Truncated;
    let at = u32_at(header, 0x3c).ok_or(truncated)?;
    let nt = read(source, at.into(), 26).ok_or(truncated)?;
    if nt.get(..4) != Some(b"PE\0\0") {
        return Err(NotAnObject::Magic);
    }
    let architecture = match u16_at(&nt, 4).ok_or(truncated)? {
        0x8664 => Architecture::X86_64,
        0xaa64 => Architecture::Aarch64,
        other => Architecture::Other(other.into()),
    };
    let bits = if u16_at(&nt, 24) == Some(0x20b) { 64 } else { 32 };
    Ok(Kind { format: Format::Pe, architecture, bits })
}
