//! The protocol of a trial, step by step, each recorded before it begins (design: Trials).

use std::sync::Arc;

use super::child::give_up;
use super::kept::{Before, Kept, Watched};
use super::observe::Observer;
use super::sharing::{self, Heap, Leak, Reach};
use super::turns::Turns;
use super::{arenas, descriptors, ending, exit, freed, kept, observe, record, storm};
use crate::interpreter::{self, Interpreter};
use crate::protocol::{Event, Interpreters, Order, Shared, Step};
use crate::python::{self, PyInterpreterConfig};

/// Runs the trial in this process; whether the whole protocol passed. If not, an import has raised, or what was
/// found has ended the trial: it is in the record. The caller holds the main interpreter's GIL and gets it back.
pub(super) fn run(order: &Order) -> bool {
    descriptors::begin();
    observe::set_path(&order.path);
    let passed = match order.place {
        Interpreters::Main | Interpreters::MainToTheEnd => in_main(order),
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
    if passed && ends_python(order.place) {
        // SAFETY: the caller's promise; every interpreter of a trial that has passed has ended, and the child leaves next.
        unsafe { exit::end_python() };
    }
    if passed {
        record::write(&Event::Done);
    }
    passed
}

/// Whether the trial goes on to the end of Python. What is called without sense (`OwnGilCalled`) may do anything there, and
/// the control is to tell what an import does.
fn ends_python(place: Interpreters) -> bool {
    match place {
        Interpreters::MainToTheEnd
        | Interpreters::SharedGil
        | Interpreters::OwnGil
        | Interpreters::OwnGilUnchecked
        | Interpreters::OwnGilAlone
        | Interpreters::OwnGilStorm
        | Interpreters::FreeThreadedGroup => true,
        Interpreters::Main | Interpreters::OwnGilCalled | Interpreters::Storm | Interpreters::Created => {
            false
        }
    }
}

/// The control: one import in the main interpreter. A child of a zygote that has imported something itself
/// inherits that one's observer.
fn in_main(order: &Order) -> bool {
    step("main", Step::Start);
    KEPT.with_borrow_mut(|kept| {
        // SAFETY: the caller holds the GIL.
        unsafe {
            let observer = kept.get_or_insert_with(|| install("main"));
            step("main", Step::Import);
            bring(observer, order)
        }
    })
}

/// Interpreter A imports; B imports while A lives; A ends, B is used; C imports and is used; C ends, B is used; B ends. So the
/// first ends before another one, and the last does, too. Where they share memory, D imports and uses what all others have
/// left, and ends.
fn in_sub_interpreters(order: &Order, config: PyInterpreterConfig) -> bool {
    let order = Arc::new(order.clone());
    if !runs_init_here() {
        // SAFETY: the caller's promise.
        unsafe { observe_init_functions() };
    }
    // SAFETY: the caller's promise.
    let before = (is_apart(config) || free_threaded())
        .then(|| unsafe { Before::look() }.unwrap_or_else(|error| give_up(&error)));
    if free_threaded() && !is_apart(config) {
        // SAFETY: the caller's promise.
        unsafe { ending::watch() };
    }
    if !free_threaded() && is_apart(config) {
        // SAFETY: the caller's promise.
        unsafe { arenas::note() };
    }
    // SAFETY: the thread state is left for as long as other threads run interpreters.
    let main = unsafe { python::PyEval_SaveThread() };
    let turns = Turns::begin();
    let passed = match &before {
        Some(before) if order.place == Interpreters::OwnGilCalled => {
            kept::call(&order, config, before, &turns)
        }
        before => lives(&order, config, before.as_ref(), &turns),
    };
    turns.end(passed);
    // SAFETY: the thread state left above; it is this thread's again.
    unsafe { python::PyEval_RestoreThread(main) };
    passed
}

/// Sees what init functions load and raise in the main interpreter, which CPython runs them in.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
unsafe fn observe_init_functions() {
    KEPT.with_borrow_mut(|kept| {
        // SAFETY: the caller's promise.
        unsafe {
            let observer = kept.get_or_insert_with(|| install("main"));
            observer.call(c"hear_uncaught", "").unwrap_or_else(|error| give_up(&error));
        }
    });
}

/// Whether interpreters of this kind have a GIL each, and so nothing that could guard an object of both.
fn is_apart(config: PyInterpreterConfig) -> bool {
    config.gil == python::OWN_GIL
}

/// `before`: how it was before the trial, where the heaps are to be compared: unless one GIL guards both.
fn lives(
    order: &Arc<Order>,
    config: PyInterpreterConfig,
    before: Option<&Arc<Before>>,
    turns: &Turns,
) -> bool {
    let a = Life::begin("A", config);
    let Some(order) = a.import(order, turns, None) else {
        if let Some(before) = before.filter(|_| runs_init_here()) {
            kept::tell_of(&a, before);
        }
        return false;
    };
    let kept = before.filter(|_| is_apart(config)).map(|before| Kept::by(&a, before));
    let b = Life::begin("B", config);
    let Some(order) = b.import(&order, turns, kept.as_ref()) else { return false };
    if before.is_some_and(|before| share(&a, &b, &order, before)) {
        return false;
    }
    if before.zip(kept).is_some_and(|(before, kept)| kept.is_used(&a, &b, &order, before)) {
        return false;
    }
    if !kept::repeat(&a, &b, &order, before.filter(|_| is_apart(config))) {
        return false;
    }
    if !a.end() {
        return false;
    }
    take_freed(config);
    if !b.touch(&order) {
        return false;
    }
    let c = Life::begin("C", config);
    if c.import(&order, turns, None).is_none() {
        return false;
    }
    bring_what_init_functions_brought(&c);
    // What it has got of the one that has ended is used here too.
    if !c.touch(&order) || !c.end() {
        return false;
    }
    take_freed(config);
    if !b.touch(&order) || !b.end() {
        return false;
    }
    if is_apart(config) {
        return true;
    }
    take_freed(config);
    let d = Life::begin("D", config);
    d.import(&order, turns, None).is_some() && d.touch(&order) && d.end()
}

/// Has an interpreter import what init functions have imported in the main one, where CPython has run them.
fn bring_what_init_functions_brought(life: &Life) {
    let names = in_main_interpreter(|| {
        KEPT.with_borrow(|observer| {
            let Some(observer) = observer.as_ref() else { return Vec::new() };
            // SAFETY: with the main interpreter's GIL held.
            unsafe {
                observer.call(c"find_new", "").unwrap_or_else(|error| give_up(&error));
                if observer.loaded().is_empty() { Vec::new() } else { observer.list(c"new") }
            }
        })
    });
    if !names.is_empty() {
        // SAFETY: a job runs with its interpreter's GIL held.
        life.ask(move |observer| unsafe { observer.call(c"bring_new", &names.join(",")) });
    }
}

/// Takes the memory of an interpreter that has ended, where others use the same.
fn take_freed(config: PyInterpreterConfig) {
    if !is_apart(config) {
        // SAFETY: with the main interpreter's GIL held, whose memory they all use (`use_main_obmalloc`).
        in_main_interpreter(|| unsafe { freed::take() });
    }
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
    reach: Reach,
    pub(super) interpreter: Interpreter,
}

impl Life {
    pub(super) fn begin(name: &'static str, config: PyInterpreterConfig) -> Self {
        step(name, Step::Start);
        let interpreter = Interpreter::start(config)
            .unwrap_or_else(|error| give_up(&format!("interpreter {name}: {error}")));
        // How two of this kind can harm each other's objects: see `sharing`.
        let reach = if is_apart(config) { Reach::Code } else { Reach::Collector };
        Self { name, reach, interpreter }
    }

    /// Imports each subject while the use of what is kept is watched. Returns the order for those that it could
    /// import; `None` where there are none.
    pub(super) fn import(
        &self,
        order: &Arc<Order>,
        turns: &Turns,
        kept: Option<&Kept>,
    ) -> Option<Arc<Order>> {
        let (name, unchecked) = (self.name, order.place == Interpreters::OwnGilUnchecked);
        let installed = self.interpreter.run(move || {
            // SAFETY: a job runs with its interpreter's GIL held. The observer is dropped there too, in `end`.
            unsafe {
                if unchecked {
                    python::run(c"import _imp; _imp._override_multi_interp_extensions_check(-1)");
                }
                KEPT.set(Some(install(name)));
            }
        });
        installed.unwrap_or_else(|error| give_up(&error));
        step(name, Step::Import);
        let imports = |subject: &String| {
            let watch = kept.map(Kept::to_be_watched).unwrap_or_default();
            let order = Order { subjects: vec![subject.clone()], ..(**order).clone() };
            // SAFETY: a job runs with its interpreter's GIL held.
            self.ask(move |observer| Ok(watch.during(|| unsafe { bring(observer, &order) })))
        };
        let subjects = turns.each(&order.subjects, imports);
        (!subjects.is_empty()).then(|| Arc::new(Order { subjects, ..(**order).clone() }))
    }

    /// Uses what was imported; whether that went well.
    fn touch(&self, order: &Arc<Order>) -> bool {
        step(self.name, Step::Touch);
        let names = names(order);
        // SAFETY: a job runs with its interpreter's GIL held.
        self.ask(move |observer| unsafe { observer.call(c"touch", &names) })
    }

    /// Runs once more what of the subjects is an exercise, while it is watched; whether that went well.
    pub(super) fn repeat(&self, order: &Arc<Order>, watched: &Watched) -> bool {
        step(self.name, Step::Compare);
        let (names, watched) = (names(order), watched.clone());
        // SAFETY: a job runs with its interpreter's GIL held.
        self.ask(move |observer| watched.during(|| unsafe { observer.call(c"repeat", &names) }))
    }

    /// Everything that the interpreter reaches.
    fn walk(&self, order: &Arc<Order>) -> Heap {
        self.on_its_heap(order, Ok)
    }

    /// What it shares with the interpreter of the other heap, and the ways there.
    fn leaks(&self, order: &Arc<Order>, there: Heap, before: &Arc<Before>) -> (Vec<Leak>, Vec<String>) {
        let before = Arc::clone(before);
        self.on_its_heap(order, move |here| {
            // SAFETY: a job runs with its interpreter's GIL held; the other's thread waits for a job.
            unsafe {
                let leaks = sharing::leaks(&here, &there, &before.heap)?;
                let ways = leaks.iter().take(TOLD).map(|leak| sharing::path(&here, leak.address)).collect();
                Ok((leaks, ways))
            }
        })
    }

    /// The ways to these addresses.
    fn ways(&self, order: &Arc<Order>, addresses: Vec<usize>) -> Vec<String> {
        self.on_its_heap(order, move |here| {
            // SAFETY: a job runs with its interpreter's GIL held.
            let way = |address| unsafe { sharing::path(&here, address) };
            Ok(addresses.into_iter().map(way).collect())
        })
    }

    /// Walks its heap, on its thread, in ways that begin at the extension modules loaded, then at the subjects.
    fn on_its_heap<R: Send + 'static>(
        &self,
        order: &Arc<Order>,
        question: impl FnOnce(Heap) -> Result<R, String> + Send + 'static,
    ) -> R {
        let (order, reach) = (Arc::clone(order), self.reach);
        self.ask(move |observer| {
            // SAFETY: a job runs with its interpreter's GIL held.
            let here = unsafe { Heap::walk(&[observer.loaded(), order.subjects.clone()].concat(), reach) };
            question(here?)
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
        let released = self.interpreter.run(|| {
            // SAFETY: a job runs with its interpreter's GIL held, and what comes next is its end.
            let begun = unsafe { ending::begin() };
            // Its references need the GIL too.
            drop(KEPT.take());
            begun
        });
        released
            .and_then(|begun| begun)
            .and_then(|()| self.interpreter.end())
            .unwrap_or_else(|error| give_up(&error));
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

/// Imports each; whether all of them could be, and have left alone what is not theirs.
///
/// # Safety
/// The thread holds the GIL of the observer's interpreter.
pub(super) unsafe fn bring(observer: &Observer, order: &Order) -> bool {
    let bring = if order.place == Interpreters::OwnGilAlone { c"bring_alone" } else { c"bring" };
    order.after.iter().chain(&order.subjects).all(|subject| {
        // SAFETY: the caller's promise.
        let is_there = unsafe { observer.call(bring, subject) }.unwrap_or_else(|error| give_up(&error));
        is_there && !descriptors::are_lost()
    })
}

/// Does something in the main interpreter, whose own thread this is: it has left it to let others run.
pub(super) fn in_main_interpreter<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the thread has no thread state of another interpreter.
    unsafe {
        let ensured = python::PyGILState_Ensure();
        let result = work();
        python::PyGILState_Release(ensured);
        result
    }
}

/// The subjects as `observe.py` takes several.
pub(super) fn names(order: &Order) -> String {
    order.subjects.join(",")
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
