//! Inspects a file on disk together with the shared objects beside it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::byte_source::{ByteSource, OpenFile};
use super::dependency_resolver::DependencyResolver;
use super::detect_kind::detect_kind;
use super::inspect::inspect_source;
use super::shared_object_kind::{SharedObjectError, SharedObjectKind};
use crate::model::{BinaryFacts, TargetPython};
use crate::regular_file;

/// Determines what the extension module at `path` declares; see [`inspect_source`].
pub fn inspect_file(path: &Path, stem: &str, target: Option<TargetPython>) -> BinaryFacts {
    inspect_file_with_inputs(path, stem, target).0
}

/// Like [`inspect_file`], and also returns every other file and folder that was looked for, whether it exists
/// or not. Together with the file itself these are all the inputs of the result (for caching).
pub fn inspect_file_with_inputs(
    path: &Path,
    stem: &str,
    target: Option<TargetPython>,
) -> (BinaryFacts, BTreeSet<PathBuf>) {
    let siblings = SiblingFiles { path, probed: RefCell::default() };
    let facts = match open_source(path) {
        Ok(source) => inspect_source(source, stem, target, &siblings),
        Err(error) => BinaryFacts::undetermined(format!("the file cannot be read: {error}")),
    };
    (facts, siblings.probed.into_inner())
}

/// The format and architecture of the file at `path`.
///
/// # Errors
/// [`SharedObjectError::Unreadable`] if it cannot be opened; other errors if it is no supported shared
/// object.
pub fn kind_of_file(path: &Path) -> Result<SharedObjectKind, SharedObjectError> {
    open_source(path).map_err(|_| SharedObjectError::Unreadable).and_then(|source| detect_kind(&*source))
}

pub(super) fn open_source(path: &Path) -> std::io::Result<Rc<dyn ByteSource>> {
    Ok(Rc::new(OpenFile::new(regular_file::open_checked(path)?)?))
}

/// Finds dependencies in the folders around a file, and records what was looked for.
struct SiblingFiles<'p> {
    path: &'p Path,
    probed: RefCell<BTreeSet<PathBuf>>,
}

/// Limit of parent folders that are searched for a top-level package.
const MAX_PARENTS: usize = 8;

impl DependencyResolver for SiblingFiles<'_> {
    fn find_library(&self, name: &str, search: &[String]) -> Option<Rc<dyn ByteSource>> {
        let folder = self.path.parent()?;
        let name = Path::new(name).file_name()?;
        let origin = folder.to_str()?;
        let expand = |entry: &str| {
            let entry = entry.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
            entry.replace("@loader_path", origin)
        };
        let listed = search.iter().flat_map(|list| list.split(':')).filter(|entry| !entry.is_empty());
        let folders = listed
            .map(|entry| PathBuf::from(expand(entry)))
            .filter(|entry| entry.starts_with(folder.ancestors().last().unwrap_or(folder)));
        let tried =
            std::iter::once(folder.to_owned()).chain(folders.filter(|entry| !is_system_folder(entry)));
        tried.map(|entry| entry.join(name)).find_map(|path| self.open_recorded(&path))
    }

    fn find_module(&self, name: &str) -> Option<Rc<dyn ByteSource>> {
        let probed = (self.path.parent()?.to_owned(), name.to_owned());
        if let Some(last) = LAST.with_borrow(|(last, found)| (*last == probed).then(|| found.clone())) {
            self.probed.borrow_mut().extend(last.folders);
            return self.open_recorded(&last.path);
        }
        let (found, source) = self.search_module(name)?;
        LAST.set((probed, found));
        Some(source)
    }
}

thread_local! {
    /// The result of the last search, by folder and module name: all modules of a mypyc group search for the
    /// same one.
    static LAST: RefCell<((PathBuf, String), FoundModule)> = RefCell::default();
}

/// Where a module was found, and the folders that were searched.
#[derive(Clone, Default)]
struct FoundModule {
    path: PathBuf,
    folders: Vec<PathBuf>,
}

impl SiblingFiles<'_> {
    fn open_recorded(&self, path: &Path) -> Option<Rc<dyn ByteSource>> {
        self.probed.borrow_mut().insert(path.to_owned());
        open_source(path).ok()
    }

    fn search_module(&self, name: &str) -> Option<(FoundModule, Rc<dyn ByteSource>)> {
        let relative: PathBuf = name.split('.').collect();
        let stem = relative.file_name()?.to_str()?;
        let around = self.path.ancestors().skip(1).take(MAX_PARENTS);
        let mut folders = Vec::new();
        for folder in around.map(|folder| folder.join(relative.parent().unwrap_or(Path::new("")))) {
            self.probed.borrow_mut().insert(folder.clone());
            folders.push(folder.clone());
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut paths: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| super::file_names::file_stem(path).is_some_and(|found| found == stem))
                .collect();
            paths.sort();
            let found =
                paths.into_iter().find_map(|path| self.open_recorded(&path).map(|source| (path, source)));
            if let Some((path, source)) = found {
                return Some((FoundModule { path, folders }, source));
            }
        }
        None
    }
}

/// Whether a folder holds system libraries, which are not part of a wheel.
fn is_system_folder(folder: &Path) -> bool {
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .iter()
        .any(|system| folder == Path::new(system))
}
