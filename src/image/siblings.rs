//! A file on disk and what lies beside it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::inspect::inspect;
use super::kind::{Kind, NotAnObject};
use super::library::Library;
use super::source::{Opened, Source};
use crate::model::{Facts, Target};
use crate::regular_file;

/// Reads what the extension module at `path` declares; see [`inspect`].
pub fn inspect_file(path: &Path, stem: &str, target: Option<Target>) -> Facts {
    inspect_with_beside(path, stem, target).0
}

/// The same, and the files and folders beside it that were looked for, whether they are there or not: with the file
/// itself all that the answer depends on.
pub fn inspect_with_beside(path: &Path, stem: &str, target: Option<Target>) -> (Facts, BTreeSet<PathBuf>) {
    let beside = Beside { path, asked: RefCell::default() };
    let facts = match open(path) {
        Ok(source) => inspect(source, stem, target, &beside),
        Err(error) => Facts::undetermined(format!("the file cannot be read: {error}")),
    };
    (facts, beside.asked.into_inner())
}

/// What sort of file lies at `path`.
///
/// # Errors
/// [`NotAnObject::Unreadable`] where it cannot be opened; the others say what it is not.
pub fn kind_of_file(path: &Path) -> Result<Kind, NotAnObject> {
    open(path).map_err(|_| NotAnObject::Unreadable).and_then(|source| Kind::of(&*source))
}

pub(super) fn open(path: &Path) -> std::io::Result<Rc<dyn Source>> {
    Ok(Rc::new(Opened::new(regular_file::open(path)?)?))
}

/// The folders around a file.
struct Beside<'p> {
    path: &'p Path,
    asked: RefCell<BTreeSet<PathBuf>>,
}

/// A module's file may lie this many folders below the one that it is imported from.
const DEEPEST: usize = 8;

impl Library for Beside<'_> {
    fn needed(&self, name: &str, search: &[String]) -> Option<Rc<dyn Source>> {
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
        let tried = std::iter::once(folder.to_owned()).chain(folders.filter(|entry| !system(entry)));
        tried.map(|entry| entry.join(name)).find_map(|path| self.open(&path))
    }

    fn module(&self, name: &str) -> Option<Rc<dyn Source>> {
        let asked = (self.path.parent()?.to_owned(), name.to_owned());
        if let Some(last) = LAST.with_borrow(|(last, found)| (*last == asked).then(|| found.clone())) {
            self.asked.borrow_mut().extend(last.folders);
            return self.open(&last.path);
        }
        let (found, source) = self.search(name)?;
        LAST.set((asked, found));
        Some(source)
    }
}

thread_local! {
    /// The last module that was found, by the folder and the name that were asked for: all modules of a group
    /// of mypyc's ask for the same one.
    static LAST: RefCell<((PathBuf, String), FoundModule)> = RefCell::default();
}

/// Where a module was found, and the folders that were read for that.
#[derive(Clone, Default)]
struct FoundModule {
    path: PathBuf,
    folders: Vec<PathBuf>,
}

impl Beside<'_> {
    fn open(&self, path: &Path) -> Option<Rc<dyn Source>> {
        self.asked.borrow_mut().insert(path.to_owned());
        open(path).ok()
    }

    fn search(&self, name: &str) -> Option<(FoundModule, Rc<dyn Source>)> {
        let relative: PathBuf = name.split('.').collect();
        let stem = relative.file_name()?.to_str()?;
        let around = self.path.ancestors().skip(1).take(DEEPEST);
        let mut folders = Vec::new();
        for folder in around.map(|folder| folder.join(relative.parent().unwrap_or(Path::new("")))) {
            self.asked.borrow_mut().insert(folder.clone());
            folders.push(folder.clone());
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut paths: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| super::naming::file_stem(path).is_some_and(|found| found == stem))
                .collect();
            paths.sort();
            let found = paths.into_iter().find_map(|path| self.open(&path).map(|source| (path, source)));
            if let Some((path, source)) = found {
                return Some((FoundModule { path, folders }, source));
            }
        }
        None
    }
}

/// Folders whose libraries are the system's, which come with no wheel.
fn system(folder: &Path) -> bool {
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .iter()
        .any(|system| folder == Path::new(system))
}
