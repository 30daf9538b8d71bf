//! Detects the format and architecture of a file from its header.

use super::byte_source::{ByteSource, read_range, u16_at, u32_at};
use super::elf::read_segments;
use super::fat_macho::read_slices;
use super::shared_object_kind::{Architecture, SharedObjectError, SharedObjectFormat, SharedObjectKind};

/// Detects the kind of a file from its header, and checks that the file is as long as its header says.
///
/// # Errors
/// Returns why the file is not a shared object.
pub(super) fn detect_kind(source: &dyn ByteSource) -> Result<SharedObjectKind, SharedObjectError> {
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
    let architecture = Architecture::from_elf_machine(machine);
    read_segments(source).filter(|segments| !segments.is_empty()).ok_or(truncated)?;
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
    let architecture = Architecture::from_mach_o_cpu(u32_at(&header, 4).ok_or(truncated)?);
    Ok(SharedObjectKind { format: SharedObjectFormat::MachO, architecture, bits })
}

/// The fat header is big-endian: a count, then 20 bytes for each architecture.
fn fat_kind(source: &dyn ByteSource, header: &[u8]) -> Result<SharedObjectKind, SharedObjectError> {
    let slices = read_slices(source, header).ok_or(SharedObjectError::Truncated)?;
    let kinds = slices.iter().map(|slice| mach_o_kind(source, slice.offset, slice.size));
    let kinds: Vec<SharedObjectKind> = kinds.collect::<Result<_, _>>()?;
    let readable = kinds.iter().find(|kind| kind.bits == 64 && kind.architecture.is_supported());
    readable.or(kinds.first()).copied().ok_or(SharedObjectError::Truncated)
}

fn pe_kind(source: &dyn ByteSource, header: &[u8]) -> Result<SharedObjectKind, SharedObjectError> {
    let truncated = SharedObjectError::Truncated;
    let at = u32_at(header, 0x3c).ok_or(truncated)?;
    let nt = read_range(source, at.into(), 26).ok_or(truncated)?;
    if nt.get(..4) != Some(b"PE\0\0") {
        return Err(SharedObjectError::Magic);
    }
    let architecture = Architecture::from_pe_machine(u16_at(&nt, 4).ok_or(truncated)?);
    let bits = if u16_at(&nt, 24) == Some(0x20b) { 64 } else { 32 };
    Ok(SharedObjectKind { format: SharedObjectFormat::Pe, architecture, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(bytes: &[u8]) -> String {
        let kind = detect_kind(&bytes.to_vec());
        kind.map_or_else(|error| error.to_string(), |kind| kind.to_string())
    }

    /// A file of 128 bytes with these bytes at these offsets.
    fn file(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        for (at, part) in parts {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn kinds_by_their_headers() {
        let elf = |class, order, machine: &'static [u8]| {
            file(&[(0, b"\x7fELF"), (4, &[class, order]), (18, machine)])
        };
        let mach_o = |magic, cpu: &'static [u8]| file(&[(0, &[magic, 0xfa, 0xed, 0xfe]), (4, cpu)]);
        let pe = |machine: &'static [u8], magic: &'static [u8]| {
            file(&[(0, b"MZ"), (0x3c, &[64]), (64, b"PE\0\0"), (68, machine), (88, magic)])
        };
        for (bytes, expected) in [
            (elf(1, 1, &[40, 0]), "ELF 32-bit machine 0x28"),
            (elf(2, 2, &[0, 22]), "ELF 64-bit machine 0x16"),
            (elf(2, 1, &[62, 0]), "the file is truncated or corrupt"),
            (mach_o(0xcf, &[7, 0, 0, 1]), "Mach-O 64-bit x86_64"),
            (mach_o(0xcf, &[12, 0, 0, 1]), "Mach-O 64-bit aarch64"),
            (mach_o(0xce, &[7, 0, 0, 0]), "Mach-O 32-bit machine 0x7"),
            (pe(&[0x64, 0x86], &[0x0b, 2]), "PE 64-bit x86_64"),
            (pe(&[0x64, 0xaa], &[0x0b, 2]), "PE 64-bit aarch64"),
            (pe(&[0x4c, 1], &[0x0b, 1]), "PE 32-bit machine 0x14c"),
            (file(&[(0, b"MZ"), (0x3c, &[64])]), "not an ELF, Mach-O or PE file"),
            (file(&[(0, b"MZ"), (0x3c, &[255])]), "the file is truncated or corrupt"),
        ] {
            assert_eq!(describe(&bytes), expected);
        }
    }

    #[test]
    fn short_files_and_other_files() {
        for (bytes, expected) in [
            (&b""[..], "the file is empty"),
            (b"\x7fE", "the file is truncated or corrupt"),
            (b"M", "the file is truncated or corrupt"),
            (b"\x7fELF", "the file is truncated or corrupt"),
            (b"#!", "not an ELF, Mach-O or PE file"),
            (b"#!/bin/sh", "not an ELF, Mach-O or PE file"),
        ] {
            assert_eq!(describe(bytes), expected, "{bytes:?}");
        }
    }
}
