//! Virtualenvs in the scratch folder, around what is audited.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::installer::Installer;
use crate::venv;

/// Makes an empty virtualenv in the scratch folder, and returns its `site-packages`.
pub(super) fn virtualenv(python: &Path, root: &Path) -> Result<PathBuf> {
    let base = Installer { has_uv: false, python, options: &[] };
    if let Err(said) = base.virtualenv(root) {
        bail!("{} makes no virtualenv: {}", python.display(), said.trim());
    }
    venv::site_packages(root).into_iter().next().context("the virtualenv has no site-packages")
}

/// The folder that a file is imported from: the first one above it that is no package.
pub(super) fn import_root(file: &Path) -> Result<PathBuf> {
    let above = file.ancestors().skip(1).find(|folder| !folder.join("__init__.py").is_file());
    Ok(above.with_context(|| format!("{} lies in no folder", file.display()))?.to_owned())
}
