//! Runs the scenarios of a trial. Each phase is recorded before it begins.

use std::sync::Arc;

use super::child::abort_probe;
use super::observe::Observer;
use super::retained_objects::{Baseline, RetainedState, WatchedObjects};
use super::sharing::{self, HeapScope, HeapSnapshot, LeakedObject};
use super::subject_sequence::SubjectSequence;
use super::{
    arenas, descriptor_sentinel, finalization, free_poisoning, heap_scribble, observe, record,
    retained_objects, stress_test,
};
use crate::interpreter::{self, InterpreterThread};
use crate::protocol::{ProtocolPhase, Scenario, SharedPyObject, TrialEvent, TrialOrder};
use crate::python::{self, PyInterpreterConfig};

/// Runs a trial in this process and returns whether it passed.
///
/// If it did not, the reason is in the record: an import failed, or a finding ended the trial. The caller
/// holds the main interpreter's GIL and still holds it afterwards.
pub(super) fn run_trial(order: &TrialOrder) -> bool {
    descriptor_sentinel::open_sentinel();
    observe::set_path_additions(&order.path);
    let passed = match order.place {
        Scenario::Main | Scenario::MainToTheEnd => run_in_main(order),
        Scenario::SharedGil => {
            run_in_sub_interpreters(order, interpreter::shared_gil_config(is_free_threaded()))
        }
        Scenario::FreeThreadedGroup => run_in_sub_interpreters(order, interpreter::shared_gil_config(true)),
        Scenario::Storm => stress_test::run_threads(order),
        Scenario::OwnGilStorm => stress_test::run_interpreters(order),
        Scenario::Created => stress_test::create_module_only(order),
        Scenario::OwnGil | Scenario::OwnGilUnchecked | Scenario::OwnGilAlone | Scenario::OwnGilCalled => {
            run_in_sub_interpreters(order, interpreter::OWN_GIL)
        }
    };
    if passed && finalizes_python(order.place) {
        // SAFETY: guaranteed by the caller; all sub-interpreters of a passed trial have ended, and the child
        // exits next.
        unsafe { finalization::finalize_python() };
    }
    if passed {
        record::write_event(&TrialEvent::Done);
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
        | Scenario::FreeThreadedGroup => true,
        Scenario::Main | Scenario::OwnGilCalled | Scenario::Storm | Scenario::Created => false,
    }
}

/// The control: imports in the main interpreter. A child of a zygote that has imported something itself
/// inherits that zygote's observer.
fn run_in_main(order: &TrialOrder) -> bool {
    record_phase("main", ProtocolPhase::Start);
    OBSERVER.with_borrow_mut(|installed| {
        // SAFETY: the caller holds the GIL.
        unsafe {
            let observer = installed.get_or_insert_with(|| install_observer("main"));
            record_phase("main", ProtocolPhase::Import);
            import_all(observer, order)
        }
    })
}

/// Runs the lifecycles of sub-interpreters.
///
/// A imports; B imports while A is alive; A ends and B is used; C imports, is used and ends; B is used and
/// ends. So interpreters end both before others and last. If they share memory, D then imports and uses the
/// subjects in memory that the others left behind.
fn run_in_sub_interpreters(order: &TrialOrder, config: PyInterpreterConfig) -> bool {
    let order = Arc::new(order.clone());
    if !runs_init_in_importer() {
        // SAFETY: guaranteed by the caller.
        unsafe { observe_init_functions() };
    }
    // SAFETY: guaranteed by the caller.
    let before = (has_own_gil(config) || is_free_threaded())
        .then(|| unsafe { Baseline::take_baseline() }.unwrap_or_else(|error| abort_probe(&error)));
    if is_free_threaded() && !has_own_gil(config) {
        // SAFETY: guaranteed by the caller.
        unsafe { free_poisoning::install_free_hook() };
    }
    if !is_free_threaded() && has_own_gil(config) {
        // SAFETY: guaranteed by the caller.
        unsafe { arenas::track_arenas() };
    }
    // SAFETY: the thread stays detached for as long as other threads run interpreters.
    let main = unsafe { python::PyEval_SaveThread() };
    let sequence = SubjectSequence::start_sequence();
    let passed = match &before {
        Some(before) if order.place == Scenario::OwnGilCalled => {
            retained_objects::run_call_scenario(&order, config, before, &sequence)
        }
        before => run_lifecycles(&order, config, before.as_ref(), &sequence),
    };
    sequence.record_leftovers(passed);
    // SAFETY: the thread state detached above is attached on the same thread.
    unsafe { python::PyEval_RestoreThread(main) };
    passed
}

