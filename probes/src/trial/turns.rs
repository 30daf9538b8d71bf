//! One subject's turn after the other's, in the same interpreter: what comes of each is told in its own turn.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::left::Names;
use super::steps::in_main_interpreter;
use super::{record, touched, watch};
use crate::protocol::Event;

/// What is there beside the interpreters of a trial, and whose turn it has come in. The thread that has them all begun
/// has left the main interpreter.
pub(super) struct Turns {
    /// What everything in the main interpreter can see, as far as it was told.
    names: RefCell<Names>,
    /// The threads that were there before, by the system's numbers.
    before: BTreeMap<String, String>,
    /// In whose turn other threads have come.
    threads: RefCell<BTreeMap<String, String>>,
}

impl Turns {
    /// Looks at how it is before the first one.
    pub(super) fn begin() -> Self {
        Self {
            names: RefCell::new(names_in_main()),
            before: watch::named_threads(),
            threads: RefCell::default(),
        }
    }

    /// Imports one subject after the other. Returns those that could be imported.
    pub(super) fn each(&self, subjects: &[String], imports: impl Fn(&String) -> bool) -> Vec<String> {
        let mut there = watch::named_threads();
        let turn = |subject: &&String| {
            record::write(&Event::Turn((*subject).clone()));
            touched::forget();
            let is_imported = imports(subject);
            self.tell_what_is_left();
            let now = watch::named_threads();
            let new = now.keys().filter(|id| !there.contains_key(*id));
            self.threads.borrow_mut().extend(new.map(|id| (id.clone(), (*subject).clone())));
            there = now;
            is_imported
        };
        subjects.iter().filter(turn).cloned().collect()
    }

    /// Tells what has come in nobody's turn, and, where all interpreters have ended, which threads are left: no thread
    /// is theirs.
    pub(super) fn end(self, have_ended: bool) {
        self.tell_what_is_left();
        let left = if have_ended { outlived(&self.before) } else { BTreeMap::new() };
        let mut by_turn: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        for (id, name) in left {
            by_turn.entry(self.threads.borrow().get(&id).cloned()).or_default().push(name);
        }
        for (subject, names) in by_turn {
            subject.map(Event::Turn).iter().for_each(record::write);
            record::write(&Event::NativeThreads(names));
        }
    }

    fn tell_what_is_left(&self) {
        let now = names_in_main();
        let left = now.since(&self.names.borrow());
        if !left.is_empty() {
            record::write(&Event::LeftInMain(left));
        }
        self.names.replace(now);
    }
}

fn names_in_main() -> Names {
    // SAFETY: with the main interpreter's GIL held.
    in_main_interpreter(|| unsafe { Names::here() })
}

/// The threads that were not there before, and do not end within half a second.
fn outlived(before: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let new = || -> BTreeMap<String, String> {
        watch::named_threads().into_iter().filter(|(id, _)| !before.contains_key(id)).collect()
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
