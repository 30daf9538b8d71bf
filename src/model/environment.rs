//! A Python and what is installed for it.

use std::path::PathBuf;

use super::{Mode, Module, Target};

/// Environment variables for the import hooks of editable installs. meson-python's rebuilds at import: so told, it asks
/// first whether there is anything to build, and writes nothing where there is not.
pub const EDITABLE_VARIABLES: [(&str, &str); 1] = [("MESONPY_EDITABLE_VERBOSE", "1")];

/// What an interpreter says of itself.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The executable that was asked: the virtualenv's own, unresolved.
    pub executable: PathBuf,
    /// `sys.implementation.name`, e.g. `cpython`.
    pub implementation: String,
    /// Major, minor, micro.
    pub version: (u8, u8, u8),
    /// `sys.version_info` in full, e.g. `3.15.0rc2`.
    pub release: String,
    /// A free-threaded build (`Py_GIL_DISABLED`).
    pub free_threaded: bool,
    /// `EXT_SUFFIX` without dots, e.g. `cpython-314-x86_64-linux-gnu`.
    pub abi: String,
    /// What the import system takes for an extension module, in its order, e.g. `.abi3.so`.
    pub suffixes: Vec<String>,
    /// `sysconfig.get_platform()`, e.g. `linux-x86_64`.
    pub platform: String,
    /// `sys.base_prefix`: the installation that a virtualenv was made from; `None` where it is not known.
    pub base_prefix: Option<PathBuf>,
    /// Folders on `sys.path` that hold what is installed (not the standard library), in order.
    pub site: Vec<PathBuf>,
    /// Packages and modules that a finder, not `sys.path`, makes importable, as editable installs do: dotted name,
    /// folder or source file.
    pub editable: Vec<(String, PathBuf)>,
    /// Extension modules outside of these folders: dotted name, file. A finder serves them, or they lie in the
    /// standard library and are not CPython's.
    pub files: Vec<(String, PathBuf)>,
    /// Zip files on `sys.path`, eggs among them.
    pub archives: Vec<PathBuf>,
    /// The `site-packages` of the user's own account, where a plain start of this Python adds it.
    pub user_site: Option<PathBuf>,
    /// Whether import hooks that are not CPython's are installed at start.
    pub has_hooks: bool,
    /// Why it cannot run trials, if so, e.g. `_ctypes` is missing.
    pub no_trials: Option<String>,
}

impl Interpreter {
    /// The first version with `Py_NewInterpreterFromConfig` (PEP 684).
    pub const FIRST_WITH_OWN_GIL: (u8, u8) = (3, 12);

    /// Major and minor version and build.
    pub fn target(&self) -> Target {
        Target { version: (self.version.0, self.version.1), free_threaded: self.free_threaded }
    }

    /// The modes that it can be tried in.
    pub fn modes(&self) -> &'static [Mode] {
        if self.free_threaded { &Mode::ALL } else { &Mode::WITH_GIL }
    }

    /// Whether it knows per-interpreter GILs at all.
    pub fn has_own_gil(&self) -> bool {
        self.target().version >= Self::FIRST_WITH_OWN_GIL
    }
}

/// An installed distribution, from its `*.dist-info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// `Name` in METADATA.
    pub name: String,
    /// `Version` in METADATA.
    pub version: String,
    /// Importable top-level names, sorted.
    pub top_level: Vec<String>,
    /// `Tag` lines of WHEEL, e.g. `cp314-cp314-manylinux_2_28_x86_64`.
    pub tags: Vec<String>,
    /// Whether it is an editable install (`direct_url.json`, PEP 610).
    pub editable: bool,
}

impl Distribution {
    /// What reports call the modules that lie in an application's own folders.
    pub const THE_APPLICATION: &str = "(the application)";

    /// It, as a distribution.
    pub fn the_application() -> Self {
        Self {
            name: Self::THE_APPLICATION.to_owned(),
            version: String::new(),
            top_level: Vec::new(),
            tags: Vec::new(),
            editable: false,
        }
    }
}

/// Everything found on disk, before anything is run.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What the user named.
    pub root: PathBuf,
    /// Its Python; `None` where none was found or it did not answer.
    pub interpreter: Option<Interpreter>,
    /// Sorted by name.
    pub distributions: Vec<Distribution>,
    /// Every file with an extension suffix, sorted by file.
    pub modules: Vec<Module>,
    /// What could not be read, in words: the walk goes on, the audit is incomplete.
    pub trouble: Vec<String>,
}