/// Observes what init functions load and raise in the main interpreter, where CPython runs them first.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
unsafe fn observe_init_functions() {
    OBSERVER.with_borrow_mut(|installed| {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let observer = installed.get_or_insert_with(|| install_observer("main"));
            observer.call_function(c"hear_uncaught", "").unwrap_or_else(|error| abort_probe(&error));
        }
    });
}

/// Whether interpreters with this configuration have their own GIL. If so, no lock protects an object that
/// two of them share.
fn has_own_gil(config: PyInterpreterConfig) -> bool {
    config.gil == python::OWN_GIL
}

/// Runs the lifecycles of A to D and returns whether the trial passed. `before` is the state before the
/// trial, for comparing heaps; `None` if one GIL protects both heaps.
fn run_lifecycles(
    order: &Arc<TrialOrder>,
    config: PyInterpreterConfig,
    before: Option<&Arc<Baseline>>,
    sequence: &SubjectSequence,
) -> bool {
    let a = TrialInterpreter::start_interpreter("A", config);
    let Some(order) = a.import_subjects(order, sequence, None) else {
        if let Some(before) = before.filter(|_| runs_init_in_importer()) {
            retained_objects::record_after_failed_import(&a, before);
        }
        return false;
    };
    let retained =
        before.filter(|_| has_own_gil(config)).map(|before| RetainedState::scan_interpreter(&a, before));
    let b = TrialInterpreter::start_interpreter("B", config);
    let Some(order) = b.import_subjects(&order, sequence, retained.as_ref()) else { return false };
    if before.is_some_and(|before| record_shared_objects(&a, &b, &order, before)) {
        return false;
    }
    if before
        .zip(retained)
        .is_some_and(|(before, retained)| retained.exercise_and_check(&a, &b, &order, before))
    {
        return false;
    }
    if !retained_objects::repeat_exercises(&a, &b, &order, before.filter(|_| has_own_gil(config))) {
        return false;
    }
    if !a.end_interpreter() {
        return false;
    }
    scribble_after_end(config);
    if !b.use_subjects(&order) {
        return false;
    }
    let c = TrialInterpreter::start_interpreter("C", config);
    if c.import_subjects(&order, sequence, None).is_none() {
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
        return true;
    }
    scribble_after_end(config);
    let d = TrialInterpreter::start_interpreter("D", config);
    d.import_subjects(&order, sequence, None).is_some() && d.use_subjects(&order) && d.end_interpreter()
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

/// Maximum number of objects described in a record.
pub(super) const MAX_DESCRIBED: usize = 12;

/// Records objects that both interpreters can reach and that CPython does not share itself. Returns whether
/// there are any. If so, the trial ends, since what follows is undefined.
fn record_shared_objects(
    a: &TrialInterpreter,
    b: &TrialInterpreter,
    order: &Arc<TrialOrder>,
    before: &Arc<Baseline>,
) -> bool {
    record_phase("B", ProtocolPhase::Compare);
    let first = a.walk_heap(order);
    let (leaks, second) = b.find_leaks(order, first, before);
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

/// A sub-interpreter of the protocol, with its name in the record.
pub(super) struct TrialInterpreter {
    pub(super) name: &'static str,
    reach: HeapScope,
    pub(super) interpreter: InterpreterThread,
}

impl TrialInterpreter {
    pub(super) fn start_interpreter(name: &'static str, config: PyInterpreterConfig) -> Self {
        record_phase(name, ProtocolPhase::Start);
        let interpreter = InterpreterThread::start(config)
            .unwrap_or_else(|error| abort_probe(&format!("interpreter {name}: {error}")));
        // How two interpreters of this kind can harm each other's objects: see the module docs of `sharing`.
        let reach = if has_own_gil(config) { HeapScope::Code } else { HeapScope::Collector };
        Self { name, reach, interpreter }
    }

    /// Imports the subjects one by one, watching for uses of retained objects. Returns an order with the
    /// subjects that could be imported, or `None` if there are none.
    pub(super) fn import_subjects(
        &self,
        order: &Arc<TrialOrder>,
        sequence: &SubjectSequence,
        retained: Option<&RetainedState>,
    ) -> Option<Arc<TrialOrder>> {
        let (name, unchecked) = (self.name, order.place == Scenario::OwnGilUnchecked);
        let installed = self.interpreter.run_job(move || {
            // SAFETY: a job runs with its interpreter's GIL held. The observer is dropped there too, in
            // `end_interpreter`.
            unsafe {
                if unchecked {
                    python::run_source(c"import _imp; _imp._override_multi_interp_extensions_check(-1)");
                }
                OBSERVER.set(Some(install_observer(name)));
            }
        });
        installed.unwrap_or_else(|error| abort_probe(&error));
        record_phase(name, ProtocolPhase::Import);
        let imports = |subject: &String| {
            let watch = retained.map(RetainedState::watched_objects).unwrap_or_default();
            let order = TrialOrder { subjects: vec![subject.clone()], ..(**order).clone() };
            // SAFETY: a job runs with its interpreter's GIL held.
            self.call_observer(move |observer| {
                Ok(watch.run_watched(|| unsafe { import_all(observer, &order) }))
            })
        };
        let subjects = sequence.import_each(&order.subjects, imports);
        (!subjects.is_empty()).then(|| Arc::new(TrialOrder { subjects, ..(**order).clone() }))
    }

    /// Uses what was imported. Returns whether that succeeded.
    fn use_subjects(&self, order: &Arc<TrialOrder>) -> bool {
        record_phase(self.name, ProtocolPhase::Touch);
        let names = join_subjects(order);
        // SAFETY: a job runs with its interpreter's GIL held.
        self.call_observer(move |observer| unsafe { observer.call_function(c"touch", &names) })
    }

    /// Runs the subjects that are exercises once more, while watching objects. Returns whether that
    /// succeeded.
    pub(super) fn repeat_exercises(&self, order: &Arc<TrialOrder>, watched: &WatchedObjects) -> bool {
        record_phase(self.name, ProtocolPhase::Compare);
        let (names, watched) = (join_subjects(order), watched.clone());
        // SAFETY: a job runs with its interpreter's GIL held.
        self.call_observer(move |observer| {
            watched.run_watched(|| unsafe { observer.call_function(c"repeat", &names) })
        })
    }

    /// Captures all objects that the interpreter can reach.
    fn walk_heap(&self, order: &Arc<TrialOrder>) -> HeapSnapshot {
        self.with_heap(order, Ok)
    }

    /// Returns the objects shared with the interpreter of the other heap, and a description of how each is
    /// reached.
    fn find_leaks(
        &self,
        order: &Arc<TrialOrder>,
        there: HeapSnapshot,
        before: &Arc<Baseline>,
    ) -> (Vec<LeakedObject>, Vec<String>) {
        let before = Arc::clone(before);
        self.with_heap(order, move |here| {
            // SAFETY: a job runs with its interpreter's GIL held; no code runs in the other one.
            unsafe {
                let leaks = sharing::find_leaks(&here, &there, &before.heap)?;
                let paths = leaks
                    .iter()
                    .take(MAX_DESCRIBED)
                    .map(|leak| sharing::describe_path(&here, leak.address))
                    .collect();
                Ok((leaks, paths))
            }
        })
    }

    /// Describes how the objects at these addresses are reached.
    fn describe_paths(&self, order: &Arc<TrialOrder>, addresses: Vec<usize>) -> Vec<String> {
        self.with_heap(order, move |here| {
            // SAFETY: a job runs with its interpreter's GIL held.
            let describe = |address| unsafe { sharing::describe_path(&here, address) };
            Ok(addresses.into_iter().map(describe).collect())
        })
    }

    /// Captures the heap on the interpreter's thread and passes it to `question`. Paths to objects
    /// preferably start at a loaded extension module, then at a subject.
    fn with_heap<R: Send + 'static>(
        &self,
        order: &Arc<TrialOrder>,
        question: impl FnOnce(HeapSnapshot) -> Result<R, String> + Send + 'static,
    ) -> R {
        let (order, reach) = (Arc::clone(order), self.reach);
        self.call_observer(move |observer| {
            // SAFETY: a job runs with its interpreter's GIL held.
            let here = unsafe {
                HeapSnapshot::walk_heap(&[observer.loaded_modules(), order.subjects.clone()].concat(), reach)
            };
            question(here?)
        })
    }

    /// Ends the interpreter and returns true, unless threads would outlive it.
    ///
    /// Then the trial ends, since what follows is undefined: 3.12 and 3.13 abort, later versions leave the
    /// thread with a dangling thread state.
    fn end_interpreter(self) -> bool {
        record_phase(self.name, ProtocolPhase::End);
        // SAFETY: a job runs with its interpreter's GIL held.
        if self.call_observer(|observer| unsafe { observer.call_function(c"leaves_threads", "") }) {
            return false;
        }
        let released = self.interpreter.run_job(|| {
            // SAFETY: a job runs with its interpreter's GIL held, and the interpreter ends next.
            let started = unsafe { free_poisoning::start_poisoning() };
            // The observer's references need the GIL to be dropped.
            drop(OBSERVER.take());
            started
        });
        released
            .and_then(|started| started)
            .and_then(|()| self.interpreter.end_interpreter())
            .unwrap_or_else(|error| abort_probe(&error));
        true
    }

    /// Runs a closure with the interpreter's observer, on its thread.
    pub(super) fn call_observer<R: Send + 'static>(
        &self,
        question: impl FnOnce(&Observer) -> Result<R, String> + Send + 'static,
    ) -> R {
        let no_observer = || Err("no observer is installed in this interpreter".to_owned());
        let asked = self.interpreter.run_job(move || {
            OBSERVER.with_borrow(|observer| observer.as_ref().map_or_else(no_observer, question))
        });
        asked.and_then(|answer| answer).unwrap_or_else(|error| abort_probe(&error))
    }
}

