//! Changes to a shared object.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::string_references::StringReference;

/// Bytes to write at an offset of a file, possibly after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// File offset.
    pub offset: usize,
    /// The new bytes.
    pub bytes: Vec<u8>,
}

/// The changes to a shared object. They are edits and not a whole file, so that a reflinked copy shares all other
/// blocks with its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The edits; they do not overlap.
    pub edits: Vec<Edit>,
    /// Whether the table of strings moves to the end of the file.
    pub moves_strings: bool,
}

impl Rewrite {
    /// Applies the edits to the bytes of the file.
    pub fn apply_to_bytes(&self, bytes: &mut Vec<u8>) {
        for edit in &self.edits {
            let end = edit.offset + edit.bytes.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(place) = bytes.get_mut(edit.offset..end) {
                place.copy_from_slice(&edit.bytes);
            }
        }
    }

    /// Applies the edits to a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn apply_to_file(&self, file: &File) -> io::Result<()> {
        self.edits.iter().try_for_each(|edit| file.write_all_at(&edit.bytes, edit.offset as u64))
    }

    pub(super) fn push_edit(&mut self, offset: usize, bytes: Vec<u8>) {
        self.edits.push(Edit { offset, bytes });
    }
}

/// A reference, and the string that it is to refer to.
pub(super) struct Replacement {
    pub(super) reference: StringReference,
    pub(super) name: Vec<u8>,
}
