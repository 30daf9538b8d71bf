//! Unpacks wheels as an installer does, several into one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::foreign_archive::{Archive, open_archive};

/// The limit for the unpacked size of a wheel in bytes. The largest known wheels have some 3 GB.
const MAX_UNPACKED_SIZE: u64 = 4 << 30;

/// A wheel that is larger than this when it is unpacked, and larger than this many times its packed size, is
/// made to fill the disk.
const MAX_COMPRESSED_SIZE: u64 = 256 << 20;
const MAX_RATIO: u64 = 100;

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
        let unusable = || format!("{} cannot be unpacked: is it a wheel?", wheel.display());
        let mut archive = open_archive(wheel).map_err(|why| anyhow!(why)).with_context(unusable)?;
        let (mut size, mut files) = (0_u64, BTreeMap::new());
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).with_context(unusable)?;
            size = size.saturating_add(entry.size());
            if entry.is_file() {
                let file = entry.name().map(|name| installed_path(&name)).with_context(unusable)?;
                files.insert(file, entry.crc32());
            }
        }
        if let Some(why) = self.why_too_large(size, wheel.metadata().with_context(unusable)?.len())? {
            bail!("{} would unpack to {size} bytes, {why}: nothing was unpacked", wheel.display());
        }
        let differs = files.iter().find_map(|(file, checksum)| {
            self.there.get(file).filter(|(other, _)| other != checksum).map(|(_, by)| (file, by))
        });
        if let Some((file, by)) = differs {
            return Ok(Err(format!("{by} has a different {file}: audit them one at a time")));
        }
        for index in 0..archive.len() {
            unpack_entry(&mut archive, index, &self.folder).with_context(unusable)?;
        }
        self.move_libraries().with_context(unusable)?;
        let brought = files.iter().map(|(file, checksum)| (file.clone(), (*checksum, name.clone())));
        self.there.extend(brought);
        Ok(Ok(UnpackedWheel { name, files: files.into_keys().collect() }))
    }

    /// Why a wheel is not unpacked, given its size after and before.
    fn why_too_large(&self, size: u64, packed: u64) -> Result<Option<String>> {
        fs::create_dir_all(&self.folder)?;
        let system = rustix::fs::statvfs(&self.folder)?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        Ok(if size > MAX_UNPACKED_SIZE {
            Some(format!("which is over the limit of {MAX_UNPACKED_SIZE}"))
        } else if size > MAX_COMPRESSED_SIZE && size / MAX_RATIO > packed {
            Some(format!("more than {MAX_RATIO} times its own size"))
        } else if size > free {
            Some(format!("and the temporary folder has room for {free}"))
        } else {
            None
        })
    }

    /// Moves the content of `NAME.data/platlib` and `purelib` to where it is imported from.
    fn move_libraries(&self) -> io::Result<()> {
        let folders = fs::read_dir(&self.folder)?.flatten().map(|entry| entry.path());
        for data in folders.filter(|path| path.extension().is_some_and(|extension| extension == "data")) {
            for library in ["platlib", "purelib"] {
                merge_folders(&data.join(library), &self.folder)?;
            }
        }
        Ok(())
    }
}

/// Unpacks one entry into a folder, as a regular file or a folder: installers make no links.
fn unpack_entry(archive: &mut Archive, index: usize, folder: &Path) -> io::Result<()> {
    let entry = archive.by_index(index).map_err(io::Error::other)?;
    let inside = entry.enclosed_name().ok_or_else(|| io::Error::other("an entry leaves the wheel"))?;
    let target = folder.join(inside);
    if entry.is_dir() {
        return fs::create_dir_all(target);
    }
    target.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mode = if entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0) { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(target)?;
    let claimed = entry.size();
    match io::copy(&mut entry.take(claimed.saturating_add(1)), &mut file)? {
        copied if copied == claimed => Ok(()),
        _ => Err(io::Error::other("an entry is not as long as it says")),
    }
}

/// Moves the content of one folder into another, which may have folders of the same names.
fn merge_folders(from: &Path, to: &Path) -> io::Result<()> {
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
