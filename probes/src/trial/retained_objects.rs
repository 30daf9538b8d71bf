//! Objects of one interpreter that C code retains, in static data or on its heap, while another interpreter
//! runs that code.
//!
//! Retaining such an object is not a fault by itself: a module may track which interpreter owns it. Using it
//! is, so uses are watched while the other interpreter runs. Only pointers in static data are recorded without a use:
//! words on the C heap may be anything.

use std::sync::Arc;

use wsgiaudit_probes_core::interpreter_names::{FIRST, SECOND};
use wsgiaudit_probes_core::protocol::{self, ProtocolPhase, TrialEvent, TrialOrder};

use super::child::abort_probe;
use super::driver::with_main_interpreter;
use super::observe::join_subjects;
use super::record::{MAX_DESCRIBED, record_phase};
use super::sharing::{
    HeapScope, HeapSnapshot, LoadedImages, RetainingPointer, ScanExclusions, StaticsScan, tracked_addresses,
    writable_ranges,
};
use super::subject_sequence::SubjectSequence;
use super::trial_interpreter::TrialInterpreter;
use super::watched_objects::{ObservedUses, WatchedObjects};
use super::{arena_accesses, arenas, ended_interpreters, main_interpreter, process_threads, record};
use crate::python;
use crate::python::PyInterpreterConfig;

/// The state of the process before the trial.
pub(super) struct Baseline {
    /// What the main interpreter could reach.
    pub(super) heap: Arc<HeapSnapshot>,
    /// The shared objects that were loaded.
    images: LoadedImages,
    /// The memory ranges that were writable.
    memory: Vec<(usize, usize)>,
    /// The number of threads.
    threads: Option<usize>,
}

impl Baseline {
    /// Captures the current state.
    ///
    /// # Errors
    /// The exception, if the collector or the list of modules cannot be read.
    ///
    /// # Safety
    /// The thread holds the main interpreter's GIL.
    pub(super) unsafe fn take_baseline() -> Result<Arc<Self>, String> {
        // SAFETY: guaranteed by the caller.
        let heap = unsafe { HeapSnapshot::walk_heap(&[], HeapScope::Code) }?;
        Ok(Arc::new(Self {
            heap: Arc::new(heap),
            images: LoadedImages::list_loaded(),
            memory: writable_ranges(),
            threads: process_threads::count_threads(),
        }))
    }

    /// Whether memory can be watched: the process has only the threads of this many interpreters in addition,
    /// or all its threads sleep.
    fn is_quiet(&self, interpreters: usize) -> bool {
        let expected = self.threads.map(|threads| threads + interpreters);
        expected.is_some() && process_threads::count_threads() == expected
            || process_threads::do_others_sleep(arenas::is_in_arena)
    }
}

/// The objects of the first interpreter that C code retains.
pub(super) struct RetainedState {
    statics: Arc<StaticsScan>,
    watched: WatchedObjects,
}

impl RetainedState {
    /// Scans for retained objects of this interpreter, which has just imported the subjects.
    pub(super) fn scan_interpreter(interpreter: &TrialInterpreter, before: &Arc<Baseline>) -> Self {
        let is_quiet = before.is_quiet(1);
        let statics = scan_statics(interpreter, before, None, is_quiet);
        let watched = watch_objects_of(interpreter, &statics.pointers, is_quiet);
        Self { statics, watched }
    }

    /// Records the uses of the first interpreter's objects so far. Returns whether there are any.
    fn record_if_used(&self, a: &TrialInterpreter) -> bool {
        record_used(&take_used_objects(&self.watched, a))
    }

    /// The same without the arenas: in the scenario with arbitrary calls, only objects retained by static
    /// data are watched.
    fn without_arenas(mut self) -> Self {
        self.watched = self.watched.without_arenas();
        self
    }

    /// The objects to watch while the other interpreter runs.
    pub(super) fn watched_objects(&self) -> WatchedObjects {
        self.watched.clone()
    }

    /// Uses the imports in both interpreters and checks whether one uses retained objects of the other.
    /// Records retained objects. Returns whether one was used, which ends the trial.
    pub(super) fn exercise_and_check(
        &self,
        a: &TrialInterpreter,
        b: &TrialInterpreter,
        order: &Arc<TrialOrder>,
        before: &Arc<Baseline>,
    ) -> bool {
        if self.record_if_used(a) {
            return true;
        }
        let retained_in_a = self.statics.unchanged_pointers();
        let is_quiet = before.is_quiet(2);
        let statics = scan_statics(b, before, Some(&self.statics), is_quiet);
        if record_if_received(&[&statics, &scan_statics(a, before, None, false)]) {
            return true;
        }
        let (in_b, in_a) =
            (watch_objects_of(a, &retained_in_a, is_quiet), watch_objects_of(b, &statics.pointers, is_quiet));
        use_subjects_watched(b, order, &in_b);
        use_subjects_watched(a, order, &in_a);
        if record_used(&[take_used_objects(&in_b, a), take_used_objects(&in_a, b)].concat()) {
            return true;
        }
        record_unused(&[retained_in_a, statics.unchanged_pointers()].concat());
        false
    }
}

