//! An environment around one extension module, or one wheel: a virtualenv in the scratch folder, that imports what
//! was named first and all that the Python named has after it.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use super::scratch::Scratch;
use crate::installer::Installer;
use crate::venv::{self, Located};

/// What is audited of an environment where that is not all of it.
#[derive(Clone, Debug)]
pub(super) struct Only {
    /// The folder on `sys.path`.
    pub(super) root: PathBuf,
    /// The one file; `None` for all below the folder.
    pub(super) file: Option<PathBuf>,
}

/// What a wheel may unpack to: more than any does.
const LARGEST: u64 = 8 << 30;

/// Makes the environment.
///
/// # Errors
/// When the file cannot be read, is neither a wheel nor a shared object, or the Python makes no virtualenv.
pub(super) fn make(file: &Path, python: &Located, scratch: &Scratch) -> Result<(Located, Only)> {
    let python = python.python.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
    let interpreter = venv::ask(python, scratch.path())?;
    let root = scratch.path().join("around");
    let site = virtualenv(python, &root)?;
    let only = match file.extension().is_some_and(|extension| extension == "whl") {
        true => {
            unpack(file, &site)?;
            Only { root: site.clone(), file: None }
        }
        false => beside(file)?,
    };
    let mut paths: Vec<String> = Vec::new();
    paths.extend((only.root != site).then(|| only.root.to_string_lossy().into_owned()));
    paths.extend(interpreter.site.iter().map(|folder| folder.to_string_lossy().into_owned()));
    fs::write(site.join("wsgiaudit.pth"), paths.join("\n") + "\n").context("cannot write a .pth file")?;
    let located = venv::locate(&root).context("the virtualenv that was made is none")?;
    Ok((located, only))
}

/// Makes an empty virtualenv in the scratch folder, and returns its `site-packages`.
fn virtualenv(python: &Path, root: &Path) -> Result<PathBuf> {
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

fn beside(file: &Path) -> Result<Only> {
    let file = file.canonicalize().with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Only { root: import_root(&file)?, file: Some(file) })
}

/// Unpacks a wheel as an installer does (binary distribution format): what is in `NAME.data/platlib` and
/// `purelib` too. Entries that would leave the folder are refused.
fn unpack(wheel: &Path, site: &Path) -> Result<()> {
    let file = File::open(wheel).with_context(|| format!("cannot read {}", wheel.display()))?;
    let unusable = || format!("{} cannot be unpacked: is it a wheel?", wheel.display());
    let mut archive = ZipArchive::new(BufReader::new(file)).with_context(unusable)?;
    let mut size = 0_u64;
    for index in 0..archive.len() {
        size = size.saturating_add(archive.by_index_raw(index).with_context(unusable)?.size());
    }
    if size > LARGEST {
        bail!("{} says that it unpacks to {size} bytes: nothing was unpacked", wheel.display());
    }
    archive.extract(site).with_context(unusable)?;
    let folders = fs::read_dir(site).with_context(unusable)?.flatten().map(|entry| entry.path());
    for data in folders.filter(|path| path.extension().is_some_and(|extension| extension == "data")) {
        for library in ["platlib", "purelib"] {
            let entries = fs::read_dir(data.join(library)).into_iter().flatten().flatten();
            for entry in entries {
                fs::rename(entry.path(), site.join(entry.file_name())).with_context(unusable)?;
            }
        }
    }
    Ok(())
}
