//! Makes the private copies for a host: a tree for each interpreter with the mode `own-gil-copies`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wsgiaudit_probes_core::host_config::{GroupConfig, GuardConfig, InterpreterMode};
use wsgiaudit_probes_core::protocol::CopyTrees;

use crate::copies::{CopyRequest, CopySet, CopyStore, prepare_requested_copies};
use crate::model::Interpreter;
use crate::venv::list_copy_roots;

/// The copies of a host process. They are removed with this value, after the host has ended.
#[derive(Debug)]
pub(super) struct HostCopies {
    set: CopySet,
    count: usize,
}

impl HostCopies {
    /// Makes the copies that these groups need; `None` if they need none. With a guard, each file must have the
    /// digest in the report while it is copied.
    ///
    /// # Errors
    /// If the copies cannot be made, or a file has changed since the audit.
    pub(super) fn prepare(
        groups: &[GroupConfig],
        python: &Interpreter,
        path: &[String],
        guard: Option<&GuardConfig>,
        folder: &Path,
    ) -> Result<Option<Self>> {
        let with_copies = groups.iter().filter(|group| group.mode == InterpreterMode::OwnGilCopies);
        let count = with_copies.map(|group| group.interpreters).sum();
        if count == 0 {
            return Ok(None);
        }
        let environment = python.executable.parent().and_then(Path::parent).unwrap_or(&python.executable);
        let mut roots = list_copy_roots(python, environment);
        roots.extend(path.iter().map(PathBuf::from).filter(|folder| folder.is_dir()));
        let vetted = guard.into_iter().flat_map(|guard| &guard.vetted);
        let expected: BTreeMap<PathBuf, String> =
            vetted.map(|module| (PathBuf::from(&module.path), module.sha256.clone())).collect();
        let request = CopyRequest { roots: &roots, count, only: None, expected: &expected };
        let store = CopyStore::new(&folder.join("private-copies"), u64::MAX)?;
        let set = prepare_requested_copies(&request, &store).context("cannot make private copies")?;
        Ok(Some(Self { set, count }))
    }

    /// The trees, in the form of the host's configuration.
    pub(super) fn trees(&self) -> CopyTrees {
        CopyTrees { folder: self.set.folder().to_string_lossy().into_owned(), count: self.count }
    }
}
