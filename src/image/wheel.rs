//! Wheels, read in place: the zip's directory and the shared objects in it, nothing is unpacked to disk.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use zip::ZipArchive;

use super::inspect::inspect;
use super::library::Library;
use super::naming::{file_stem, other_names, stem};
use super::source::Source;
use super::symbols::init_functions_in;
use crate::model::{Facts, Target};

/// What is unpacked of one entry, whatever its header claims. Larger extension modules exist in a handful of
/// distributions and are answered with a doubt.
const LARGEST: u64 = 200 << 20;
/// What is unpacked for one module with all that lies beside it.
const MOST: u64 = LARGEST + (16 << 20);
/// More entries than any wheel has.
const MOST_ENTRIES: usize = 100_000;

type Archive = ZipArchive<BufReader<File>>;

/// Every extension module of a wheel, by its path in the archive.
pub fn inspect_wheel(path: &Path, target: Option<Target>) -> Vec<(String, Facts)> {
    let whole = |reason: String| vec![(path.display().to_string(), Facts::undetermined(reason))];
    let opened = File::open(path).map_err(|error| error.to_string());
    let archive =
        opened.and_then(|file| ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string()));
    let mut archive = match archive {
        Ok(archive) if archive.len() <= MOST_ENTRIES => archive,
        Ok(_) => return whole("the wheel has too many entries".to_owned()),
        Err(reason) => return whole(format!("the wheel cannot be read: {reason}")),
    };
    let mut names: Vec<String> =
        archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    names.sort();
    names.dedup();
    let modules = names.iter().filter_map(|name| Some((name, stem(Path::new(name))?)));
    modules.flat_map(|(name, stem)| module(path, &mut archive, &names, name, stem, target)).collect()
}

fn module(
    path: &Path,
    archive: &mut Archive,
    names: &[String],
    name: &str,
    stem: &str,
    target: Option<Target>,
) -> Vec<(String, Facts)> {
    if !inside(Path::new(name)) {
        return vec![(name.to_owned(), Facts::undetermined("its path leaves the wheel"))];
    }
    let bytes = match unpack(archive, name, LARGEST) {
        Ok(bytes) => bytes,
        Err(reason) => return vec![(name.to_owned(), Facts::undetermined(reason))],
    };
    let others = other_names(&init_functions_in(&bytes), stem);
    let bytes = Rc::new(bytes);
    let facts = |stem: &str| {
        let left = Cell::new(MOST - bytes.len() as u64);
        inspect(bytes.clone(), stem, target, &InWheel { path, names, name, left })
    };
    let own = (name.to_owned(), facts(stem));
    let others = others.iter().map(|(function, stem)| (format!("{name} [{function}]"), facts(stem)));
    std::iter::once(own).chain(others).collect()
}

/// Only plain names: no root, no drive, no `..`.
fn inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn unpack(archive: &mut Archive, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let entry = archive.by_name(name).map_err(|error| format!("the wheel is damaged: {error}"))?;
    if entry.size() > most {
        return Err(format!("{} bytes are more than is unpacked", entry.size()));
    }
    let claimed = entry.size();
    // Room for all of it at once: growing would need twice the memory. What is not written costs nothing.
    let mut bytes = Vec::with_capacity(usize::try_from(claimed + 1).unwrap_or_default());
    let read = entry.take(claimed + 1).read_to_end(&mut bytes);
    match read {
        Ok(length) if length as u64 == claimed => Ok(bytes),
        Ok(_) => Err("the wheel is damaged: an entry is not as long as it says".to_owned()),
        Err(error) => Err(format!("the wheel is damaged: {error}")),
    }
}

/// The other files of the wheel that a module comes from.
struct InWheel<'w> {
    path: &'w Path,
    names: &'w [String],
    name: &'w str,
    /// Bytes that may still be unpacked.
    left: Cell<u64>,
}

impl InWheel<'_> {
    fn open(&self, wanted: impl Fn(&Path) -> bool) -> Option<Rc<dyn Source>> {
        let name = self.names.iter().find(|name| inside(Path::new(name)) && wanted(Path::new(name)))?;
        let mut archive = ZipArchive::new(BufReader::new(File::open(self.path).ok()?)).ok()?;
        let bytes = unpack(&mut archive, name, self.left.get()).ok()?;
        self.left.set(self.left.get().saturating_sub(bytes.len() as u64));
        Some(Rc::new(bytes))
    }
}

impl Library for InWheel<'_> {
    fn needed(&self, name: &str, _: &[String]) -> Option<Rc<dyn Source>> {
        let file = Path::new(name).file_name()?;
        self.open(|path| path.file_name() == Some(file) && path != Path::new(self.name))
    }

    fn module(&self, name: &str) -> Option<Rc<dyn Source>> {
        let relative: PathBuf = name.split('.').collect();
        let (folder, last) = (relative.parent()?, relative.file_name()?.to_str()?);
        self.open(|path| {
            file_stem(path) == Some(last) && path.parent().is_some_and(|parent| parent.ends_with(folder))
        })
    }
}
