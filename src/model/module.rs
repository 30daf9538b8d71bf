//! A file that the import system could take for an extension module.

use std::path::PathBuf;

use super::Facts;

/// One file with an extension suffix, as found on disk.
#[derive(Clone, Debug)]
pub struct Module {
    /// Dotted name under which it would be imported, e.g. `lxml.etree`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The same, relative to the folder on `sys.path` that it was found below, with `/`.
    pub file: String,
    /// Index into the environment's distributions; `None` where none claims the file.
    pub distribution: Option<usize>,
    /// What the file turned out to be.
    pub kind: FileKind,
    /// What it declares.
    pub facts: Facts,
    /// The file's SHA-256, in hexadecimal, of an extension module that could be read.
    pub sha256: Option<String>,
}

impl Module {
    /// The folder on `sys.path` that it was found below.
    pub fn folder(&self) -> String {
        let path = self.path.to_string_lossy();
        path.strip_suffix(self.file.as_str()).unwrap_or(&path).trim_end_matches('/').to_owned()
    }

    /// Whether importing its name is worth a trial. A damaged file is: the control shows what Python makes
    /// of it.
    pub fn is_tried(&self) -> bool {
        matches!(
            self.kind,
            FileKind::ExtensionModule | FileKind::Corrupt(_) | FileKind::Archived { has_stub: true }
        )
    }
}

/// What a file with an extension suffix turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// An extension module that this Python can load.
    ExtensionModule,
    /// No `PyInit_` and no `PyModExport_`: a library with a module's name.
    PlainLibrary,
    /// The suffix names another Python's ABI.
    OtherAbi,
    /// Built for another machine or system; names it.
    OtherArchitecture(String),
    /// A symbolic link to nothing.
    BrokenLink,
    /// Its name, or a folder's on the way, is no Python identifier.
    UnimportableName,
    /// Another file is imported under its name; names it.
    Shadowed(String),
    /// Truncated or corrupt; says how. It is tried all the same: the control shows what Python makes of it.
    Corrupt(String),
    /// It could not be read; says why.
    Unreadable(String),
    /// It has init functions, and none for its own name; names them. Code that knows it may load it.
    OtherNames(Vec<String>),
    /// Inside a zip file on `sys.path`, from which the import system loads no extension modules.
    Archived {
        /// Whether a Python module of the same name lies beside it: an egg's stub, which unpacks and loads it.
        has_stub: bool,
    },
    /// In the `site-packages` of the user's own account, which trials leave out.
    UserSite,
}

impl FileKind {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExtensionModule => "extension-module",
            Self::PlainLibrary => "plain-library",
            Self::OtherAbi => "other-abi",
            Self::OtherArchitecture(_) => "other-architecture",
            Self::BrokenLink => "broken-link",
            Self::UnimportableName => "unimportable-name",
            Self::Shadowed(_) => "shadowed",
            Self::Corrupt(_) => "corrupt",
            Self::Unreadable(_) => "unreadable",
            Self::OtherNames(_) => "other-names",
            Self::Archived { .. } => "archived",
            Self::UserSite => "user-site",
        }
    }
}
