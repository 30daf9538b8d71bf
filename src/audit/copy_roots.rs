//! The folders with the shared objects that an environment's interpreters load.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::interpreter_query::query_with_hooks;
use super::scratch::ScratchFolder;
use crate::venv::{self, list_copy_roots};

/// Where an environment has shared objects to copy.
#[derive(Clone, Debug)]
pub struct CopySources {
    /// The environment's folder, absolute.
    pub environment: PathBuf,
    /// The folders to search.
    pub roots: Vec<PathBuf>,
    /// Messages about what could not be determined.
    pub trouble: Vec<String>,
}

/// Finds the folders with the shared objects of an environment, the named one or the one in use.
///
/// # Errors
/// When there is no environment, or its Python cannot be run.
pub fn find_copy_sources(named: Option<&Path>) -> Result<CopySources> {
    let option = "wsgiaudit copies";
    let path = venv::choose_environment(named, option)?.ok_or_else(|| {
        anyhow!("no environment is named or active\nhint: {}", venv::suggest_environment(option))
    })?;
    let located = venv::locate_environment(&path)?;
    let (scratch, mut trouble) = (ScratchFolder::new()?, Vec::new());
    let interpreter = query_with_hooks(&located, scratch.path(), true, &mut trouble);
    let environment = std::path::absolute(&located.root)?;
    match interpreter {
        Some(interpreter) => {
            let roots = list_copy_roots(&interpreter, &environment);
            Ok(CopySources { environment, roots, trouble })
        }
        None => Err(anyhow!("{}", trouble.join("\n"))),
    }
}
