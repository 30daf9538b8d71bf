//! SHA-256 digests in lowercase hexadecimal, the form that reports and the import guard of `serve` use.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::regular_file;

/// Limit of bytes read for a digest. A file without content on disk may claim any size.
const MAX_SIZE: u64 = 8 << 30;

/// Returns the digest of a file's content.
///
/// # Errors
/// When it is not a regular file, cannot be read, or is larger than 8 GiB.
pub fn of_file(path: &Path) -> io::Result<String> {
    let mut file = regular_file::open_checked(path)?.take(MAX_SIZE + 1);
    let too_large =
        || io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MAX_SIZE} bytes"));
    if file.get_ref().metadata()?.len() > MAX_SIZE {
        return Err(too_large());
    }
    let (mut digest, mut block) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut block)? {
            // It has grown since.
            0 if file.limit() == 0 => return Err(too_large()),
            0 => return Ok(to_hexadecimal(&digest.finalize())),
            size => digest.update(block.get(..size).unwrap_or_default()),
        }
    }
}

/// Returns the digest of a text.
pub fn of_text(text: &str) -> String {
    of_bytes(text.as_bytes())
}

/// Returns the digest of bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    to_hexadecimal(&Sha256::digest(bytes))
}

fn to_hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
