//! Runs the scenarios of a trial. Each phase is recorded before it begins.

use std::sync::Arc;

use wsgiaudit_probes_core::interpreter_names::{FIRST, FOURTH, MAIN, SECOND, THIRD};
use wsgiaudit_probes_core::protocol::{ProtocolPhase, Scenario, SharedPyObject, TrialEvent, TrialOrder};

use super::child::abort_probe;
use super::driver::{on_main_thread, with_main_interpreter};
use super::observe::{OBSERVER, Observer, import_all};
use super::record::{MAX_DESCRIBED, record_phase};
use super::retained_objects::{Baseline, RetainedState};
use super::sharing::LeakedObject;
use super::subject_sequence::SubjectSequence;
use super::trial_interpreter::TrialInterpreter;
use super::watched_objects::WatchedObjects;
use super::{
    arenas, call_control, descriptor_sentinel, ended_interpreters, free_poisoning, heap_scribble,
    import_hooks, isolation, main_interpreter, observe, private_copies, record, retained_objects,
    stress_test,
};
use crate::interpreter::{self, has_own_gil};
use crate::python::{self, PyInterpreterConfig};

/// Runs a trial in this process and returns whether it passed.
///
/// If it did not, the reason is in the record: an import failed, or a finding ended the trial. The caller is
/// the driver.
pub(super) fn run_trial(order: &TrialOrder) -> bool {
    on_main_thread(descriptor_sentinel::open_sentinel);
    observe::set_path_additions(&order.path);
    // SAFETY: with the main interpreter's GIL, on the first thread; no foreign code has run yet.
    let functions = (order.place == Scenario::OwnGilCopiesCalled)
        .then(|| with_main_interpreter(|| unsafe { call_control::find_callable_functions(order) }));
    // SAFETY: with the main interpreter's GIL.
    with_main_interpreter(|| unsafe { private_copies::prepare_process(order) });
    on_main_thread(|| isolation::start_watch(order));
    let passed = match order.place {
        Scenario::Main | Scenario::MainToTheEnd => run_in_main(order),
        Scenario::SharedGil => {
            run_in_sub_interpreters(order, interpreter::shared_gil_config(python::is_free_threaded()), None)
        }
        Scenario::FreeThreadedGroup => {
            run_in_sub_interpreters(order, interpreter::shared_gil_config(true), None)
        }
        Scenario::Storm => stress_test::run_threads(order),
        Scenario::OwnGilStorm | Scenario::OwnGilCopiesStorm => stress_test::run_interpreters(order),
        Scenario::Created => stress_test::create_module_only(order),
        Scenario::OwnGil
        | Scenario::OwnGilUnchecked
        | Scenario::OwnGilAlone
        | Scenario::OwnGilCalled
        | Scenario::OwnGilCopies
        | Scenario::OwnGilCopiesCalled => {
            run_in_sub_interpreters(order, interpreter::OWN_GIL, functions.as_deref())
        }
    };
    let finalizes = passed && finalizes_python(order.place);
    if finalizes {
        record_phase(MAIN, ProtocolPhase::Exit);
        // SAFETY: on the first thread; all sub-interpreters of a passed trial have ended, and the process exits next.
        on_main_thread(|| unsafe { main_interpreter::finalize_python() });
    }
    if passed {
        record::write_event(&TrialEvent::Done);
    }
    if finalizes {
        // A crash here shows in the status of the process. Foreign code runs on the first thread, without the connection.
        // SAFETY: as above.
        on_main_thread(|| unsafe { main_interpreter::exit_process() });
    }
    passed
}

/// Whether a trial that passed goes on to finalize Python. Not after arbitrary calls (`OwnGilCalled`), which
/// may break the finalization, and not in the plain control, which tests the import alone.
fn finalizes_python(place: Scenario) -> bool {
    match place {
        Scenario::MainToTheEnd
        | Scenario::SharedGil
        | Scenario::OwnGil
        | Scenario::OwnGilUnchecked
        | Scenario::OwnGilAlone
        | Scenario::OwnGilStorm
        | Scenario::OwnGilCopies
        | Scenario::OwnGilCopiesStorm
        | Scenario::FreeThreadedGroup => true,
        Scenario::Main
        | Scenario::OwnGilCalled
        | Scenario::OwnGilCopiesCalled
        | Scenario::Storm
        | Scenario::Created => false,
    }
}

