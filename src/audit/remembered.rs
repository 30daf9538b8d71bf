//! Which answers of earlier audits may be used.

use super::run::{Running, roots};
use crate::cache::{Cache, Opening, of_system};
use crate::model::Environment;
use crate::trial;
use crate::venv::Installed;

/// The answers for an environment. None where they are not wanted, and where trials may write elsewhere: one of them
/// could forge them.
pub(super) fn open(running: &Running<'_>, environment: &Environment, installed: &Installed) -> Option<Cache> {
    let interpreter = environment.interpreter.as_ref()?;
    let folder = running.plan.cache.clone()?;
    let is_confined = running.plan.limits.sandbox && trial::unenforced(running.scratch.path()).is_empty();
    let folder = is_confined.then_some(folder)?;
    let folders = roots(interpreter.site.clone(), &interpreter.editable);
    Cache::open(Opening {
        folder,
        python: &interpreter.executable,
        prefix: interpreter.base_prefix.as_deref(),
        kin: installed.together(&folders),
        folders,
        scratch: running.scratch.path(),
        besides: format!("{} {interpreter:?} {}", trial::probes(), of_system()),
    })
}
