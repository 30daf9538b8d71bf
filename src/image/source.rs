//! Where the bytes of a file come from: read on demand, since a module's declaration is about one page of
//! a file of many megabytes.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Random access to a file's bytes.
pub trait Source {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset`; `false` where the file is too short or cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool;

    /// What tells this file from all others, where something does.
    fn identity(&self) -> Option<Identity> {
        None
    }
}

/// A file on disk as it was when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Source for [u8] {
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

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool {
        self.as_slice().read_at(offset, buffer)
    }
}

/// An open file, with the length it had when it was opened.
pub struct Opened {
    file: File,
    identity: Identity,
}

impl Opened {
    /// Takes the file's length now.
    pub fn new(file: File) -> std::io::Result<Self> {
        let about = file.metadata()?;
        let identity = Identity {
            device: about.dev(),
            inode: about.ino(),
            size: about.len(),
            changed: (about.ctime(), about.ctime_nsec()),
        };
        Ok(Self { file, identity })
    }
}

impl Source for Opened {
    fn size(&self) -> u64 {
        self.identity.size
    }

    fn identity(&self) -> Option<Identity> {
        Some(self.identity)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let fits = offset.checked_add(buffer.len() as u64).is_some_and(|end| end <= self.identity.size);
        fits && self.file.read_exact_at(buffer, offset).is_ok()
    }
}

/// The largest table that is read in one piece; a file that claims more is hostile or not for us.
const LARGEST_TABLE: u64 = 64 << 20;

/// The bytes of one range, or `None` where the file does not hold them all.
pub(super) fn read(source: &dyn Source, offset: u64, length: u64) -> Option<Vec<u8>> {
    let end = offset.checked_add(length)?;
    if length > LARGEST_TABLE || end > source.size() {
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
