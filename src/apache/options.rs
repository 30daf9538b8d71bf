//! Which options an interpreter gets (mod_wsgi 6.1.1, `wsgi_interp.c`: `wsgi_resolve_interpreter_options`,
//! `wsgi_resolve_free_threading`): the block with most selectors wins, of several such the last.

use super::site::{Block, Site};
use super::values::Set;

/// What an interpreter is made with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resolved {
    pub(super) own_gil: Option<Set<bool>>,
    pub(super) switch_interval: Option<Set<f64>>,
    /// Whether the switch interval comes from a block that names an application group.
    pub(super) is_scoped: bool,
}

impl Block {
    /// Whether it is for an interpreter.
    pub(super) fn is_for(&self, process: &str, application: &str) -> bool {
        self.process.as_deref().is_none_or(|wanted| wanted == process)
            && self.application.as_deref().is_none_or(|wanted| wanted == application)
    }

    pub(super) fn specificity(&self) -> usize {
        usize::from(self.process.is_some()) + usize::from(self.application.is_some())
    }
}

impl Site {
    /// The options for an interpreter.
    pub(super) fn resolved(&self, process: &str, application: &str) -> Resolved {
        let mut resolved = Resolved {
            own_gil: self.options.own_gil.clone(),
            switch_interval: self.options.switch_interval.clone(),
            is_scoped: false,
        };
        let (mut gil, mut interval) = (0, 0);
        for block in self.blocks.iter().filter(|block| block.is_for(process, application)) {
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

    /// Whether `WSGIFreeThreading` is on for a process, and the line. Blocks that name an application group do not
    /// count.
    pub(super) fn free_threading(&self, process: &str) -> Option<Set<bool>> {
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
