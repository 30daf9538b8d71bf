//! A shared object of an environment, and what it needs.

use std::path::PathBuf;

use super::elf::ElfNames;

/// A shared object of an environment.
#[derive(Clone, Debug)]
pub struct SharedObject {
    /// Its absolute path, below a root.
    pub path: PathBuf,
    /// Identifies the object in its environment wherever that is on disk: its root's position and its path below
    /// it.
    pub id: String,
    /// Other absolute paths of the same library: links, or duplicates with the same name beside it (a wheel
    /// cannot hold links, so pyarrow contains each of its libraries up to three times).
    pub aliases: Vec<PathBuf>,
    /// Its library names and limits.
    pub names: ElfNames,
    /// Size of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub digest: String,
    /// The libraries of `DT_NEEDED`, `DT_AUXILIARY` and `DT_FILTER`.
    pub needs: Vec<Need>,
    /// Old and new search path, if the old one would not work in a tree of copies.
    pub search_path: Option<(String, String)>,
}

/// A library that a shared object needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its name in the object.
    pub name: String,
    /// What the dynamic linker finds for it.
    pub target: NeedTarget,
}

/// What the dynamic linker finds for a needed library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeedTarget {
    /// A library of the environment: its index, and the folder in which it is found.
    Object(usize, PathBuf),
    /// The only library of the environment with this name. No search path leads to it, so it has to be loaded
    /// before.
    Preloaded(usize),
    /// A library of the system, which stays shared.
    System,
    /// A file that stays shared: one in the folder of a search path that is not copied, or one that the object names
    /// by its path.
    Outside(PathBuf),
    /// Nothing, or one of several that have to be loaded before.
    Unknown,
}
