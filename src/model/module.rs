//! A file that the import system could load as an extension module.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BinaryFacts, Toolchain};

/// A file with an extension module's suffix, as found on disk.
#[derive(Clone, Debug)]
pub struct ExtensionFile {
    /// Dotted name under which it would be imported, e.g. `lxml.etree`.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// Its path relative to its folder on `sys.path`, with `/`.
    pub file: String,
    /// Index into the environment's distributions; `None` where none claims the file.
    pub distribution: Option<usize>,
    /// What the file turned out to be.
    pub kind: ExtensionFileKind,
    /// What it declares.
    pub facts: BinaryFacts,
    /// The SHA-256 of an extension module that could be read, in hexadecimal.
    pub sha256: Option<String>,
    /// Its size in bytes; 0 if it cannot be read.
    pub size: u64,
    /// What generated it, if that is known.
    pub toolchain: Option<Toolchain>,
}

impl ExtensionFile {
    /// The folder on `sys.path` in which it was found.
    pub fn folder(&self) -> String {
        let path = self.path.to_string_lossy();
        path.strip_suffix(self.file.as_str()).unwrap_or(&path).trim_end_matches('/').to_owned()
    }

    /// Whether a trial imports it. A damaged file is tried, too: the control shows what Python does with it.
    pub fn is_trial_subject(&self) -> bool {
        matches!(
            self.kind,
            ExtensionFileKind::ExtensionModule
                | ExtensionFileKind::Corrupt(_)
                | ExtensionFileKind::Archived { has_stub: true }
        )
    }
}

/// What a file with an extension suffix turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtensionFileKind {
    /// An extension module that this Python can load.
    ExtensionModule,
    /// Exports no `PyInit_` and no `PyModExport_`: a library with an extension module's suffix.
    PlainLibrary,
    /// The suffix names another Python's ABI.
    OtherAbi,
    /// Built for another machine or system, which is named.
    OtherArchitecture(String),
    /// A dangling symbolic link.
    BrokenLink,
    /// Its name, or that of a folder above it, is not a Python identifier.
    UnimportableName,
    /// Another file, which is named, is imported under its name.
    Shadowed(String),
    /// Truncated or corrupt, with the reason. It is tried all the same: the control shows what Python does
    /// with it.
    Corrupt(String),
    /// It could not be read, with the reason.
    Unreadable(String),
    /// It exports init functions, which are named, but none for its own name. Code that knows them may load
    /// it.
    OtherNames(Vec<String>),
    /// Inside a zip file on `sys.path`, from which the import system loads no extension modules.
    Archived {
        /// Whether a Python module of the same name lies beside it: an egg's stub, which unpacks and loads
        /// it.
        has_stub: bool,
    },
    /// In the user's own `site-packages` (PEP 370), which trials leave out.
    UserSite,
}

/// What a file is, as reports name it: an [`ExtensionFileKind`] without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExtensionFileClass {
    /// An extension module that this Python can load.
    ExtensionModule,
    /// A library with an extension module's suffix.
    PlainLibrary,
    /// For another Python's ABI.
    OtherAbi,
    /// Built for another machine or system.
    OtherArchitecture,
    /// A dangling symbolic link.
    BrokenLink,
    /// It has a name that cannot be imported.
    UnimportableName,
    /// Another file is imported under its name.
    Shadowed,
    /// Truncated or corrupt.
    Corrupt,
    /// It could not be read.
    Unreadable,
    /// It has init functions for other names only.
    OtherNames,
    /// Inside a zip file on `sys.path`.
    Archived,
    /// In the user's own `site-packages`.
    UserSite,
}

impl ExtensionFileKind {
    /// The kind without its details.
    pub fn class(&self) -> ExtensionFileClass {
        match self {
            Self::ExtensionModule => ExtensionFileClass::ExtensionModule,
            Self::PlainLibrary => ExtensionFileClass::PlainLibrary,
            Self::OtherAbi => ExtensionFileClass::OtherAbi,
            Self::OtherArchitecture(_) => ExtensionFileClass::OtherArchitecture,
            Self::BrokenLink => ExtensionFileClass::BrokenLink,
            Self::UnimportableName => ExtensionFileClass::UnimportableName,
            Self::Shadowed(_) => ExtensionFileClass::Shadowed,
            Self::Corrupt(_) => ExtensionFileClass::Corrupt,
            Self::Unreadable(_) => ExtensionFileClass::Unreadable,
            Self::OtherNames(_) => ExtensionFileClass::OtherNames,
            Self::Archived { .. } => ExtensionFileClass::Archived,
            Self::UserSite => ExtensionFileClass::UserSite,
        }
    }
}

impl ExtensionFileClass {
    /// Every class.
    pub const ALL: [Self; 12] = [
        Self::ExtensionModule,
        Self::PlainLibrary,
        Self::OtherAbi,
        Self::OtherArchitecture,
        Self::BrokenLink,
        Self::UnimportableName,
        Self::Shadowed,
        Self::Corrupt,
        Self::Unreadable,
        Self::OtherNames,
        Self::Archived,
        Self::UserSite,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExtensionModule => "extension-module",
            Self::PlainLibrary => "plain-library",
            Self::OtherAbi => "other-abi",
            Self::OtherArchitecture => "other-architecture",
            Self::BrokenLink => "broken-link",
            Self::UnimportableName => "unimportable-name",
            Self::Shadowed => "shadowed",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::OtherNames => "other-names",
            Self::Archived => "archived",
            Self::UserSite => "user-site",
        }
    }
}
