//! Files of this machine.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::Source;

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
        // Opening a pipe or a device could wait for ever.
        let is_wanted = |about: &fs::Metadata| about.is_file() && about.len() <= LARGEST;
        let refuse = || io::Error::other("it is no file that could belong to a configuration");
        if !is_wanted(&fs::metadata(path)?) {
            return Err(refuse());
        }
        let file = fs::File::open(path)?;
        if !is_wanted(&file.metadata()?) {
            return Err(refuse());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
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
