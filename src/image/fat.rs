//! Fat (universal) Mach-O files: several Mach-O files for several processors, one after the other.

use super::source::{Source, read};

/// Where one processor's file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// More than any real file has; a Java class file shares the magic number and says at least 45 here.
const MOST: u32 = 30;

/// The slices in order, or `None` where the table is not believable.
pub(super) fn slices(source: &dyn Source, header: &[u8]) -> Option<Vec<Slice>> {
    let big = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let wide = header.get(3) == Some(&0xbf);
    let count = big(header, 4).filter(|count| (1..=MOST).contains(count))?;
    let entry = if wide { 32 } else { 20 };
    let table = read(source, 8, u64::from(count) * entry)?;
    table
        .chunks_exact(entry as usize)
        .map(|entry| {
            let slice = if wide {
                Slice {
                    offset: u64::from(big(entry, 8)?) << 32 | u64::from(big(entry, 12)?),
                    size: u64::from(big(entry, 16)?) << 32 | u64::from(big(entry, 20)?),
                }
            } else {
                Slice { offset: big(entry, 8)?.into(), size: big(entry, 12)?.into() }
            };
            (slice.offset.checked_add(slice.size)? <= source.size()).then_some(slice)
        })
        .collect()
}
