//! The protocol of a trial, step by step, each recorded before it begins (design: Trials).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::child::give_up;
use super::kept::{Before, Kept};
use super::left::Names;
use super::observe::Observer;
use super::sharing::{self, Heap, Leak};
use super::{kept, record, storm, watch};
use crate::interpreter::{self, Interpreter};
use crate::protocol::{Event, Interpreters, Order, Shared, Step};
use crate::python::{self, PyInterpreterConfig};

/// Runs the trial in this process; whether the whole protocol passed. If not, an import has raised, which
/// is in the record. The caller holds the main interpreter's GIL and gets it back.
pub(super) fn run(order: &Order) -> bool {
    let passed = match order.place {
        Interpreters::Main => in_main(order),
        Interpreters::SharedGil => in_sub_interpreters(order, interpreter::shared_gil(free_threaded())),
        Interpreters::FreeThreadedGroup => in_sub_interpreters(order, interpreter::shared_gil(true)),
        Interpreters::Storm => storm::run(order),
        Interpreters::OwnGilStorm => storm::of_interpreters(order),
        Interpreters::Created => storm::create_only(order),
        Interpreters::OwnGil
        | Interpreters::OwnGilUnchecked
        | Interpreters::OwnGilAlone
        | Interpreters::OwnGilCalled => in_sub_interpreters(order, interpreter::OWN_GIL),
    };
    if passed {
        record::write(&Event::Done);
    }
    passed
}

/// The control: one import in the main interpreter. A child of a zygote that has imported something itself
/// inherits that one's observer.
fn in_main(order: &Order) -> bool {
    step("main", Step::Start);
    KEPT.with_borrow_mut(|kept| {
        // SAFETY: the caller holds the GIL.
        unsafe {
            let observer = kept.get_or_insert_with(|| install("main"));
            import("main", observer, order)
        }
    })
}

/// Interpreter A imports; B imports while A lives; B ends, A is used; A ends; C imports.
fn in_sub_interpreters(order: &Order, config: PyInterpreterConfig) -> bool {
    let order = Arc::new(order.clone());
    // SAFETY: the caller's promise.
    let before = is_apart(config).then(|| unsafe { Before::look() }.unwrap_or_else(|error| give_up(&error)));
    // SAFETY: the caller's promise, and the thread state is left for as long as other threads run interpreters.
    let (names, main) = unsafe { (Names::here(), python::PyEval_SaveThread()) };
    let threads = watch::named_threads();
    let passed = match &before {
        Some(before) if order.place == Interpreters::OwnGilCalled => kept::call(&order, config, before),
        before => lives(&order, config, before.as_ref()),
    };
    // SAFETY: the thread state left above; it is this thread's again.
    let left = unsafe {
        python::PyEval_RestoreThread(main);
        Names::here().since(&names)
    };
    if !left.is_empty() {
        record::write(&Event::LeftInMain(left));
    }
    // Where all interpreters have ended, no thread is theirs.
    let others = if passed { outlived(&threads) } else { Vec::new() };
    if !others.is_empty() {
        record::write(&Event::NativeThreads(others));
    }
    passed
}

