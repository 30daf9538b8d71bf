//! Unpacks wheels as an installer does, several into one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

/// The limit for the unpacked size of a wheel in bytes: larger than any known wheel.
const MAX_UNPACKED_SIZE: u64 = 8 << 30;

/// An unpacked wheel.
#[derive(Clone, Debug)]
pub(super) struct UnpackedWheel {
    /// Its file name.
    pub(super) name: String,
    /// Its files, relative to the folder on `sys.path`, with `/`.
    pub(super) files: BTreeSet<String>,
}

/// A folder that wheels are unpacked into.
#[derive(Debug)]
pub(super) struct WheelUnpacker {
    folder: PathBuf,
    /// The files there: checksum, and the wheel that each is from.
    there: BTreeMap<String, (u32, String)>,
}

impl WheelUnpacker {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, there: BTreeMap::new() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Unpacks a wheel (binary distribution format), with the content of `NAME.data/platlib` and `purelib`.
    /// Refuses entries that would leave the folder. Does not unpack a wheel that has a different version of a
    /// file that is there already, and returns the reason.
    ///
    /// # Errors
    /// When it cannot be read, or is not a wheel.
    pub(super) fn unpack_wheel(&mut self, wheel: &Path) -> Result<Result<UnpackedWheel, String>> {
        let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = File::open(wheel).with_context(|| format!("cannot read {}", wheel.display()))?;
        let unusable = || format!("{} cannot be unpacked: is it a wheel?", wheel.display());
        let mut archive = ZipArchive::new(BufReader::new(file)).with_context(unusable)?;
        let (mut size, mut files) = (0_u64, BTreeMap::new());
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).with_context(unusable)?;
            size = size.saturating_add(entry.size());
            if entry.is_file() {
                let file = entry.name().map(|name| installed_path(&name)).with_context(unusable)?;
                files.insert(file, entry.crc32());
            }
        }
        if size > MAX_UNPACKED_SIZE {
            bail!(
                "{} would unpack to {size} bytes, which is over the limit: nothing was unpacked",
                wheel.display()
            );
        }
        let differs = files.iter().find_map(|(file, checksum)| {
            self.there.get(file).filter(|(other, _)| other != checksum).map(|(_, by)| (file, by))
        });
        if let Some((file, by)) = differs {
            return Ok(Err(format!("{by} has a different {file}: audit them one at a time")));
        }
        archive.extract(&self.folder).with_context(unusable)?;
        self.move_libraries().with_context(unusable)?;
        let brought = files.iter().map(|(file, checksum)| (file.clone(), (*checksum, name.clone())));
        self.there.extend(brought);
        Ok(Ok(UnpackedWheel { name, files: files.into_keys().collect() }))
    }

    /// Moves the content of `NAME.data/platlib` and `purelib` to where it is imported from.
    fn move_libraries(&self) -> std::io::Result<()> {
        let folders = fs::read_dir(&self.folder)?.flatten().map(|entry| entry.path());
        for data in folders.filter(|path| path.extension().is_some_and(|extension| extension == "data")) {
            for library in ["platlib", "purelib"] {
                merge_folders(&data.join(library), &self.folder)?;
            }
        }
        Ok(())
    }
}

/// Moves the content of one folder into another, which may have folders of the same names.
fn merge_folders(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() && target.is_dir() {
            true => merge_folders(&entry.path(), &target)?,
            false => fs::rename(entry.path(), target)?,
        }
    }
    Ok(())
}

/// Returns where an entry of a wheel is installed, relative to `site-packages`.
fn installed_path(entry: &str) -> String {
    let in_library = || {
        let (data, rest) = entry.split_once('/')?;
        let (library, rest) = rest.split_once('/')?;
        (data.ends_with(".data") && ["platlib", "purelib"].contains(&library)).then(|| rest.to_owned())
    };
    in_library().unwrap_or_else(|| entry.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_librarys_folder_is_installed_beside_the_others() {
        assert_eq!(installed_path("a-1.data/platlib/a/b.so"), "a/b.so");
        assert_eq!(installed_path("a-1.data/scripts/a"), "a-1.data/scripts/a");
        assert_eq!(installed_path("a/platlib/b.so"), "a/platlib/b.so");
    }
}
