//! Opens zip files that others have written, among them wheels, within bounds.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use zip::ZipArchive;

use crate::regular_file;

/// Limit of entries; no real wheel has so many.
const MAX_ENTRIES: usize = 100_000;

/// Limit of bytes read to list the entries: the list of 40,000 files takes some 8 MB. Each byte costs some ten
/// bytes of memory.
const MAX_LIST_SIZE: u64 = 16 << 20;

/// An open zip file.
pub type Archive = ZipArchive<BufReader<LimitedFile>>;

/// Opens a zip file.
///
/// # Errors
/// Returns why it is not a zip file, or has too many entries.
pub fn open_archive(path: &Path) -> Result<Archive, String> {
    let file = regular_file::open_checked(path).map_err(|error| error.to_string())?;
    let left = Rc::new(Cell::new(MAX_LIST_SIZE));
    let limited = BufReader::new(LimitedFile { file, left: Rc::clone(&left) });
    match ZipArchive::new(limited) {
        _ if left.get() == 0 => Err("it has too many entries".to_owned()),
        Ok(archive) if archive.len() > MAX_ENTRIES => Err("it has too many entries".to_owned()),
        Ok(archive) => {
            left.set(u64::MAX);
            Ok(archive)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A file of which only so many bytes can be read.
#[derive(Debug)]
pub struct LimitedFile {
    file: File,
    left: Rc<Cell<u64>>,
}

impl Read for LimitedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 && !buffer.is_empty() {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

impl Seek for LimitedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
