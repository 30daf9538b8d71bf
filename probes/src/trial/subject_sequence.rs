//! Imports subjects one after the other in the same interpreter, so that each event can be attributed to a
//! subject.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use wsgiaudit_probes_core::protocol::TrialEvent;

use super::namespace_diff::NamespaceSnapshot;
use super::{file_access_log, isolation, process_threads, record};
use crate::interpreter::with_main_interpreter;

/// What is observed outside of the trial's interpreters, and during which subject's import it appeared. Used
/// on the main interpreter's own thread, while that is detached.
pub(super) struct SubjectSequence {
    /// The names in the main interpreter, as of the last record.
    names: RefCell<NamespaceSnapshot>,
    /// Name of each thread that existed before, by thread id.
    before: BTreeMap<String, String>,
    /// During which subject's import each other thread appeared, by thread id.
    threads: RefCell<BTreeMap<String, String>>,
}

impl SubjectSequence {
    /// Captures the state before the first subject.
    pub(super) fn start_sequence() -> Self {
        Self {
            names: RefCell::new(main_namespace()),
            before: process_threads::thread_names(),
            threads: RefCell::default(),
        }
    }

    /// Imports the subjects one by one. Returns those that could be imported.
    pub(super) fn import_each(&self, subjects: &[String], imports: impl Fn(&String) -> bool) -> Vec<String> {
        let mut there = process_threads::thread_names();
        let turn = |subject: &&String| {
            record::write_event(&TrialEvent::Turn((*subject).clone()));
            file_access_log::clear_recorded();
            let is_imported = imports(subject);
            isolation::inspect_new_images(None);
            isolation::record_process_changes();
            self.record_new_names();
            let now = process_threads::thread_names();
            let new = now.keys().filter(|id| !there.contains_key(*id));
            self.threads.borrow_mut().extend(new.map(|id| (id.clone(), (*subject).clone())));
            there = now;
            is_imported
        };
        subjects.iter().filter(turn).cloned().collect()
    }

    /// Records names that appeared outside of any subject's import. If all interpreters have ended, also
    /// records the threads still running: no interpreter owns them.
    pub(super) fn record_leftovers(self, have_ended: bool) {
        self.record_new_names();
        let left = if have_ended { surviving_threads(&self.before) } else { BTreeMap::new() };
        let mut by_turn: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        for (id, name) in left {
            by_turn.entry(self.threads.borrow().get(&id).cloned()).or_default().push(name);
        }
        for (subject, names) in by_turn {
            subject.map(TrialEvent::Turn).iter().for_each(record::write_event);
            record::write_event(&TrialEvent::NativeThreads(names));
        }
    }

    fn record_new_names(&self) {
        let now = main_namespace();
        let left = now.names_added_since(&self.names.borrow());
        if !left.is_empty() {
            record::write_event(&TrialEvent::LeftInMain(left));
        }
        self.names.replace(now);
    }
}

fn main_namespace() -> NamespaceSnapshot {
    // SAFETY: with the main interpreter's GIL held.
    with_main_interpreter(|| unsafe { NamespaceSnapshot::capture_current() })
}

/// Returns the threads that did not exist before and do not end within half a second.
fn surviving_threads(before: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let new = || -> BTreeMap<String, String> {
        process_threads::thread_names().into_iter().filter(|(id, _)| !before.contains_key(id)).collect()
    };
    let mut left = new();
    for _ in 0..50 {
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        left = new();
    }
    left
}
