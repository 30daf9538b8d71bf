//! Wheels and other zip files of a test's own.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::venv::Venv;

/// Packs these entries, given by name and content, into a zip file.
pub(crate) fn pack_entries<W: Write + Seek>(to: W, entries: &[(&str, &[u8])]) -> W {
    let mut archive = ZipWriter::new(to);
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap()
}

/// A wheel of all that is in an environment, and of these files, under this name.
pub(crate) fn pack(of: &Venv, folder: &Path, name: &str, extra: &[(&str, &str)]) -> PathBuf {
    let path = folder.join(name);
    let mut archive = ZipWriter::new(File::create(&path).unwrap());
    for entry in WalkDir::new(of.site_packages()).into_iter().flatten().filter(|entry| entry.path().is_file())
    {
        let name = entry.path().strip_prefix(of.site_packages()).unwrap().to_str().unwrap();
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(&fs::read(entry.path()).unwrap()).unwrap();
    }
    for (name, text) in extra {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    path
}
