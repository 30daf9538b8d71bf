//! A file on disk and what lies beside it.

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::inspect::inspect;
use super::kind::{Kind, NotAnObject};
use super::library::Library;
use super::source::{Opened, Source};
use crate::model::{Facts, Target};

/// Reads what the extension module at `path` declares; see [`inspect`].
pub fn inspect_file(path: &Path, stem: &str, target: Option<Target>) -> Facts {
    match open(path) {
        Ok(source) => inspect(source, stem, target, &Beside { path }),
        Err(error) => Facts::undetermined(format!("the file cannot be read: {error}")),
    }
}

/// What sort of file lies at `path`.
///
/// # Errors
/// [`NotAnObject::Unreadable`] where it cannot be opened; the others say what it is not.
pub fn kind_of_file(path: &Path) -> Result<Kind, NotAnObject> {
    open(path).map_err(|_| NotAnObject::Unreadable).and_then(|source| Kind::of(&*source))
}

/// A regular file: opening a pipe or a device could wait for ever.
pub(super) fn open(path: &Path) -> std::io::Result<Rc<dyn Source>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok(Rc::new(Opened::new(File::open(path)?)?))
}

/// The folders around a file.
struct Beside<'p> {
    path: &'p Path,
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
        tried.map(|entry| entry.join(name)).find_map(|path| open(&path).ok())
    }

    fn module(&self, name: &str) -> Option<Rc<dyn Source>> {
        let asked = (self.path.parent()?.to_owned(), name.to_owned());
        if let Some(path) = LAST.with_borrow(|(last, path)| (*last == asked).then(|| path.clone())) {
            return open(&path).ok();
        }
        let (path, source) = self.search(name)?;
        LAST.set((asked, path));
        Some(source)
    }
}

thread_local! {
    /// The last module that was found, by the folder and the name that were asked for: all modules of a group
    /// of mypyc's ask for the same one.
    static LAST: RefCell<((PathBuf, String), PathBuf)> = RefCell::default();
}

impl Beside<'_> {
    fn search(&self, name: &str) -> Option<(PathBuf, Rc<dyn Source>)> {
        let relative: PathBuf = name.split('.').collect();
        let stem = relative.file_name()?.to_str()?;
        let folders = self.path.ancestors().skip(1).take(DEEPEST);
        for folder in folders.map(|folder| folder.join(relative.parent().unwrap_or(Path::new("")))) {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut paths: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| super::naming::file_stem(path).is_some_and(|found| found == stem))
                .collect();
            paths.sort();
            if let Some(found) =
                paths.into_iter().find_map(|path| open(&path).ok().map(|source| (path, source)))
            {
                return Some(found);
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
