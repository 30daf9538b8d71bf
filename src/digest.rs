//! SHA-256 digests in lowercase hexadecimal, the form that reports and the import guard of `serve` use.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Returns the digest of a file's content.
///
/// # Errors
/// When the file cannot be read.
pub fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut block) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut block)? {
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
