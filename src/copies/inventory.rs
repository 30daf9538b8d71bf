//! The shared objects of an environment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::copy_error::CopyError;
use super::elf::{ElfError, ElfNames};
use super::library_finder::resolve_needs;
use super::shared_object::SharedObject;
use crate::digest;
use crate::regular_file::open_checked;

/// The name of an empty file in every folder of copies, which is not searched for shared objects.
pub(super) const MARKER: &str = ".wsgiaudit-copies";

/// Largest shared object that is read. The largest ones in wheels have 2 GiB.
const MAX_OBJECT: u64 = 8 << 30;

/// The shared objects of an environment.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The folders that were searched, without links.
    pub roots: Vec<PathBuf>,
    /// Roots that were given by another path: that path, absolute, and the root it leads to.
    pub other_roots: BTreeMap<PathBuf, PathBuf>,
    /// Sorted by path.
    pub objects: Vec<SharedObject>,
    /// Files and folders that cannot be read, with the reason. They are not copied.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// The device and inode by which the dynamic linker tells whether two paths are one library.
type FileIdentity = (u64, u64);

/// A shared object that was found, before it is known whether it is another path of a known one.
struct FoundFile {
    path: PathBuf,
    /// The path with links resolved.
    real: PathBuf,
    id: String,
    identity: FileIdentity,
    size: u64,
    digest: String,
    names: ElfNames,
}

impl Inventory {
    /// Reads all shared objects below `roots`: files named like them (`x.so`, `x.so.1`) with such content.
    ///
    /// Executables, libpython, the C library, and the standard library with its extension modules are left out.
    /// Roots may be nested.
    ///
    /// # Errors
    /// When a root does not exist.
    pub fn read(roots: &[PathBuf]) -> Result<Self, CopyError> {
        let mut inventory = Self {
            roots: Vec::new(),
            other_roots: BTreeMap::new(),
            objects: Vec::new(),
            unreadable: Vec::new(),
        };
        for given in roots {
            let root = given.canonicalize().map_err(CopyError::io("find", given))?;
            let given = std::path::absolute(given).map_err(CopyError::io("find", given))?;
            if given != root {
                inventory.other_roots.insert(given, root.clone());
            }
            if !inventory.roots.contains(&root) {
                inventory.roots.push(root);
            }
        }
        let mut candidates = Vec::new();
        for (position, root) in inventory.roots.iter().enumerate() {
            let found = list_candidates(root, &inventory.roots, &mut inventory.unreadable);
            candidates.extend(found.into_iter().map(|path| (position, root, path)));
        }
        let files: Vec<_> = candidates
            .into_par_iter()
            .map(|(position, root, path)| read_object(&path, position, root).map_err(|error| (path, error)))
            .collect();
        inventory.add_files(files);
        resolve_needs(&mut inventory.objects, &inventory.roots);
        Ok(inventory)
    }

    /// Whether a path is below one of the roots, but is not a path of an object.
    pub(super) fn is_other_file_below_root(&self, path: &Path) -> bool {
        let is_path_of =
            |object: &SharedObject| object.path == path || object.aliases.iter().any(|alias| alias == path);
        self.roots.iter().any(|root| path.starts_with(root)) && !self.objects.iter().any(is_path_of)
    }

