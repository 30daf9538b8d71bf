//! Inspects the extension modules of a wheel in memory, without unpacking it to disk.

use std::cell::Cell;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::byte_source::ByteSource;
use super::dependency_resolver::DependencyResolver;
use super::file_names::{file_stem, module_stem, other_init_functions};
use super::inspect::inspect_source;
use super::symbols::read_init_functions_from_bytes;
use crate::foreign_archive::{Archive, open_archive};
use crate::model::{BinaryFacts, TargetPython};

/// Limit of bytes unpacked for one entry. The few larger extension modules are reported as undetermined.
const MAX_ENTRY_SIZE: u64 = 200 << 20;
/// Limit of bytes unpacked for one module and its dependencies.
const MAX_TOTAL_SIZE: u64 = MAX_ENTRY_SIZE + (16 << 20);

/// Inspects every extension module of a wheel. Returns facts by the path in the archive.
pub fn inspect_wheel(path: &Path, target: Option<TargetPython>) -> Vec<(String, BinaryFacts)> {
    let whole = |reason: String| vec![(path.display().to_string(), BinaryFacts::undetermined(reason))];
    let mut archive = match open_archive(path) {
        Ok(archive) => archive,
        Err(reason) => return whole(format!("the wheel cannot be read: {reason}")),
    };
    let mut names: Vec<String> =
        archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    names.sort();
    names.dedup();
    let modules = names.iter().filter_map(|name| Some((name, module_stem(Path::new(name))?)));
    modules
        .flat_map(|(name, stem)| inspect_wheel_entry(path, &mut archive, &names, name, stem, target))
        .collect()
}

fn inspect_wheel_entry(
    path: &Path,
    archive: &mut Archive,
    names: &[String],
    name: &str,
    stem: &str,
    target: Option<TargetPython>,
) -> Vec<(String, BinaryFacts)> {
    if !is_plain_path(Path::new(name)) {
        return vec![(name.to_owned(), BinaryFacts::undetermined("its path leaves the wheel"))];
    }
    let bytes = match unpack_entry(archive, name, MAX_ENTRY_SIZE) {
        Ok(bytes) => bytes,
        Err(reason) => return vec![(name.to_owned(), BinaryFacts::undetermined(reason))],
    };
    let others = other_init_functions(&read_init_functions_from_bytes(&bytes), stem);
    let bytes = Rc::new(bytes);
    let facts = |stem: &str| {
        let remaining = Cell::new(MAX_TOTAL_SIZE - bytes.len() as u64);
        inspect_source(bytes.clone(), stem, target, &WheelFiles { path, names, name, remaining })
    };
    let own = (name.to_owned(), facts(stem));
    let others = others.iter().map(|(function, stem)| (format!("{name} [{function}]"), facts(stem)));
    std::iter::once(own).chain(others).collect()
}

/// Whether a path stays within the wheel: no root, no drive, no `..`.
fn is_plain_path(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn unpack_entry(archive: &mut Archive, name: &str, limit: u64) -> Result<Vec<u8>, String> {
    let entry = archive.by_name(name).map_err(|error| format!("the wheel is damaged: {error}"))?;
    if entry.size() > limit {
        return Err(format!("its {} bytes exceed the limit of {limit} bytes", entry.size()));
    }
    let claimed = entry.size();
    // Reserve the full size: growing the buffer would need twice the memory, and unused capacity costs
    // nothing.
    let mut bytes = Vec::with_capacity(usize::try_from(claimed + 1).unwrap_or_default());
    let read = entry.take(claimed + 1).read_to_end(&mut bytes);
    match read {
        Ok(length) if length as u64 == claimed => Ok(bytes),
        Ok(_) => Err("the wheel is damaged: an entry is not as long as it says".to_owned()),
        Err(error) => Err(format!("the wheel is damaged: {error}")),
    }
}

/// Finds dependencies among the other files of a module's wheel.
struct WheelFiles<'w> {
    path: &'w Path,
    names: &'w [String],
    name: &'w str,
    /// Remaining number of bytes that may be unpacked.
    remaining: Cell<u64>,
}

impl WheelFiles<'_> {
    fn open_entry(&self, wanted: impl Fn(&Path) -> bool) -> Option<Rc<dyn ByteSource>> {
        let name =
            self.names.iter().find(|name| is_plain_path(Path::new(name)) && wanted(Path::new(name)))?;
        let mut archive = open_archive(self.path).ok()?;
        let bytes = unpack_entry(&mut archive, name, self.remaining.get()).ok()?;
        self.remaining.set(self.remaining.get().saturating_sub(bytes.len() as u64));
        Some(Rc::new(bytes))
    }
}

impl DependencyResolver for WheelFiles<'_> {
    fn find_library(&self, name: &str, _: &[String]) -> Option<Rc<dyn ByteSource>> {
        let file = Path::new(name).file_name()?;
        self.open_entry(|path| path.file_name() == Some(file) && path != Path::new(self.name))
    }

    fn find_module(&self, name: &str) -> Option<Rc<dyn ByteSource>> {
        let relative: PathBuf = name.split('.').collect();
        let (folder, last) = (relative.parent()?, relative.file_name()?.to_str()?);
        self.open_entry(|path| {
            file_stem(path) == Some(last) && path.parent().is_some_and(|parent| parent.ends_with(folder))
        })
    }
}
