//! What earlier audits found that may be used: of files, and of trials.

use std::path::Path;

use super::disk::roots;
use super::run::Running;
use crate::cache::{Cache, Memory, Opening, of_system};
use crate::digest;
use crate::image;
use crate::model::{Environment, Facts, Interpreter, Target};
use crate::trial;
use crate::venv::Installed;

/// What earlier audits knew of an environment's files. None where it is not wanted, and where trials may write elsewhere:
/// one of them could forge it, and answers.
pub(super) fn memory(running: &Running<'_>, interpreter: Option<&Interpreter>) -> Option<Memory> {
    let folder = running.plan.cache.as_deref()?;
    let is_confined = running.plan.limits.sandbox && trial::unenforced(running.scratch.path()).is_empty();
    Memory::open(folder, &interpreter.filter(|_| is_confined)?.executable)
}

/// The answers for an environment.
pub(super) fn open(
    running: &Running<'_>,
    memory: Memory,
    environment: &Environment,
    installed: &Installed,
) -> Option<Cache> {
    let interpreter = environment.interpreter.as_ref()?;
    let folders = roots(interpreter);
    Cache::open(Opening {
        memory,
        python: &interpreter.executable,
        prefix: interpreter.base_prefix.as_deref(),
        kin: installed.together(&folders),
        folders,
        scratch: running.scratch.path(),
        besides: format!("{} {interpreter:?} {}", trial::probes(), of_system()),
    })
}

/// Looks at files, but for those that an earlier audit has looked at.
pub(super) struct Look<'m> {
    memory: Option<&'m Memory>,
    /// What tells this program from another version of it.
    program: String,
}

impl<'m> Look<'m> {
    pub(super) fn new(memory: Option<&'m Memory>) -> Self {
        let program =
            std::env::current_exe().ok().zip(memory).and_then(|(path, memory)| memory.of_file(&path));
        Self { memory: memory.filter(|_| program.is_some()), program: program.unwrap_or_default() }
    }

    /// The digest of a file; `None` where it cannot be read.
    pub(super) fn sha256(&self, path: &Path) -> Option<String> {
        match self.memory {
            Some(memory) => memory.of_file(path),
            None => digest::of_file(path).ok(),
        }
    }

    /// What an extension module declares.
    pub(super) fn facts(&self, path: &Path, stem: &str, target: Option<Target>) -> Facts {
        let inspect = || image::inspect_with_beside(path, stem, target);
        match self.memory {
            Some(memory) => memory.made(&format!("{} {stem} {target:?}", self.program), path, inspect),
            None => inspect().0,
        }
    }
}