/// The names of threads that were not there before, and do not end within half a second.
fn outlived(before: &BTreeMap<String, String>) -> Vec<String> {
    let new = || -> Vec<String> {
        let all = watch::named_threads();
        all.into_iter().filter(|(id, _)| !before.contains_key(id)).map(|(_, name)| name).collect()
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

/// Whether interpreters of this kind have a GIL each, and so nothing that could guard an object of both.
fn is_apart(config: PyInterpreterConfig) -> bool {
    config.gil == python::OWN_GIL
}

/// `before`: how it was before the trial, where the heaps are to be compared.
fn lives(order: &Arc<Order>, config: PyInterpreterConfig, before: Option<&Arc<Before>>) -> bool {
    let a = Life::begin("A", config);
    if !a.import(order) {
        if let Some(before) = before.filter(|_| runs_init_here()) {
            kept::tell_of(&a, before);
        }
        return false;
    }
    let kept = before.map(|before| Kept::by(&a, before));
    let b = Life::begin("B", config);
    if !b.import_watched(order, kept.as_ref()) {
        return false;
    }
    if before.is_some_and(|before| share(&a, &b, order, before)) {
        return false;
    }
    if before.zip(kept).is_some_and(|(before, kept)| kept.is_used(&a, &b, order, before)) {
        return false;
    }
    if !b.end() {
        return false;
    }
    if !a.touch(order) || !a.end() {
        return false;
    }
    let c = Life::begin("C", config);
    c.import(order) && c.end()
}

/// Shared objects whose ways are told.
pub(super) const TOLD: usize = 12;

/// Records what both interpreters can reach and CPython does not share by itself; whether there is any. Then
/// the trial is over: what comes of it is anybody's guess.
fn share(a: &Life, b: &Life, order: &Arc<Order>, before: &Arc<Before>) -> bool {
    step("B", Step::Compare);
    let first = a.walk(order);
    let (leaks, second) = b.leaks(order, first, before);
    if leaks.is_empty() {
        return false;
    }
    let count = leaks.len();
    let told: Vec<Leak> = leaks.into_iter().take(TOLD).collect();
    let first = a.ways(order, told.iter().map(|leak| leak.address).collect());
    let objects = told
        .into_iter()
        .zip(first.into_iter().zip(second))
        .map(|(Leak { kind, is_type, file, .. }, (first, second))| Shared {
            kind,
            is_type,
            file,
            first,
            second,
        })
        .collect();
    record::write(&Event::Shared { count, objects });
    true
}

/// One interpreter's life within the protocol.
pub(super) struct Life {
    pub(super) name: &'static str,
    pub(super) interpreter: Interpreter,
}

impl Life {
    pub(super) fn begin(name: &'static str, config: PyInterpreterConfig) -> Self {
        step(name, Step::Start);
        let interpreter = Interpreter::start(config)
            .unwrap_or_else(|error| give_up(&format!("interpreter {name}: {error}")));
        Self { name, interpreter }
    }

    pub(super) fn import(&self, order: &Arc<Order>) -> bool {
        self.import_watched(order, None)
    }

    /// Imports while the use of what is kept is watched.
    pub(super) fn import_watched(&self, order: &Arc<Order>, kept: Option<&Kept>) -> bool {
        let (name, order) = (self.name, Arc::clone(order));
        let watch = kept.map(Kept::to_be_watched).unwrap_or_default();
        let imported = self.interpreter.run(move || {
            // SAFETY: a job runs with its interpreter's GIL held. The observer is dropped there too, in `end`.
            unsafe {
                if order.place == Interpreters::OwnGilUnchecked {
                    python::run(c"import _imp; _imp._override_multi_interp_extensions_check(-1)");
                }
                let observer = install(name);
                let imported = watch.during(|| import(name, &observer, &order));
                KEPT.set(Some(observer));
                imported
            }
        });
        imported.unwrap_or_else(|error| give_up(&error))
    }

    /// Uses what was imported; whether that went well.
    fn touch(&self, order: &Arc<Order>) -> bool {
        step(self.name, Step::Touch);
        let order = Arc::clone(order);
        // SAFETY: a job runs with its interpreter's GIL held.
        self.ask(move |observer| unsafe { observer.call(c"touch", &order.subject) })
    }

    /// Everything that the interpreter reaches.
    fn walk(&self, order: &Arc<Order>) -> Heap {
        let subject = order.subject.clone();
        // SAFETY: a job runs with its interpreter's GIL held.
        self.ask(move |observer| unsafe { walk(observer, subject) })
    }

    /// What it shares with the interpreter of the other heap, and the ways there.
    fn leaks(&self, order: &Arc<Order>, there: Heap, before: &Arc<Before>) -> (Vec<Leak>, Vec<String>) {
        let (subject, before) = (order.subject.clone(), Arc::clone(before));
        self.ask(move |observer| {
            // SAFETY: a job runs with its interpreter's GIL held; the other's thread waits for a job.
            unsafe {
                let here = walk(observer, subject)?;
                let leaks = sharing::leaks(&here, &there, &before.heap)?;
                let ways = leaks.iter().take(TOLD).map(|leak| sharing::path(&here, leak.address)).collect();
                Ok((leaks, ways))
            }
        })
    }

    /// The ways to these addresses.
    fn ways(&self, order: &Arc<Order>, addresses: Vec<usize>) -> Vec<String> {
        let subject = order.subject.clone();
        self.ask(move |observer| {
            // SAFETY: a job runs with its interpreter's GIL held.
            unsafe {
                let here = walk(observer, subject)?;
                Ok(addresses.into_iter().map(|address| sharing::path(&here, address)).collect())
            }
        })
    }

    /// Ends the interpreter, unless threads would outlive it: then what follows is anybody's guess (3.12 and
    /// 3.13 abort, later ones leave the thread with a state that is gone), and the trial is over.
    fn end(self) -> bool {
        step(self.name, Step::End);
        // SAFETY: a job runs with its interpreter's GIL held.
        if self.ask(|observer| unsafe { observer.call(c"leaves_threads", "") }) {
            return false;
        }
        // Its references need the GIL too.
        let released = self.interpreter.run(|| drop(KEPT.take()));
        released.and_then(|()| self.interpreter.end()).unwrap_or_else(|error| give_up(&error));
        true
    }

    /// Calls the interpreter's observer, on its thread.
    pub(super) fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&Observer) -> Result<R, String> + Send + 'static,
    ) -> R {
        let nobody = || Err("nothing was imported there".to_owned());
        let asked = self
            .interpreter
            .run(move || KEPT.with_borrow(|observer| observer.as_ref().map_or_else(nobody, question)));
        asked.and_then(|answer| answer).unwrap_or_else(|error| give_up(&error))
    }
}

