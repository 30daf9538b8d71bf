//! Finds a project's settings on disk.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::gate::{self, Settings};

const OWN: &str = "wsgiaudit.toml";
const PROJECT: &str = "pyproject.toml";

/// Reads the file named, or the first that is found in this folder and above, up to the folder that a repository
/// begins at. Without any, the settings are the defaults.
///
/// # Errors
/// When a file cannot be read or says something that is not understood.
pub fn find(named: Option<&Path>, folder: &Path) -> Result<Settings> {
    if let Some(named) = named {
        return Ok(read(named)?.unwrap_or_default());
    }
    for folder in folder.ancestors() {
        for name in [OWN, PROJECT] {
            let file = folder.join(name);
            if file.is_file()
                && let Some(settings) = read(&file)?
            {
                return Ok(settings);
            }
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    Ok(Settings::default())
}

fn read(file: &Path) -> Result<Option<Settings>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let is_project = file.file_name().is_some_and(|name| name == PROJECT);
    gate::read(&text, is_project).with_context(|| {
        format!("{} is not understood\nhint: its keys are require, strict and accept", file.display())
    })
}