/// The control: imports in the main interpreter. A child of a zygote that has imported something itself
/// inherits that zygote's observer.
fn run_in_main(order: &TrialOrder) -> bool {
    record_phase(MAIN, ProtocolPhase::Start);
    // SAFETY: with the GIL of the main interpreter.
    with_main_interpreter(|| unsafe { import_hooks::install_main_observer() });
    record_phase(MAIN, ProtocolPhase::Import);
    // SAFETY: with the GIL of the main interpreter.
    let import = |observer: &Observer| unsafe { import_all(observer, order) };
    with_main_interpreter(|| OBSERVER.with_borrow(|observer| observer.as_ref().is_some_and(import)))
}

/// Runs the lifecycles of sub-interpreters.
///
/// A imports; B imports while A is alive; A ends and B is used; C imports, is used and ends; B is used and
/// ends. So interpreters end both before others and last. If they share memory, D then imports and uses the
/// subjects in memory that the others left behind.
///
/// `functions` are those to call if the scenario calls only some of them.
fn run_in_sub_interpreters(
    order: &TrialOrder,
    config: PyInterpreterConfig,
    functions: Option<&[String]>,
) -> bool {
    let order = Arc::new(order.clone());
    // SAFETY: with the main interpreter's GIL, before there is another interpreter.
    let before = with_main_interpreter(|| unsafe { prepare_main_interpreter(config) });
    let sequence = SubjectSequence::start_sequence();
    let passed = match &before {
        Some(before) if matches!(order.place, Scenario::OwnGilCalled | Scenario::OwnGilCopiesCalled) => {
            retained_objects::run_call_scenario(&order, config, before, &sequence, functions)
        }
        before => run_lifecycles(&order, config, before.as_ref(), &sequence),
    };
    sequence.record_leftovers(passed);
    passed
}

/// Prepares the main interpreter for a trial of others. Returns the state of the process, for comparing heaps;
/// `None` if one GIL protects all of them.
///
/// # Safety
/// The thread is the first one and holds the main interpreter's GIL. There is no other interpreter.
unsafe fn prepare_main_interpreter(config: PyInterpreterConfig) -> Option<Arc<Baseline>> {
    let (is_free_threaded, own_gil) = (python::is_free_threaded(), has_own_gil(config));
    // SAFETY: guaranteed by the caller.
    unsafe {
        if !python::runs_init_in_importer() {
            observe_init_functions();
        }
        let before = (own_gil || is_free_threaded)
            .then(|| Baseline::take_baseline().unwrap_or_else(|error| abort_probe(&error)));
        if is_free_threaded && !own_gil {
            free_poisoning::install_free_hook();
        }
        if !is_free_threaded && own_gil {
            arenas::track_arenas();
        }
        before
    }
}

/// Observes what init functions load and raise in the main interpreter, where CPython runs them first.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
unsafe fn observe_init_functions() {
    // SAFETY: guaranteed by the caller.
    unsafe {
        import_hooks::install_main_observer();
        import_hooks::install_exception_hooks();
    }
}

