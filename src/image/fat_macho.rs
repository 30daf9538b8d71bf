//! Fat (universal) Mach-O files: concatenated Mach-O files for several architectures.

use super::byte_source::{ByteSource, read_range};

/// Location of the Mach-O file for one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FatSlice {
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Limit of slices. A Java class file has the same magic number, and its version at this offset is at least
/// 45.
const MAX_SLICES: u32 = 30;

/// Reads the table of slices; `None` if it is not plausible.
pub(super) fn read_slices(source: &dyn ByteSource, header: &[u8]) -> Option<Vec<FatSlice>> {
    let big = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let wide = header.get(3) == Some(&0xbf);
    let count = big(header, 4).filter(|count| (1..=MAX_SLICES).contains(count))?;
    let entry = if wide { 32 } else { 20 };
    let table = read_range(source, 8, u64::from(count) * entry)?;
    table
        .chunks_exact(entry as usize)
        .map(|entry| {
            let slice = if wide {
                FatSlice {
                    offset: u64::from(big(entry, 8)?) << 32 | u64::from(big(entry, 12)?),
                    size: u64::from(big(entry, 16)?) << 32 | u64::from(big(entry, 20)?),
                }
            } else {
                FatSlice { offset: big(entry, 8)?.into(), size: big(entry, 12)?.into() }
            };
            (slice.offset.checked_add(slice.size)? <= source.size()).then_some(slice)
        })
        .collect()
}
