//! `manifest.json` of a folder of copies: what each copy was made from.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::copy_error::CopyError;
use super::planned_trees::PlannedTrees;
use super::summary::CopySummary;
use super::write_trees::WrittenTrees;

/// The name of the manifest in its folder.
pub(super) const MANIFEST: &str = "manifest.json";

/// The number of this form of the manifest.
const SCHEMA: u8 = 1;

/// The content of `manifest.json`. Later versions only add fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesManifest {
    /// The schema's number: 1.
    pub schema: u8,
    /// The version of wsgiaudit that wrote it.
    pub version: String,
    /// The environment that was copied, as an absolute path.
    pub environment: PathBuf,
    /// The folders that were searched, without links.
    pub roots: Vec<PathBuf>,
    /// SHA-256 of the report that admits the copies; `null` if all were made without one.
    pub report_sha256: Option<String>,
    /// The folders of the trees, one for each interpreter. A process never uses a tree twice.
    pub trees: Vec<PathBuf>,
    /// Most interpreters that a process can have with such trees, over its whole life; `null` if nothing limits
    /// them.
    pub most_interpreters: Option<u64>,
    /// The copied shared objects, by source.
    pub objects: Vec<CopiedObject>,
    /// Libraries outside of the system that are needed and stay shared.
    pub shared: Vec<PathBuf>,
    /// Files that could not be copied.
    pub left_out: Vec<LeftOut>,
}

/// A shared object and its copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedObject {
    /// The absolute path of the source.
    pub source: PathBuf,
    /// SHA-256 of the source.
    pub sha256: String,
    /// One copy for each tree, in their order.
    pub copies: Vec<CopyFile>,
}

/// One copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFile {
    /// Its path, relative to the manifest's folder.
    pub path: PathBuf,
    /// SHA-256 of the copy.
    pub sha256: String,
    /// Identifies source, tree and library names.
    pub key: String,
}

/// A file that could not be copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its absolute path.
    pub path: PathBuf,
    /// Why it could not be copied.
    pub reason: String,
}

impl CopiesManifest {
    /// The manifest of a folder for which nothing is known yet but the environment and the report.
    pub fn new(environment: PathBuf, report_sha256: Option<String>) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { schema: SCHEMA, version, environment, report_sha256, ..Self::default() }
    }

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// When it is missing, or not one of this schema.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let manifest: Self = serde_json::from_slice(&fs::read(folder.join(MANIFEST))?)?;
        match manifest.schema == SCHEMA {
            true => Ok(manifest),
            false => Err(io::Error::other(format!("its schema is {}, not {SCHEMA}", manifest.schema))),
        }
    }

    /// Adds what was written.
    pub(super) fn add_objects(
        &mut self,
        planned: &PlannedTrees,
        written: &WrittenTrees,
        summary: &CopySummary,
    ) {
        self.roots = planned.inventory.roots.clone();
        self.trees = (0..planned.plans.len()).map(|number| PathBuf::from(number.to_string())).collect();
        self.most_interpreters = summary.most_interpreters();
        self.shared = summary.shared.iter().cloned().collect();
        let left_out = summary.left_out.iter().cloned();
        self.left_out = left_out.map(|(path, reason)| LeftOut { path, reason }).collect();
        let written = planned.copied_objects().zip(&written.digests).enumerate();
        for (index, (object, (source, digests))) in written {
            let Ok(digests) = digests else { continue };
            let copies =
                planned.plans.iter().zip(&self.trees).zip(digests).filter_map(|((plan, tree), digest)| {
                    let copy = plan.copies.get(index)?;
                    let (path, sha256, key) =
                        (tree.join(&copy.destination), digest.clone(), copy.key.clone());
                    Some(CopyFile { path, sha256, key })
                });
            let copies = copies.collect();
            self.objects.push(CopiedObject { source: source.clone(), sha256: object.digest.clone(), copies });
        }
    }

    /// Writes the manifest into a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<(), CopyError> {
        let path = folder.join(MANIFEST);
        let write = || {
            let mut file = NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.as_file().set_permissions(Permissions::from_mode(0o644))?;
            file.persist(&path).map(drop).map_err(|failure| failure.error)
        };
        write().map_err(CopyError::io("write", &path))
    }
}
