//! Objects of one interpreter that are watched while another one runs, and the uses observed.

use std::sync::{Arc, Mutex};

use super::arena_accesses::ArenaAccess;
use super::arenas;
use super::page_watch::PageWatch;
use super::sharing::RetainingPointer;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Objects of one interpreter to watch while another one runs, and the uses observed so far.
#[derive(Clone, Default)]
pub(super) struct WatchedObjects {
    pointers: Vec<RetainingPointer>,
    /// The interpreter whose arenas are watched.
    interpreter: Option<i64>,
    used: Arc<Mutex<ObservedUses>>,
}

/// The uses of watched objects.
#[derive(Default)]
pub(super) struct ObservedUses {
    /// Of objects that static data retains.
    pub(super) pointers: Vec<RetainingPointer>,
    /// Of other memory of the interpreter.
    pub(super) accesses: Vec<ArenaAccess>,
}

impl WatchedObjects {
    /// The objects that the pointers refer to, and the arenas of this interpreter, if there are any.
    pub(super) fn new(pointers: &[RetainingPointer], interpreter: i64) -> Self {
        let interpreter = Some(interpreter).filter(|number| arenas::has_arenas(*number));
        Self { pointers: pointers.to_vec(), interpreter, used: Arc::default() }
    }

    /// Whether there is nothing to watch.
    pub(super) fn is_empty(&self) -> bool {
        self.pointers.is_empty() && self.interpreter.is_none()
    }

    /// Whether static data retains any of the objects.
    pub(super) fn has_pointers(&self) -> bool {
        !self.pointers.is_empty()
    }

    /// The same without the arenas.
    pub(super) fn without_arenas(self) -> Self {
        Self { interpreter: None, ..self }
    }

    /// Runs a closure while watching the objects.
    pub(super) fn run_watched<R>(self, work: impl FnOnce() -> R) -> R {
        if self.is_empty() {
            return work();
        }
        let watch = PageWatch::start_watch(self.pointers, self.interpreter);
        let result = work();
        let (pointers, accesses) = watch.stop_watch();
        let mut used = lock_ignoring_poison(&self.used);
        used.pointers.extend(pointers);
        used.accesses.extend(accesses);
        result
    }

    /// Returns and resets the uses observed so far.
    pub(super) fn take_uses(&self) -> ObservedUses {
        std::mem::take(&mut *lock_ignoring_poison(&self.used))
    }
}
