//! Virtualenvs in the scratch folder, around what is audited.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::installer::Installer;
use crate::model::Interpreter;
use crate::venv;

/// Makes a virtualenv that imports from this folder first, and then what the environment does, and returns its
/// `site-packages`.
pub(super) fn in_front(interpreter: &Interpreter, folder: &Path, root: &Path) -> Result<PathBuf> {
    let site = virtualenv(&interpreter.executable, root)?;
    let installed = interpreter.site.iter().map(|folder| folder.to_string_lossy().into_owned() + "\n");
    // `site` appends; this folder comes before what is installed.
    let first = format!("import sys; sys.path[:0] = [{:?}]\n", folder.to_string_lossy());
    fs::write(site.join("wsgiaudit.pth"), first + &installed.collect::<String>())
        .context("cannot write a .pth file")?;
    Ok(site)
}

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
