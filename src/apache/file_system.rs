//! The [`ConfigurationSource`] that reads the local file system.

use std::fs;
use std::io;
use std::path::Path;

use super::ConfigurationSource;
use crate::regular_file;

/// The local file system and the environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem;

/// Size limit: far above any configuration file or mod_wsgi module.
const MAX_FILE_SIZE: u64 = 64 << 20;

impl ConfigurationSource for FileSystem {
    fn read_text(&self, path: &Path) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read_bytes(path)?).into_owned())
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        regular_file::read_limited(path, MAX_FILE_SIZE)
    }

    fn list_folder(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?;
        names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }
}