thread_local! {
    /// The observer of the interpreter that runs on this thread.
    static OBSERVER: std::cell::RefCell<Option<Observer>> = const { std::cell::RefCell::new(None) };
}

/// Installs the observer in the current interpreter, under this name in the record.
///
/// # Safety
/// The thread holds the interpreter's GIL for as long as the observer lives.
pub(super) unsafe fn install_observer(name: &str) -> Observer {
    // SAFETY: guaranteed by the caller.
    unsafe { Observer::install(name) }.unwrap_or_else(|error| abort_probe(&error))
}

/// Imports the modules to import first, then the subjects. Returns whether all imports succeeded and left
/// other code's file descriptors alone.
///
/// # Safety
/// The thread holds the GIL of the observer's interpreter.
pub(super) unsafe fn import_all(observer: &Observer, order: &TrialOrder) -> bool {
    let function = if order.place == Scenario::OwnGilAlone { c"bring_alone" } else { c"bring" };
    order.after.iter().chain(&order.subjects).all(|subject| {
        // SAFETY: guaranteed by the caller.
        let is_there =
            unsafe { observer.call_function(function, subject) }.unwrap_or_else(|error| abort_probe(&error));
        is_there && !descriptor_sentinel::record_if_lost()
    })
}

/// Runs a closure in the main interpreter. The calling thread is the main interpreter's own and is detached.
pub(super) fn with_main_interpreter<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the thread has no thread state of another interpreter.
    unsafe {
        let ensured = python::PyGILState_Ensure();
        let result = work();
        python::PyGILState_Release(ensured);
        result
    }
}

/// The subjects as one argument for `observe.py`.
pub(super) fn join_subjects(order: &TrialOrder) -> String {
    order.subjects.join(",")
}

pub(super) fn record_phase(interpreter: &str, phase: ProtocolPhase) {
    record::write_event(&TrialEvent::Step(interpreter.to_owned(), phase));
}

/// Whether CPython runs an init function in the importing interpreter and refuses the module only afterwards.
/// Since 3.13, which added `Py_GetConstant`, it runs in the main interpreter first (`Python/import.c`).
fn runs_init_in_importer() -> bool {
    !python::has_symbol(c"Py_GetConstant")
}

/// Whether this Python was built with `--disable-gil`: only such builds export `_Py_MergeZeroLocalRefcount`
/// (`Include/refcount.h`, since 3.13).
pub(super) fn is_free_threaded() -> bool {
    python::has_symbol(c"_Py_MergeZeroLocalRefcount")
}
