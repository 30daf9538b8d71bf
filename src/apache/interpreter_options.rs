//! Resolves the options of an interpreter (mod_wsgi 6.1.1, `wsgi_interp.c`:
//! `wsgi_resolve_interpreter_options`, `wsgi_resolve_free_threading`). The block with the most selectors
//! wins; of equals, the last.

use super::site::{ApacheSite, OptionsBlock};
use super::values::LocatedValue;

/// The effective options of an interpreter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ResolvedOptions {
    pub(super) own_gil: Option<LocatedValue<bool>>,
    pub(super) switch_interval: Option<LocatedValue<f64>>,
    /// Whether the switch interval comes from a block that names an application group.
    pub(super) is_scoped: bool,
}

impl OptionsBlock {
    /// Whether the block applies to an interpreter.
    pub(super) fn selects_interpreter(&self, process: &str, application: &str) -> bool {
        self.process.as_deref().is_none_or(|wanted| wanted == process)
            && self.application.as_deref().is_none_or(|wanted| wanted == application)
    }

    pub(super) fn specificity(&self) -> usize {
        usize::from(self.process.is_some()) + usize::from(self.application.is_some())
    }
}

impl ApacheSite {
    /// Returns the effective options of an interpreter.
    pub(super) fn resolve_options(&self, process: &str, application: &str) -> ResolvedOptions {
        let mut resolved = ResolvedOptions {
            own_gil: self.options.own_gil.clone(),
            switch_interval: self.options.switch_interval.clone(),
            is_scoped: false,
        };
        let (mut gil, mut interval) = (0, 0);
        for block in self.blocks.iter().filter(|block| block.selects_interpreter(process, application)) {
            let specificity = block.specificity();
            if block.options.own_gil.is_some() && specificity >= gil {
                (resolved.own_gil, gil) = (block.options.own_gil.clone(), specificity);
            }
            if block.options.switch_interval.is_some() && specificity >= interval {
                (resolved.switch_interval, interval) = (block.options.switch_interval.clone(), specificity);
                resolved.is_scoped = block.application.is_some();
            }
        }
        resolved
    }

    /// Returns the effective `WSGIFreeThreading` of a process and its line. Blocks that name an application
    /// group are ignored.
    pub(super) fn resolve_free_threading(&self, process: &str) -> Option<LocatedValue<bool>> {
        let (mut resolved, mut best) = (self.options.free_threading.clone(), 0);
        for block in self.blocks.iter().filter(|block| block.application.is_none()) {
            let specificity = block.specificity();
            let is_for = block.process.as_deref().is_none_or(|wanted| wanted == process);
            if is_for && block.options.free_threading.is_some() && specificity >= best {
                (resolved, best) = (block.options.free_threading.clone(), specificity);
            }
        }
        resolved
    }
}
