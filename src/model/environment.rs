//! A Python interpreter and what is installed for it.

use std::path::PathBuf;

use super::{ExtensionFile, Mode, TargetPython};

/// Environment variables for the import hooks of editable installs. meson-python's hook rebuilds at import.
/// With this variable it first checks whether anything needs to be built, and writes nothing if not.
pub const EDITABLE_VARIABLES: [(&str, &str); 1] = [("MESONPY_EDITABLE_VERBOSE", "1")];

/// Properties of a Python interpreter, as it reports them.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The executable that was run: the virtualenv's own, with links unresolved.
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
    /// File suffixes of extension modules in the import system's order, e.g. `.abi3.so`.
    pub suffixes: Vec<String>,
    /// `sysconfig.get_platform()`, e.g. `linux-x86_64`.
    pub platform: String,
    /// `sys.base_prefix`: the installation that a virtualenv was made from; `None` where it is not known.
    pub base_prefix: Option<PathBuf>,
    /// Folders on `sys.path` with installed packages (not the standard library), in order.
    pub site: Vec<PathBuf>,
    /// Packages and modules that a finder, not `sys.path`, makes importable, as editable installs do: dotted
    /// name, folder or source file.
    pub editable: Vec<(String, PathBuf)>,
    /// Extension modules outside of these folders: dotted name, file. An import finder serves them, or they
    /// lie in the standard library's folder without being part of CPython.
    pub files: Vec<(String, PathBuf)>,
    /// Zip files on `sys.path`, eggs among them.
    pub archives: Vec<PathBuf>,
    /// The user's own `site-packages` (PEP 370), if this Python adds it in a normal start.
    pub user_site: Option<PathBuf>,
    /// Whether import hooks that are not CPython's are installed at start.
    pub has_hooks: bool,
    /// Why it cannot run trials, e.g. `_ctypes` is missing; `None` if it can.
    pub no_trials: Option<String>,
}

impl Interpreter {
    /// The first version with `Py_NewInterpreterFromConfig` (PEP 684).
    pub const FIRST_WITH_OWN_GIL: (u8, u8) = (3, 12);

    /// CPython 3.14.1 on x86-64 Linux, with a GIL and nothing installed.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            executable: "/venv/bin/python".into(),
            implementation: "cpython".to_owned(),
            version: (3, 14, 1),
            release: "3.14.1".to_owned(),
            free_threaded: false,
            abi: "cpython-314-x86_64-linux-gnu".to_owned(),
            suffixes: vec![".so".to_owned()],
            platform: "linux-x86_64".to_owned(),
            base_prefix: None,
            site: Vec::new(),
            editable: Vec::new(),
            files: Vec::new(),
            archives: Vec::new(),
            user_site: None,
            has_hooks: false,
            no_trials: None,
        }
    }

    /// Major and minor version and build.
    pub fn target(&self) -> TargetPython {
        TargetPython { version: (self.version.0, self.version.1), free_threaded: self.free_threaded }
    }

    /// The modes in which it can run trials. Private copies are tried only if they are asked for.
    pub fn modes(&self, with_copies: bool) -> &'static [Mode] {
        match (self.free_threaded, with_copies) {
            (true, _) => &Mode::OF_FREE_THREADED_BUILD,
            (false, true) => &Mode::WITH_COPIES,
            (false, false) => &Mode::WITH_GIL,
        }
    }

    /// Whether it supports a per-interpreter GIL.
    pub fn has_own_gil(&self) -> bool {
        self.target().version >= Self::FIRST_WITH_OWN_GIL
    }
}

/// An installed distribution, from its `*.dist-info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledDistribution {
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

impl InstalledDistribution {
    /// The name in reports for the extension modules in an application's own folders.
    pub const THE_APPLICATION: &str = "(the application)";

    /// The pseudo-distribution that owns the extension modules in an application's own folders.
    pub fn application_placeholder() -> Self {
        Self {
            name: Self::THE_APPLICATION.to_owned(),
            version: String::new(),
            top_level: Vec::new(),
            tags: Vec::new(),
            editable: false,
        }
    }
}

/// An environment as found on disk, before anything is imported.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The path that the user passed.
    pub root: PathBuf,
    /// Its Python; `None` if none was found or it could not be run.
    pub interpreter: Option<Interpreter>,
    /// Sorted by name.
    pub distributions: Vec<InstalledDistribution>,
    /// Every file with an extension suffix, sorted by file.
    pub modules: Vec<ExtensionFile>,
    /// Messages about what could not be read. Any of them makes the audit incomplete.
    pub trouble: Vec<String>,
}
