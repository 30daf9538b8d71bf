//! A sub-interpreter of a trial on its own thread, with its observer and its name in the record.

use std::sync::Arc;

use wsgiaudit_probes_core::protocol::{ProtocolPhase, Scenario, TrialOrder};

use super::child::abort_probe;
use super::ended_interpreters::EndingInterpreter;
use super::observe::{OBSERVER, Observer, import_all, install_observer, join_subjects};
use super::record::{MAX_DESCRIBED, record_phase};
use super::sharing::{self, HeapScope, HeapSnapshot, LeakedObject};
use super::subject_sequence::SubjectSequence;
use super::watched_objects::WatchedObjects;
use super::{free_poisoning, isolation, private_copies, thread_states};
use crate::interpreter::{InterpreterThread, has_own_gil};
use crate::python::{self, PyInterpreterConfig};

/// A sub-interpreter of the protocol, with its name in the record.
pub(super) struct TrialInterpreter {
    pub(super) name: &'static str,
    reach: HeapScope,
    interpreter: InterpreterThread,
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

    /// Imports the subjects one by one, while watching objects. Returns an order with the subjects that could
    /// be imported, or `None` if there are none.
    pub(super) fn import_subjects(
        &self,
        order: &Arc<TrialOrder>,
        sequence: &SubjectSequence,
        watched: &WatchedObjects,
    ) -> Option<Arc<TrialOrder>> {
        let (name, unchecked) = (self.name, order.place == Scenario::OwnGilUnchecked);
        let installed = self.interpreter.run_job(move || {
            // SAFETY: a job runs with its interpreter's GIL held. The observer is dropped there too, in
            // `end_interpreter`.
            unsafe {
                if unchecked {
                    python::run_source(c"import _imp; _imp._override_multi_interp_extensions_check(-1)");
                }
                private_copies::install_in_interpreter();
                OBSERVER.set(Some(install_observer(name)));
            }
        });
        installed.unwrap_or_else(|error| abort_probe(&error));
        record_phase(name, ProtocolPhase::Import);
        let imports = |subject: &String| {
            let watch = watched.clone();
            let order = TrialOrder { subjects: vec![subject.clone()], ..(**order).clone() };
            self.call_observer(move |observer| {
                // SAFETY: a job runs with its interpreter's GIL held.
                Ok(watch.run_watched(|| unsafe { import_all(observer, &order) }))
            })
        };
        let subjects = sequence.import_each(&order.subjects, imports);
        (!subjects.is_empty()).then(|| Arc::new(TrialOrder { subjects, ..(**order).clone() }))
    }

    /// Uses what was imported. Returns whether that succeeded.
    pub(super) fn use_subjects(&self, order: &Arc<TrialOrder>) -> bool {
        record_phase(self.name, ProtocolPhase::Touch);
        let names = join_subjects(order);
        // SAFETY: a job runs with its interpreter's GIL held.
        let succeeded =
            self.call_observer(move |observer| unsafe { observer.call_function(c"touch", &names) });
        isolation::inspect_new_images(None);
        isolation::record_process_changes();
        succeeded
    }

    /// Runs the subjects that are exercises once more, while watching objects. Returns whether that
    /// succeeded.
    pub(super) fn repeat_exercises(&self, order: &Arc<TrialOrder>, watched: &WatchedObjects) -> bool {
        record_phase(self.name, ProtocolPhase::Compare);
        let (names, watched) = (join_subjects(order), watched.clone());
        self.call_observer(move |observer| {
            // SAFETY: a job runs with its interpreter's GIL held.
            watched.run_watched(|| unsafe { observer.call_function(c"repeat", &names) })
        })
    }

    /// Captures all objects that the interpreter can reach.
    pub(super) fn walk_heap(&self, order: &Arc<TrialOrder>) -> HeapSnapshot {
        self.with_heap(order, Ok)
    }

    /// Returns the objects shared with the interpreter of the other heap, and a description of how each is
    /// reached.
    pub(super) fn find_leaks(
        &self,
        order: &Arc<TrialOrder>,
        there: HeapSnapshot,
        before: &Arc<HeapSnapshot>,
    ) -> (Vec<LeakedObject>, Vec<String>) {
        let before = Arc::clone(before);
        self.with_heap(order, move |here| {
            // SAFETY: a job runs with its interpreter's GIL held; no code runs in the other one.
            unsafe {
                let leaks = sharing::find_leaks(&here, &there, &before)?;
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
    pub(super) fn describe_paths(&self, order: &Arc<TrialOrder>, addresses: Vec<usize>) -> Vec<String> {
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
    pub(super) fn end_interpreter(self) -> bool {
        record_phase(self.name, ProtocolPhase::End);
        // SAFETY: a job runs with its interpreter's GIL held.
        if self.call_observer(|observer| unsafe {
            Ok(observer.call_function(c"leaves_threads", "")? || thread_states::record_foreign_states()?)
        }) {
            return false;
        }
        let released = self.interpreter.run_job(|| {
            // SAFETY: a job runs with its interpreter's GIL held, and the interpreter ends next.
            let ending = unsafe {
                free_poisoning::start_poisoning().and_then(|()| EndingInterpreter::describe_current())
            };
            // The observer's references need the GIL to be dropped.
            drop(OBSERVER.take());
            ending
        });
        let ending = released.and_then(|ending| ending).unwrap_or_else(|error| abort_probe(&error));
        self.interpreter.end_interpreter().unwrap_or_else(|error| abort_probe(&error));
        ending.into_iter().for_each(EndingInterpreter::watch_memory);
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
