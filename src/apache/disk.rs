//! Files of this machine.

use std::fs;
use std::io;
use std::path::Path;

use super::Source;

/// The file system, and this process's environment.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

/// No configuration is larger: what is may be a device.
const LARGEST: u64 = 64 << 20;

impl Source for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        let about = fs::metadata(path)?;
        if !about.is_file() || about.len() > LARGEST {
            return Err(io::Error::other("it is no file that could be a configuration"));
        }
        Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
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
