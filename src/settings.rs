//! Finds a project's settings on disk.

use std::path::Path;

use anyhow::{Context, Result};

use crate::gate::{self, ProjectSettings};
use crate::regular_file;

const OWN: &str = "wsgiaudit.toml";
const PROJECT: &str = "pyproject.toml";

/// Size limit of a settings file.
const MAX_SIZE: u64 = 4 << 20;

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
        if folder.join(".git").exists() {
            break;
        }
    }
    Ok(ProjectSettings::default())
}

fn read_settings(file: &Path) -> Result<Option<ProjectSettings>> {
    let text =
        regular_file::read_text(file, MAX_SIZE).with_context(|| format!("cannot read {}", file.display()))?;
    let is_project = file.file_name().is_some_and(|name| name == PROJECT);
    gate::parse_settings(&text, is_project).with_context(|| {
        format!("{} is not understood\nhint: its keys are require, strict and accept", file.display())
    })
}