    /// Adds files as objects, or as further paths of objects.
    fn add_files(&mut self, files: Vec<Result<Option<FoundFile>, (PathBuf, String)>>) {
        let mut by_identity: BTreeMap<FileIdentity, usize> = BTreeMap::new();
        let mut by_content: BTreeMap<(PathBuf, String, String), usize> = BTreeMap::new();
        let mut ranks: Vec<PathRank> = Vec::new();
        for file in files {
            let file = match file {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(unreadable) => {
                    self.unreadable.push(unreadable);
                    continue;
                }
            };
            // Two files with the name and content of one library are one for whoever needs it. Extension
            // modules are loaded by path, so two files are two modules.
            let folder = file.path.parent().unwrap_or(Path::new("/")).to_owned();
            let soname = file.names.soname.clone().filter(|_| !file.names.is_module);
            let content = soname.map(|soname| (folder, soname, file.digest.clone()));
            let known = by_identity.get(&file.identity).or_else(|| by_content.get(content.as_ref()?));
            let index = match known {
                Some(index) => *index,
                None => self.objects.len(),
            };
            by_identity.insert(file.identity, index);
            if let Some(content) = content {
                by_content.insert(content, index);
            }
            match self.objects.get_mut(index).zip(ranks.get_mut(index)) {
                Some((object, rank)) => add_path(object, rank, file),
                None => {
                    ranks.push(rank_path(&file));
                    self.objects.push(new_object(file));
                }
            }
        }
        self.objects.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

fn new_object(file: FoundFile) -> SharedObject {
    let aliases = if file.real == file.path { Vec::new() } else { vec![file.real] };
    SharedObject {
        path: file.path,
        id: file.id,
        aliases,
        names: file.names,
        size: file.size,
        digest: file.digest,
        needs: Vec::new(),
        search_path: None,
    }
}

/// Adds another path of an object. If it ranks higher, it becomes the object's main path.
fn add_path(object: &mut SharedObject, own_rank: &mut PathRank, file: FoundFile) {
    let rank = rank_path(&file);
    if rank > *own_rank {
        *own_rank = rank;
        object.aliases.push(std::mem::replace(&mut object.path, file.path.clone()));
        object.id = file.id;
    }
    for path in [file.path, file.real] {
        if path != object.path && !object.aliases.contains(&path) {
            object.aliases.push(path);
        }
    }
    object.aliases.retain(|alias| *alias != object.path);
}

/// Whether the path's folder is the file's real one, not a link to it, and whether the file has the library's own
/// name. The linker finds a library rather by a path of a higher rank.
type PathRank = (bool, bool);

fn rank_path(file: &FoundFile) -> PathRank {
    let name = file.path.file_name().and_then(|name| name.to_str());
    (file.path.parent() == file.real.parent(), name == file.names.soname.as_deref())
}

/// Lists the files below `root` that are named like shared objects, sorted. Nested roots are left out, since
/// they are searched by themselves.
fn list_candidates(root: &Path, roots: &[PathBuf], unreadable: &mut Vec<(PathBuf, String)>) -> Vec<PathBuf> {
    let is_searched = |entry: &DirEntry| {
        let path = entry.path();
        let is_other_root = entry.depth() > 0 && roots.iter().any(|other| other == path);
        // A link to a folder above the root leads to the root again, and to everything around it.
        let leads_above =
            || entry.path_is_symlink() && path.canonicalize().is_ok_and(|real| root.starts_with(real));
        let is_left_out =
            || is_other_root || is_standard_library(path) || path.join(MARKER).exists() || leads_above();
        !entry.file_type().is_dir() || !is_left_out()
    };
    let mut paths = BTreeSet::new();
    for entry in
        WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter().filter_entry(is_searched)
    {
        let entry = match entry {
            Ok(entry) => entry,
            // A link to a parent folder leads only to files that are searched anyway, a broken link to no file.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) if error.path().is_some_and(|path| path.is_symlink() && !path.exists()) => continue,
            Err(error) => {
                unreadable.push((error.path().unwrap_or(root).to_owned(), error.to_string()));
                continue;
            }
        };
        let name = entry.file_name().to_string_lossy();
        let is_candidate = name.ends_with(".so") || name.contains(".so.");
        if is_candidate && entry.file_type().is_file() && !is_loaded_with_python(&name) {
            paths.insert(entry.into_path());
        }
    }
    paths.into_iter().collect()
}

/// Libraries that every process of Python has, or that the C library loads for itself: the C library and its parts,
/// and libpython. A second one under another name would not work.
const LOADED_WITH_PYTHON: [&str; 15] = [
    "ld-linux",
    "ld-musl",
    "ld64.so",
    "libanl.so",
    "libc.",
    "libdl.so",
    "libm.so",
    "libmvec.so",
    "libnss_",
    "libpthread.so",
    "libpython",
    "libresolv.so",
    "librt.so",
    "libthread_db.so",
    "libutil.so",
];

fn is_loaded_with_python(name: &str) -> bool {
    LOADED_WITH_PYTHON.iter().any(|start| name.starts_with(start))
}

/// Whether a folder is Python's standard library or holds its extension modules. They are never copied: CPython
/// decides for itself which of them may be loaded.
fn is_standard_library(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "lib-dynload")
        || (folder.join("os.py").is_file() && folder.join("importlib").is_dir())
}

/// Reads a file. Returns `None` if it is not a shared object; the error is for the user.
fn read_object(path: &Path, position: usize, root: &Path) -> Result<Option<FoundFile>, String> {
    let real = path.canonicalize().map_err(|error| error.to_string())?;
    if path.to_str().is_none() || real.to_str().is_none() {
        return Err("its path is not UTF-8".to_owned());
    }
    let Some((bytes, identity)) = read_elf(path).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let names = match ElfNames::read(&bytes) {
        Ok(names) if names.is_program => return Ok(None),
        Ok(names) if names.soname.as_deref().is_some_and(is_loaded_with_python) => return Ok(None),
        Ok(names) => names,
        Err(ElfError::NotElf | ElfError::NotSharedObject) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let below = path.strip_prefix(root).unwrap_or(path);
    Ok(Some(FoundFile {
        path: path.to_owned(),
        real,
        id: format!("{position} {}", below.display()),
        identity,
        size: bytes.len() as u64,
        digest: digest::of_bytes(&bytes),
        names,
    }))
}

/// Reads a file with its identity; `None` if it does not begin as an ELF file does.
fn read_elf(path: &Path) -> io::Result<Option<(Vec<u8>, FileIdentity)>> {
    let mut file = open_checked(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    file.by_ref().take(4).read_to_end(&mut bytes)?;
    if bytes != object::elf::ELFMAG {
        return Ok(None);
    }
    bytes.reserve(usize::try_from(metadata.len().min(MAX_OBJECT)).unwrap_or_default());
    file.take(MAX_OBJECT).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_OBJECT {
        true => Err(io::Error::other(format!("it has more than {MAX_OBJECT} bytes"))),
        false => Ok(Some((bytes, (metadata.dev(), metadata.ino())))),
    }
}