/// Records the objects that another interpreter's private copies keep: that interpreter has received them, although
/// its copies serve it alone. Returns whether there are any.
fn record_if_received(scans: &[&StaticsScan]) -> bool {
    let pointers = scans.iter().flat_map(|scan| scan.unchanged_pointers());
    let received = pointers.filter(|pointer| pointer.is_of_other);
    record_used(&received.map(|pointer| to_retained_object(&pointer)).collect::<Vec<_>>())
}

/// The objects of this interpreter that the pointers refer to, and its arenas. Empty if a module has threads
/// of its own that do not sleep: a system call of theirs would fail on protected memory.
fn watch_objects_of(
    owner: &TrialInterpreter,
    pointers: &[RetainingPointer],
    is_quiet: bool,
) -> WatchedObjects {
    if !is_quiet {
        return WatchedObjects::default();
    }
    // SAFETY: a job runs with its interpreter's GIL held.
    let interpreter = owner.call_observer(|_| Ok(unsafe { python::current_interpreter_id() }));
    WatchedObjects::new(pointers, interpreter)
}

/// Returns and resets the uses observed so far: of objects that static data retains, or if there are none, of
/// other objects.
fn take_used_objects(watched: &WatchedObjects, owner: &TrialInterpreter) -> Vec<protocol::RetainedObject> {
    let ObservedUses { pointers, accesses } = watched.take_uses();
    if !pointers.is_empty() || accesses.is_empty() {
        return pointers.iter().map(to_retained_object).collect();
    }
    // SAFETY: a job runs with its interpreter's GIL held.
    owner.call_observer(move |_| unsafe { arena_accesses::attribute_accesses(&accesses) })
}

/// Runs the exercises once more in both interpreters.
///
/// Returns whether they succeeded without using the other interpreter's objects. What can be repeated now but
/// fails after the other interpreter has ended, fails because of that end.
pub(super) fn repeat_exercises(
    a: &TrialInterpreter,
    b: &TrialInterpreter,
    order: &Arc<TrialOrder>,
    before: Option<&Arc<Baseline>>,
) -> bool {
    let is_quiet = before.is_some_and(|before| before.is_quiet(2));
    let (in_b, in_a) = (watch_objects_of(a, &[], is_quiet), watch_objects_of(b, &[], is_quiet));
    let succeeded = a.repeat_exercises(order, &in_a) && b.repeat_exercises(order, &in_b);
    !record_used(&[take_used_objects(&in_b, a), take_used_objects(&in_a, b)].concat()) && succeeded
}

/// Runs the pending calls of the main interpreter while watching this interpreter's objects. Returns whether
/// they used some, which ends the trial.
pub(super) fn run_pending_calls(a: &TrialInterpreter, before: &Arc<Baseline>) -> bool {
    let watched = watch_objects_of(a, &[], before.is_quiet(1));
    main_interpreter::run_pending_calls(&watched);
    record_used(&take_used_objects(&watched, a))
}

/// Records the retained objects of an interpreter in which an import has failed.
pub(super) fn record_after_failed_import(interpreter: &TrialInterpreter, before: &Arc<Baseline>) {
    record_unused(&scan_statics(interpreter, before, None, false).unchanged_pointers());
}

