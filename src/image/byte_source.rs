//! Random access to the bytes of a file. Bytes are read on demand: a module's declaration takes about one
//! page of a file of many megabytes.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Random access to a file's bytes.
pub trait ByteSource {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset`; `false` if the file is too short or cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool;

    /// Identifies the file among all others, if it is a file on disk.
    fn identity(&self) -> Option<FileIdentity> {
        None
    }
}

/// Identity and state of a file on disk when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Time of the last status change (`st_ctime`): seconds and nanoseconds.
    changed: (i64, i64),
}

impl ByteSource for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| Some(start..start.checked_add(buffer.len())?))
            .and_then(|range| self.get(range));
        match bytes {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }
}

impl ByteSource for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool {
        self.as_slice().read_at(offset, buffer)
    }
}

/// An open file, with the length it had when it was opened.
pub struct OpenFile {
    file: File,
    identity: FileIdentity,
}

impl OpenFile {
    /// Records the file's identity and length.
    pub fn new(file: File) -> std::io::Result<Self> {
        let about = file.metadata()?;
        let identity = FileIdentity {
            device: about.dev(),
            inode: about.ino(),
            size: about.len(),
            changed: (about.ctime(), about.ctime_nsec()),
        };
        Ok(Self { file, identity })
    }
}

impl ByteSource for OpenFile {
    fn size(&self) -> u64 {
        self.identity.size
    }

    fn identity(&self) -> Option<FileIdentity> {
        Some(self.identity)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let fits = offset.checked_add(buffer.len() as u64).is_some_and(|end| end <= self.identity.size);
        fits && self.file.read_exact_at(buffer, offset).is_ok()
    }
}

/// Limit of bytes read at once; no table of a real extension module is larger.
const MAX_TABLE_SIZE: u64 = 64 << 20;

/// Reads a range of bytes; `None` if the file does not contain all of it.
pub(super) fn read_range(source: &dyn ByteSource, offset: u64, length: u64) -> Option<Vec<u8>> {
    let end = offset.checked_add(length)?;
    if length > MAX_TABLE_SIZE || end > source.size() {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    source.read_at(offset, &mut bytes).then_some(bytes)
}

/// A little-endian integer inside `bytes`, or `None` past the end.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// A little-endian integer inside `bytes`, or `None` past the end.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A little-endian integer inside `bytes`, or `None` past the end.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_must_lie_within_the_file() {
        let bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 9];
        for (offset, length, expected) in [
            (0, 9, Some(&bytes[..])),
            (7, 2, Some(&bytes[7..])),
            (9, 0, Some(&[][..])),
            (7, 3, None),
            (10, 0, None),
            (u64::MAX, 1, None),
        ] {
            assert_eq!(read_range(&bytes, offset, length).as_deref(), expected, "{offset} {length}");
        }
        assert_eq!((u16_at(&bytes, 7), u16_at(&bytes, 8)), (Some(0x0908), None));
        assert_eq!((u32_at(&bytes, 0), u32_at(&bytes, 6)), (Some(0x0403_0201), None));
        assert_eq!((u64_at(&bytes, 1), u64_at(&bytes, 2)), (Some(0x0908_0706_0504_0302), None));
        assert_eq!(u16_at(&bytes, usize::MAX), None);
    }
}
