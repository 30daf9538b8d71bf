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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("conf");
        fs::write(&file, b"a\xffb").unwrap();
        assert_eq!(FileSystem.read_text(&file).unwrap(), "a\u{fffd}b");
        assert_eq!(FileSystem.read_bytes(&file).unwrap(), b"a\xffb");
        assert_eq!(FileSystem.list_folder(folder.path()).unwrap(), ["conf"]);
        assert!(FileSystem.is_folder(folder.path()) && !FileSystem.is_folder(&file));
        let absent = folder.path().join("absent");
        assert!(FileSystem.exists(&file) && !FileSystem.exists(&absent));
        assert!(FileSystem.read_text(&absent).is_err() && FileSystem.list_folder(&absent).is_err());
        assert_eq!(FileSystem.environment_variable("PATH"), std::env::var("PATH").ok());
        assert_eq!(FileSystem.environment_variable("WSGIAUDIT_ABSENT"), None);
    }
}
