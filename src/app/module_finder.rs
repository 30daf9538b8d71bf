//! Finds the file of a dotted module name, in the order of the import system.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a dotted name resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ModuleResolution {
    /// A Python file; whether it is a package.
    Source(PathBuf, bool),
    /// An extension module.
    Extension,
    /// A folder without `__init__.py`.
    Namespace,
    /// A module of the standard library. It is not read, since it imports nothing from the environment.
    Library,
    /// No such module.
    Nothing,
}

/// Finds modules in an environment.
#[derive(Debug)]
pub struct ModuleFinder {
    /// Folders of the application's own files; for an installed application, its package.
    pub own: Vec<PathBuf>,
    /// Folders on `sys.path`, in order, the application's first.
    pub roots: Vec<PathBuf>,
    /// Top-level names of editable installs, each with its folder or file.
    pub editable: Vec<(String, PathBuf)>,
    /// The import system's extension suffixes.
    pub suffixes: Vec<String>,
    /// The folder of the standard library.
    pub library: Option<PathBuf>,
    /// Cache of folder listings.
    listings: RefCell<BTreeMap<PathBuf, BTreeSet<String>>>,
}

impl ModuleFinder {
    /// Makes a finder for an application in the folders `own`, with the folders `roots` on `sys.path`.
    pub fn new(
        own: Vec<PathBuf>,
        roots: Vec<PathBuf>,
        editable: &[(String, PathBuf)],
        suffixes: &[String],
        library: Option<PathBuf>,
    ) -> Self {
        Self {
            own,
            roots,
            editable: editable.to_vec(),
            suffixes: suffixes.to_vec(),
            library,
            listings: RefCell::default(),
        }
    }

    /// Whether a file is the application's own: below one of its folders, and not in the environment.
    pub(super) fn is_own(&self, file: &Path) -> bool {
        let is_installed =
            |path: &Path| path.iter().any(|part| part == "site-packages" || part == "dist-packages");
        let is_of_environment = |folder: &Path| {
            self.roots
                .iter()
                .any(|root| root.starts_with(folder) && !self.own.contains(root) && file.starts_with(root))
        };
        self.own.iter().any(|own| {
            file.starts_with(own) && !is_of_environment(own) && (is_installed(own) || !is_installed(file))
        })
    }

    /// Resolves a dotted name: on `sys.path`, in editable installs, in the standard library.
    pub(super) fn find_module(&self, name: &str) -> ModuleResolution {
        let relative = name.replace('.', "/");
        let mut namespace = false;
        for root in &self.roots {
            match self.find_at_path(&root.join(&relative)) {
                ModuleResolution::Namespace => namespace = true,
                ModuleResolution::Nothing => {}
                found => return found,
            }
        }
        for (top, path) in &self.editable {
            if name == top && path.is_file() {
                let is_extension =
                    self.suffixes.iter().any(|suffix| path.to_string_lossy().ends_with(suffix));
                return if is_extension {
                    ModuleResolution::Extension
                } else {
                    ModuleResolution::Source(path.clone(), false)
                };
            }
            if let Some(rest) = name.strip_prefix(top.as_str()) {
                let found = match rest.strip_prefix('.') {
                    Some(rest) => self.find_at_path(&path.join(rest.replace('.', "/"))),
                    None if rest.is_empty() => self.find_at_path(path),
                    None => continue,
                };
                if found != ModuleResolution::Nothing {
                    return found;
                }
            }
        }
        let top = name.split('.').next().unwrap_or(name);
        let is_library = BUILTIN.contains(&top)
            || self.library.as_ref().is_some_and(|library| {
                [
                    self.find_at_path(&library.join(top)),
                    self.find_at_path(&library.join("lib-dynload").join(top)),
                ]
                .iter()
                .any(|found| !matches!(found, ModuleResolution::Nothing | ModuleResolution::Namespace))
            });
        match (namespace, is_library) {
            (true, _) => ModuleResolution::Namespace,
            (false, true) => ModuleResolution::Library,
            (false, false) => ModuleResolution::Nothing,
        }
    }

    /// Resolves a path without a file name extension.
    fn find_at_path(&self, path: &Path) -> ModuleResolution {
        let (Some(folder), Some(stem)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return ModuleResolution::Nothing;
        };
        if !self.listing_matches(folder, |names| {
            names.contains(stem)
                || names.range(stem.to_owned()..).next().is_some_and(|name| name.starts_with(stem))
        }) {
            return ModuleResolution::Nothing;
        }
        // In the import system's order: a package, an extension module, a source file.
        if self.listing_matches(path, |names| names.contains("__init__.py")) {
            return ModuleResolution::Source(path.join("__init__.py"), true);
        }
        if self.listing_matches(path, |names| {
            self.suffixes.iter().any(|suffix| names.contains(&format!("__init__{suffix}")))
        }) {
            return ModuleResolution::Extension;
        }
        if self.listing_matches(folder, |names| {
            self.suffixes.iter().any(|suffix| names.contains(&format!("{stem}{suffix}")))
        }) {
            return ModuleResolution::Extension;
        }
        if self.listing_matches(folder, |names| names.contains(&format!("{stem}.py"))) {
            return ModuleResolution::Source(folder.join(format!("{stem}.py")), false);
        }
        if path.is_dir() { ModuleResolution::Namespace } else { ModuleResolution::Nothing }
    }

    /// Whether the cached listing of a folder satisfies a condition.
    fn listing_matches(&self, folder: &Path, ask: impl FnOnce(&BTreeSet<String>) -> bool) -> bool {
        if !self.listings.borrow().contains_key(folder) {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            self.listings.borrow_mut().insert(folder.to_owned(), names);
        }
        self.listings.borrow().get(folder).is_some_and(ask)
    }
}

/// Modules that are part of the interpreter itself (`sys.builtin_module_names` of a usual build).
const BUILTIN: &[&str] = &[
    "_abc",
    "_ast",
    "_codecs",
    "_collections",
    "_functools",
    "_imp",
    "_io",
    "_locale",
    "_operator",
    "_signal",
    "_sre",
    "_stat",
    "_string",
    "_symtable",
    "_thread",
    "_tracemalloc",
    "_typing",
    "_warnings",
    "_weakref",
    "array",
    "atexit",
    "builtins",
    "errno",
    "faulthandler",
    "gc",
    "itertools",
    "marshal",
    "math",
    "nt",
    "posix",
    "pwd",
    "sys",
    "time",
    "winreg",
    "msvcrt",
    "_winapi",
    "_suggestions",
    "_sysconfig",
    "_contextvars",
    "_types",
];
