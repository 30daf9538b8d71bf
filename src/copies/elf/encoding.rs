//! Integers in ELF files: of a 32-bit or 64-bit class, little or big endian.

use object::Endianness;
use object::elf;

use super::elf_error::ElfError;

/// Class and byte order of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Whether addresses have 64 bits.
    pub(super) is_64: bool,
    /// The byte order.
    pub(super) endian: Endianness,
}

impl Encoding {
    /// Reads class and byte order from the identification at the start of a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ElfError> {
        let ident = bytes.get(..16).ok_or(ElfError::NotElf)?;
        let (Some(magic), Some(&class), Some(&order)) = (ident.get(..4), ident.get(4), ident.get(5)) else {
            return Err(ElfError::NotElf);
        };
        if magic != elf::ELFMAG {
            return Err(ElfError::NotElf);
        }
        let is_64 = match class {
            1 => false,
            2 => true,
            _ => return Err(ElfError::NotElf),
        };
        let endian = match order {
            1 => Endianness::Little,
            2 => Endianness::Big,
            _ => return Err(ElfError::NotElf),
        };
        Ok(Self { is_64, endian })
    }

    /// Size of an address in bytes.
    pub(super) fn word_size(self) -> usize {
        if self.is_64 { 8 } else { 4 }
    }

    /// Returns the value for this class.
    pub(super) fn choose_by_class<T>(self, in_32: T, in_64: T) -> T {
        if self.is_64 { in_64 } else { in_32 }
    }

    /// Reads the 16-bit integer at offset `at`; `None` if it lies outside `bytes`.
    pub(super) fn read_u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = array_at(bytes, at)?;
        Some(match self.endian {
            Endianness::Little => u16::from_le_bytes(raw),
            Endianness::Big => u16::from_be_bytes(raw),
        })
    }

    /// Reads the 32-bit integer at offset `at`.
    pub(super) fn read_u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = array_at(bytes, at)?;
        Some(match self.endian {
            Endianness::Little => u32::from_le_bytes(raw),
            Endianness::Big => u32::from_be_bytes(raw),
        })
    }

    /// Reads the 64-bit integer at offset `at`.
    pub(super) fn read_u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = array_at(bytes, at)?;
        Some(match self.endian {
            Endianness::Little => u64::from_le_bytes(raw),
            Endianness::Big => u64::from_be_bytes(raw),
        })
    }

    /// Reads the integer of address size at offset `at`.
    pub(super) fn read_word(self, bytes: &[u8], at: usize) -> Option<u64> {
        if self.is_64 { self.read_u64(bytes, at) } else { self.read_u32(bytes, at).map(u64::from) }
    }

    /// Encodes a 16-bit integer.
    pub(super) fn encode_u16(self, value: u16) -> Vec<u8> {
        match self.endian {
            Endianness::Little => value.to_le_bytes().to_vec(),
            Endianness::Big => value.to_be_bytes().to_vec(),
        }
    }

    /// Encodes a 32-bit integer.
    pub(super) fn encode_u32(self, value: u32) -> Vec<u8> {
        match self.endian {
            Endianness::Little => value.to_le_bytes().to_vec(),
            Endianness::Big => value.to_be_bytes().to_vec(),
        }
    }

    /// Encodes an integer of address size; `None` if it does not fit.
    pub(super) fn encode_word(self, value: u64) -> Option<Vec<u8>> {
        if !self.is_64 {
            return u32::try_from(value).ok().map(|value| self.encode_u32(value));
        }
        Some(match self.endian {
            Endianness::Little => value.to_le_bytes().to_vec(),
            Endianness::Big => value.to_be_bytes().to_vec(),
        })
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
