//! Files of this machine.

use std::fs;
use std::io;
use std::path::Path;

use super::Source;
use crate::regular_file;

/// The file system, and this process's environment.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

/// No configuration is larger, nor is mod_wsgi.
const LARGEST: u64 = 64 << 20;

impl Source for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }

    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        regular_file::read(path, LARGEST)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?;
        names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }
}
