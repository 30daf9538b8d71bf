//! The memory that interpreters with an own GIL leave when they end, and its use afterwards.
//!
//! CPython unmaps the arenas of an ended interpreter, or leaks them as a whole if objects are left
//! (`Objects/obmalloc.c`); it does not use them again. So whoever uses an object there uses one of an
//! interpreter that has ended, which may or may not crash.

use std::collections::HashMap;
use std::sync::Mutex;

use wsgiaudit_probes_core::memory_map::is_reference_count;
use wsgiaudit_probes_core::protocol::TrialEvent;

use super::driver::with_main_interpreter;
use super::record::MAX_DESCRIBED;
use super::sharing::{HeapScope, HeapSnapshot, tracked_types, type_at_address};
use super::{arena_accesses, arenas, page_watch, record};
use crate::python;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Size of a pool of the object allocator (CPython, `Objects/obmalloc.c`, `POOL_SIZE`).
const POOL_SIZE: usize = 16 << 10;

/// Name and basic size of types, by address.
type TypeTable = HashMap<usize, (String, usize)>;

/// The types of the interpreters that have ended.
static ENDED_TYPES: Mutex<Option<TypeTable>> = Mutex::new(None);

/// An interpreter about to end.
pub(super) struct EndingInterpreter {
    id: i64,
    types: TypeTable,
}

impl EndingInterpreter {
    /// Describes the current interpreter; `None` if its arenas are not tracked.
    ///
    /// # Errors
    /// The exception, if its types cannot be listed.
    ///
    /// # Safety
    /// The thread holds its GIL.
    pub(super) unsafe fn describe_current() -> Result<Option<Self>, String> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let id = python::current_interpreter_id();
            arenas::has_arenas(id).then(|| Ok(Self { id, types: tracked_types()? })).transpose()
        }
    }

    /// Watches what the interpreter has left, from its end until the end of the process.
    pub(super) fn watch_memory(self) {
        lock_ignoring_poison(&ENDED_TYPES).get_or_insert_default().extend(self.types);
        page_watch::watch_ended_interpreter(self.id);
    }
}

/// Records the uses of objects of ended interpreters by C code outside of CPython since the last call.
/// Returns whether there are any, which ends the trial. The caller is the driver.
pub(super) fn record_uses() -> bool {
    let accesses = arena_accesses::take_accesses();
    if accesses.is_empty() {
        return false;
    }
    let types = lock_ignoring_poison(&ENDED_TYPES).take().unwrap_or_default();
    let used = with_main_interpreter(|| {
        // The types of CPython itself are static and so the same in every interpreter.
        // SAFETY: with the main interpreter's GIL held, in which no code runs meanwhile.
        let heap = unsafe { HeapSnapshot::walk_heap(&[], HeapScope::Code) }.ok();
        let type_at = |address: usize| {
            let known = types.get(&address).cloned();
            // SAFETY: as above.
            known.or_else(|| unsafe { type_at_address(heap.as_ref()?, address) })
        };
        arena_accesses::find_used_objects(&accesses, type_at, may_have_been_object)
    });
    *lock_ignoring_poison(&ENDED_TYPES) = Some(types);
    if used.is_empty() {
        return false;
    }
    let objects = used.iter().take(MAX_DESCRIBED).cloned().collect();
    record::write_event(&TrialEvent::Kept { used: true, count: used.len(), objects });
    true
}

/// Whether an object at this address, alive or freed, can have this first word. In a freed one, it is 0 or
/// the address of another free block of the same pool.
fn may_have_been_object(address: usize, word: usize) -> bool {
    word == 0 || word / POOL_SIZE == address / POOL_SIZE || is_reference_count(word as u64)
}
