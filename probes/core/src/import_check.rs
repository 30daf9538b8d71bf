//! When CPython's check of extension modules is off in an interpreter that loads private copies.
//!
//! A private copy passes the check whatever it declares, and so do the modules that its own code creates, as
//! PyO3 does. Every other module is checked as the interpreter is configured. CPython keeps the override in the
//! interpreter (`_imp._override_multi_interp_extensions_check`), not in the thread, so the loads of all threads
//! of an interpreter decide about it together.

/// What is being loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadKind {
    /// A private copy.
    Copy,
    /// Any other extension module or built-in module.
    Other,
}

/// A load that is under way.
#[derive(Clone, Copy, Debug)]
struct Load {
    interpreter: i64,
    thread: usize,
    kind: LoadKind,
}

/// The loads that are under way in all interpreters of a process, in the order in which they began.
#[derive(Debug, Default)]
pub struct LoadsUnderWay(Vec<Load>);

impl LoadsUnderWay {
    /// No load.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A load begins on this thread. Loads of one thread are nested.
    pub fn begin_load(&mut self, interpreter: i64, thread: usize, kind: LoadKind) {
        self.0.push(Load { interpreter, thread, kind });
    }

    /// The innermost load of this thread has ended.
    pub fn end_load(&mut self, interpreter: i64, thread: usize) {
        if let Some(at) =
            self.0.iter().rposition(|load| load.interpreter == interpreter && load.thread == thread)
        {
            self.0.remove(at);
        }
    }

    /// Whether the check is off: some thread is loading a copy, and none is loading anything else.
    pub fn is_check_off(&self, interpreter: i64) -> bool {
        let mut kinds = self.innermost_loads(interpreter).map(|load| load.kind).peekable();
        kinds.peek().is_some() && kinds.all(|kind| kind == LoadKind::Copy)
    }

    /// Whether another thread's load needs the opposite of what a load of this kind needs.
    pub fn must_wait(&self, interpreter: i64, thread: usize, kind: LoadKind) -> bool {
        self.innermost_loads(interpreter).any(|load| load.thread != thread && load.kind != kind)
    }

    /// The load that each thread of an interpreter is executing.
    fn innermost_loads(&self, interpreter: i64) -> impl Iterator<Item = &Load> {
        self.0.iter().enumerate().filter_map(move |(at, load)| {
            let is_of = |other: &Load| other.interpreter == interpreter && other.thread == load.thread;
            let is_innermost = !self.0.iter().skip(at + 1).any(is_of);
            (load.interpreter == interpreter && is_innermost).then_some(load)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_is_off_only_while_copies_are_loaded() {
        let mut loads = LoadsUnderWay::new();
        assert!(!loads.is_check_off(1));
        loads.begin_load(1, 7, LoadKind::Copy);
        assert!(loads.is_check_off(1) && !loads.is_check_off(2));
        loads.begin_load(1, 7, LoadKind::Other);
        assert!(!loads.is_check_off(1), "a module of the standard library within a copy is checked");
        loads.begin_load(1, 7, LoadKind::Copy);
        assert!(loads.is_check_off(1));
        for is_off in [false, true, false] {
            loads.end_load(1, 7);
            assert_eq!(loads.is_check_off(1), is_off);
        }
    }

    #[test]
    fn another_threads_load_keeps_the_check_on() {
        let mut loads = LoadsUnderWay::new();
        loads.begin_load(1, 7, LoadKind::Copy);
        loads.begin_load(1, 8, LoadKind::Other);
        assert!(!loads.is_check_off(1));
        loads.end_load(1, 8);
        assert!(loads.is_check_off(1));
        loads.end_load(1, 8);
        assert!(loads.is_check_off(1), "a thread without loads has nothing to end");
        loads.begin_load(2, 7, LoadKind::Other);
        assert!(loads.is_check_off(1), "interpreters do not affect each other");
    }

    #[test]
    fn loads_of_both_kinds_wait_for_other_threads_only() {
        let mut loads = LoadsUnderWay::new();
        loads.begin_load(1, 7, LoadKind::Copy);
        assert!(loads.must_wait(1, 8, LoadKind::Other) && !loads.must_wait(1, 8, LoadKind::Copy));
        assert!(!loads.must_wait(1, 7, LoadKind::Other) && !loads.must_wait(2, 8, LoadKind::Other));
        loads.begin_load(1, 7, LoadKind::Other);
        assert!(!loads.must_wait(1, 8, LoadKind::Other) && loads.must_wait(1, 8, LoadKind::Copy));
    }
}
