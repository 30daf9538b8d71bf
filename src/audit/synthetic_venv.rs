//! Virtualenvs in the scratch folder, created around the files to audit.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::installer::Installer;
use crate::venv;

/// Creates an empty virtualenv at `root`, and returns its `site-packages`.
pub(super) fn create_virtualenv(python: &Path, root: &Path) -> Result<PathBuf> {
    let base = Installer { has_uv: false, python, options: &[] };
    if let Err(said) = base.create_virtualenv(root) {
        bail!("{} failed to create a virtualenv: {}", python.display(), said.trim());
    }
    venv::find_site_packages(root).into_iter().next().context("the virtualenv has no site-packages")
}

/// Returns the folder that a file is imported from: the first one above it that is not a package.
pub(super) fn find_import_root(file: &Path) -> Result<PathBuf> {
    let above = file.ancestors().skip(1).find(|folder| !folder.join("__init__.py").is_file());
    Ok(above.with_context(|| format!("{} has no parent folder", file.display()))?.to_owned())
}