thread_local! {
    /// The observer of the interpreter that this thread runs.
    static KEPT: std::cell::RefCell<Option<Observer>> = const { std::cell::RefCell::new(None) };
}

/// # Safety
/// The thread holds the interpreter's GIL for as long as the observer lives.
pub(super) unsafe fn install(name: &str) -> Observer {
    // SAFETY: the caller's promise.
    unsafe { Observer::install(name) }.unwrap_or_else(|error| give_up(&error))
}

/// The heap, with ways that begin at the extension modules loaded, then at the subject.
///
/// # Safety
/// The thread holds the GIL of the observer's interpreter.
unsafe fn walk(observer: &Observer, subject: String) -> Result<Heap, String> {
    // SAFETY: the caller's promise.
    unsafe {
        let mut first = observer.loaded();
        first.push(subject);
        Heap::walk(&first)
    }
}

/// # Safety
/// The thread holds the GIL of the observer's interpreter.
pub(super) unsafe fn import(name: &str, observer: &Observer, order: &Order) -> bool {
    step(name, Step::Import);
    let bring = if order.place == Interpreters::OwnGilAlone { c"bring_alone" } else { c"bring" };
    order.after.iter().chain([&order.subject]).all(|subject| {
        // SAFETY: the caller's promise.
        unsafe { observer.call(bring, subject) }.unwrap_or_else(|error| give_up(&error))
    })
}

pub(super) fn step(interpreter: &str, step: Step) {
    record::write(&Event::Step(interpreter.to_owned(), step));
}

/// Whether CPython runs an init function in the interpreter that imports, and refuses the module only then: since 3.13,
/// which brought `Py_GetConstant`, it runs in the main interpreter first (`Python/import.c`).
fn runs_init_here() -> bool {
    !python::exports(c"Py_GetConstant")
}

/// Whether this Python was built with `--disable-gil`: only then is `_Py_MergeZeroLocalRefcount` there
/// (`Include/refcount.h`, since 3.13).
pub(super) fn free_threaded() -> bool {
    python::exports(c"_Py_MergeZeroLocalRefcount")
}
