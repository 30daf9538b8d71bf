//! Which answers of earlier audits may be used.

use super::run::{Running, roots};
use crate::cache::{Cache, Kin, Opening, of_system};
use crate::model::Environment;
use crate::trial;

/// The answers for an environment. None where they are not wanted, and where trials may write elsewhere: one of them
/// could forge them.
pub(super) fn open(running: &Running<'_>, environment: &Environment, kin: Kin) -> Option<Cache> {
    let interpreter = environment.interpreter.as_ref()?;
    let folder = running.plan.cache.clone()?;
    let is_confined = running.plan.limits.sandbox && trial::unenforced(running.scratch.path()).is_empty();
    Cache::open(Opening {
        folder: is_confined.then_some(folder)?,
        python: &interpreter.executable,
        prefix: interpreter.base_prefix.as_deref(),
        folders: roots(interpreter.site.clone(), &interpreter.editable),
        kin,
        scratch: running.scratch.path(),
        besides: format!("{} {interpreter:?} {}", trial::probes(), of_system()),
    })
}