/// Runs the lifecycles of A to D and returns whether the trial passed. `before` is the state before the
/// trial, for comparing heaps; `None` if one GIL protects both heaps.
fn run_lifecycles(
    order: &Arc<TrialOrder>,
    config: PyInterpreterConfig,
    before: Option<&Arc<Baseline>>,
    sequence: &SubjectSequence,
) -> bool {
    let a = TrialInterpreter::start_interpreter(FIRST, config);
    let Some(order) = a.import_subjects(order, sequence, &WatchedObjects::default()) else {
        if let Some(before) = before.filter(|_| python::runs_init_in_importer()) {
            retained_objects::record_after_failed_import(&a, before);
        }
        return false;
    };
    let own_gil = before.filter(|_| has_own_gil(config));
    if own_gil.is_some_and(|before| retained_objects::run_pending_calls(&a, before)) {
        return false;
    }
    let retained = own_gil.map(|before| RetainedState::scan_interpreter(&a, before));
    let b = TrialInterpreter::start_interpreter(SECOND, config);
    let watched = retained.as_ref().map(RetainedState::watched_objects).unwrap_or_default();
    let Some(order) = b.import_subjects(&order, sequence, &watched) else { return false };
    on_main_thread(isolation::record_unmatched_images);
    if before.is_some_and(|before| record_shared_objects(&a, &b, &order, before)) {
        return false;
    }
    if before
        .zip(retained)
        .is_some_and(|(before, retained)| retained.exercise_and_check(&a, &b, &order, before))
    {
        return false;
    }
    if !retained_objects::repeat_exercises(&a, &b, &order, own_gil) {
        return false;
    }
    if !a.end_interpreter() {
        return false;
    }
    scribble_after_end(config);
    if !b.use_subjects(&order) || ended_interpreters::record_uses() {
        return false;
    }
    let c = TrialInterpreter::start_interpreter(THIRD, config);
    if c.import_subjects(&order, sequence, &WatchedObjects::default()).is_none() {
        return false;
    }
    import_modules_of_init_functions(&c);
    // C may have received objects of an interpreter that has ended; this uses them too.
    if !c.use_subjects(&order) || !c.end_interpreter() {
        return false;
    }
    scribble_after_end(config);
    if !b.use_subjects(&order) || !b.end_interpreter() {
        return false;
    }
    if has_own_gil(config) {
        main_interpreter::run_pending_calls(&WatchedObjects::default());
        main_interpreter::fork_once();
        return !ended_interpreters::record_uses();
    }
    scribble_after_end(config);
    let d = TrialInterpreter::start_interpreter(FOURTH, config);
    d.import_subjects(&order, sequence, &WatchedObjects::default()).is_some()
        && d.use_subjects(&order)
        && d.end_interpreter()
}

/// Imports in this interpreter what init functions imported in the main interpreter, where CPython ran them.
fn import_modules_of_init_functions(interpreter: &TrialInterpreter) {
    let names = with_main_interpreter(|| {
        OBSERVER.with_borrow(|observer| {
            let Some(observer) = observer.as_ref() else { return Vec::new() };
            // SAFETY: with the main interpreter's GIL held.
            unsafe {
                observer.call_function(c"find_new", "").unwrap_or_else(|error| abort_probe(&error));
                if observer.loaded_modules().is_empty() {
                    Vec::new()
                } else {
                    observer.read_name_list(c"new")
                }
            }
        })
    });
    if !names.is_empty() {
        // SAFETY: a job runs with its interpreter's GIL held.
        interpreter
            .call_observer(move |observer| unsafe { observer.call_function(c"bring_new", &names.join(",")) });
    }
}

/// Overwrites the memory that an ended interpreter freed, if other interpreters share it.
fn scribble_after_end(config: PyInterpreterConfig) {
    if !has_own_gil(config) {
        // SAFETY: with the main interpreter's GIL held; all of them use its allocator (`use_main_obmalloc`).
        with_main_interpreter(|| unsafe { heap_scribble::scribble_free_memory() });
    }
}

/// Records objects that both interpreters can reach and that CPython does not share itself. Returns whether
/// there are any. If so, the trial ends, since what follows is undefined.
fn record_shared_objects(
    a: &TrialInterpreter,
    b: &TrialInterpreter,
    order: &Arc<TrialOrder>,
    before: &Arc<Baseline>,
) -> bool {
    record_phase(SECOND, ProtocolPhase::Compare);
    let first = a.walk_heap(order);
    let (leaks, second) = b.find_leaks(order, first, &before.heap);
    if leaks.is_empty() {
        return false;
    }
    let count = leaks.len();
    let described: Vec<LeakedObject> = leaks.into_iter().take(MAX_DESCRIBED).collect();
    let first = a.describe_paths(order, described.iter().map(|leak| leak.address).collect());
    let objects = described
        .into_iter()
        .zip(first.into_iter().zip(second))
        .map(|(LeakedObject { kind, is_type, file, .. }, (first, second))| SharedPyObject {
            kind,
            is_type,
            file,
            first,
            second,
        })
        .collect();
    record::write_event(&TrialEvent::Shared { count, objects });
    true
}
