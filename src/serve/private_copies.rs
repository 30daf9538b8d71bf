//! Makes the private copies for a host: a tree for each interpreter with the mode `own-gil-copies`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wsgiaudit_probes_core::host_config::{GroupConfig, GuardConfig, InterpreterMode};
use wsgiaudit_probes_core::protocol::CopyTrees;

use crate::copies::{CopyRequest, CopySet, CopyStore, prepare_requested_copies};
use crate::model::Interpreter;

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
        let editable = python.editable.iter().filter_map(|(_, path)| path.parent());
        let mut roots: Vec<PathBuf> = python.site.clone();
        roots.extend(editable.map(Path::to_owned).chain(path.iter().map(PathBuf::from)));
        roots.retain(|root| root.is_dir());
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
