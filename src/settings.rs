//! Finds a project's settings on disk.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::gate::{self, ProjectSettings};

const OWN: &str = "wsgiaudit.toml";
const PROJECT: &str = "pyproject.toml";
/// Names that are easily taken for [`OWN`].
const MISNAMED: [&str; 3] = ["wsgi-audit.toml", "wsgi_audit.toml", ".wsgiaudit.toml"];

/// Reads the named file, or else the first settings file found in `folder` and its parents, up to the root of
/// the repository. Returns the defaults if there is none.
///
/// # Errors
/// When a file cannot be read or has invalid settings.
pub fn find_settings(named: Option<&Path>, folder: &Path) -> Result<ProjectSettings> {
    if let Some(named) = named {
        return Ok(read_settings(named)?.unwrap_or_default());
    }
    for folder in folder.ancestors() {
        for name in [OWN, PROJECT] {
            let file = folder.join(name);
            if file.is_file()
                && let Some(settings) = read_settings(&file)?
            {
                return Ok(settings);
            }
        }
        if let Some(misnamed) = MISNAMED.iter().map(|name| folder.join(name)).find(|file| file.is_file()) {
            bail!("{} is not read\nhint: name it {OWN}, or pass --no-config", misnamed.display());
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    Ok(ProjectSettings::default())
}

fn read_settings(file: &Path) -> Result<Option<ProjectSettings>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let is_project = file.file_name().is_some_and(|name| name == PROJECT);
    let settings = gate::parse_settings(&text, is_project).with_context(|| {
        let hint = match is_project {
            true => "the keys of [tool.wsgiaudit] are require, strict and accept",
            false => "its keys are require, strict and accept, without a table around them",
        };
        format!("{} is not understood\nhint: {hint}", file.display())
    })?;
    match gate::find_misnamed_table(&text).filter(|_| is_project && settings.is_none()) {
        Some(table) => bail!(
            "{} has a table {table}, which is not read\nhint: name it [tool.wsgiaudit], or pass --no-config",
            file.display()
        ),
        None => Ok(settings),
    }
}