/// The scenario with arbitrary calls: calls the functions of loaded modules in A, then in B, and checks
/// whether B uses retained objects of A. Other failures do not count, since the arguments are arbitrary.
///
/// With `functions`, only these are called, which can be called in the main interpreter, too. So crashes
/// count. B calls them once more after the end of A.
pub(super) fn run_call_scenario(
    order: &Arc<TrialOrder>,
    config: PyInterpreterConfig,
    before: &Arc<Baseline>,
    sequence: &SubjectSequence,
    functions: Option<&[String]>,
) -> bool {
    let choose_functions = |interpreter: &TrialInterpreter| {
        if let Some(names) = functions.map(|functions| functions.join("\n")) {
            interpreter.call_observer(move |observer| {
                // SAFETY: a job runs with its interpreter's GIL held.
                unsafe { observer.call_function(c"choose_functions", &names) }
            });
        }
    };
    let a = TrialInterpreter::start_interpreter(FIRST, config);
    if a.import_subjects(order, sequence, &WatchedObjects::default()).is_none() {
        return false;
    }
    choose_functions(&a);
    call_until_used(&a, &a, &WatchedObjects::default());
    let retained = RetainedState::scan_interpreter(&a, before).without_arenas();
    let b = TrialInterpreter::start_interpreter(SECOND, config);
    if b.import_subjects(order, sequence, &retained.watched_objects()).is_none() {
        return false;
    }
    if retained.record_if_used(&a) {
        return false;
    }
    choose_functions(&b);
    if record_used(&call_until_used(&b, &a, &retained.watched_objects())) {
        return false;
    }
    if functions.is_none() {
        return true;
    }
    if !a.end_interpreter() {
        return false;
    }
    choose_functions(&b);
    call_until_used(&b, &b, &WatchedObjects::default());
    !ended_interpreters::record_uses()
}

/// Calls one function after the other until an object of the other interpreter is used. Returns the objects
/// used.
fn call_until_used(
    interpreter: &TrialInterpreter,
    other: &TrialInterpreter,
    watched: &WatchedObjects,
) -> Vec<protocol::RetainedObject> {
    record_phase(interpreter.name, ProtocolPhase::Call);
    loop {
        let watching = watched.clone();
        let has_called = interpreter.call_observer(move |observer| {
            // SAFETY: a job runs with its interpreter's GIL held.
            watching.run_watched(|| unsafe { observer.call_function(c"call_next", "") })
        });
        let used = take_used_objects(watched, other);
        if !has_called || !used.is_empty() {
            return used;
        }
    }
}

/// Inspects the imports in an interpreter; also runs the exercises if retained objects of the other one are
/// known.
fn use_subjects_watched(interpreter: &TrialInterpreter, order: &Arc<TrialOrder>, watched: &WatchedObjects) {
    if watched.is_empty() {
        return;
    }
    record_phase(interpreter.name, ProtocolPhase::Compare);
    let function = if watched.has_pointers() { c"touch" } else { c"look_at" };
    let (order, watched) = (Arc::clone(order), watched.clone());
    interpreter.call_observer(move |observer| {
        // SAFETY: a job runs with its interpreter's GIL held.
        watched.run_watched(|| unsafe { observer.call_function(function, &join_subjects(&order)) })
    });
}

fn scan_statics(
    interpreter: &TrialInterpreter,
    before: &Arc<Baseline>,
    earlier: Option<&Arc<StaticsScan>>,
    follows_heap: bool,
) -> Arc<StaticsScan> {
    let (before, earlier) = (Arc::clone(before), earlier.map(Arc::clone));
    // SAFETY: with the main interpreter's GIL held.
    let tracked_by_main =
        with_main_interpreter(|| unsafe { tracked_addresses() }).unwrap_or_else(|error| abort_probe(&error));
    interpreter.call_observer(move |_| {
        let Baseline { heap, images, memory, .. } = &*before;
        // SAFETY: a job runs with its interpreter's GIL held, and no other interpreter runs code.
        let statics = unsafe {
            StaticsScan::scan_data(
                &ScanExclusions { images, heap, memory, tracked_by_main },
                earlier.as_deref(),
                follows_heap,
            )
        };
        statics.map(Arc::new)
    })
}

/// Records the objects that static data retains, if any.
fn record_unused(pointers: &[RetainingPointer]) {
    let in_statics = pointers.iter().filter(|pointer| !pointer.is_on_heap);
    let retained: Vec<_> = in_statics.map(to_retained_object).collect();
    if !retained.is_empty() {
        record_retained(false, &retained);
    }
}

/// Records the objects used, if any. Returns whether there are any.
fn record_used(used: &[protocol::RetainedObject]) -> bool {
    if !used.is_empty() {
        record_retained(true, used);
    }
    !used.is_empty()
}

fn record_retained(used: bool, retained: &[protocol::RetainedObject]) {
    let objects = retained.iter().take(MAX_DESCRIBED).cloned().collect();
    record::write_event(&TrialEvent::Kept { used, count: retained.len(), objects });
}

fn to_retained_object(pointer: &RetainingPointer) -> protocol::RetainedObject {
    protocol::RetainedObject {
        kind: pointer.kind.clone(),
        is_type: pointer.is_type,
        file: pointer.file.clone(),
        offset: pointer.offset as u64,
        is_on_heap: false,
    }
}
