//! Which answers of earlier audits may be used.

use super::run::{Running, roots};
use crate::cache::{Cache, Memory, Opening, of_system};
use crate::model::{Environment, Interpreter};
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
    let folders = roots(interpreter.site.clone(), &interpreter.editable);
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
