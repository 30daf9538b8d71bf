//! Objects that only C keeps: what a static of a module holds of one interpreter while another one runs its code.
//!
//! To keep such an object is no fault yet: a module may know whose it is. To use it is one, so its use is watched
//! while the other interpreter runs.

use std::sync::{Arc, Mutex, PoisonError};

use super::child::give_up;
use super::record;
use super::sharing::{Foreign, Heap, Images, Keeper, Reach, Statics, addresses, writable};
use super::steps::{Life, TOLD, in_main_interpreter, names, step};
use super::turns::Turns;
use super::watch::{self, Watch};
use crate::protocol::{self, Event, Order, Step};
use crate::python::PyInterpreterConfig;

/// How it was before the trial.
pub(super) struct Before {
    /// What the main interpreter could reach.
    pub(super) heap: Heap,
    /// What was loaded.
    images: Images,
    /// Which memory could be written.
    memory: Vec<(usize, usize)>,
    /// How many threads there were.
    threads: Option<usize>,
}

impl Before {
    /// Looks now.
    ///
    /// # Errors
    /// The exception, when the collector or the list of modules cannot be asked.
    ///
    /// # Safety
    /// The thread holds the main interpreter's GIL.
    pub(super) unsafe fn look() -> Result<Arc<Self>, String> {
        // SAFETY: the caller's promise.
        let heap = unsafe { Heap::walk(&[], Reach::Code) }?;
        Ok(Arc::new(Self { heap, images: Images::loaded(), memory: writable(), threads: watch::threads() }))
    }

    /// Whether there are only the threads of so many interpreters on top of those.
    fn is_quiet(&self, interpreters: usize) -> bool {
        self.threads.is_some() && watch::threads() == self.threads.map(|threads| threads + interpreters)
    }
}

/// What statics keep of the first interpreter.
pub(super) struct Kept {
    statics: Arc<Statics>,
    watched: Watched,
}

/// Objects to be watched, and those of them that were used.
#[derive(Clone, Default)]
pub(super) struct Watched {
    keepers: Vec<Keeper>,
    used: Arc<Mutex<Vec<Keeper>>>,
}

impl Watched {
    fn new(keepers: Vec<Keeper>) -> Self {
        Self { keepers, used: Arc::default() }
    }

    /// Watches while this runs.
    pub(super) fn during<R>(self, work: impl FnOnce() -> R) -> R {
        if self.keepers.is_empty() {
            return work();
        }
        let watch = Watch::begin(self.keepers);
        let result = work();
        self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(watch.used());
        result
    }

    fn used(&self) -> Vec<Keeper> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Kept {
    /// What is kept of this interpreter, which has just imported. Nothing is watched where the module has threads
    /// of its own: those may use its objects at any time.
    pub(super) fn by(life: &Life, before: &Arc<Before>) -> Self {
        let statics = look(life, before, None);
        let keepers = if before.is_quiet(1) { statics.keepers.clone() } else { Vec::new() };
        Self { statics, watched: Watched::new(keepers) }
    }

    /// Records what was used so far; whether anything was.
    fn was_used(&self) -> bool {
        let used = self.watched.used();
        if !used.is_empty() {
            tell(true, &used);
        }
        !used.is_empty()
    }

    /// What the other interpreter shall be watched for.
    pub(super) fn to_be_watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Has each interpreter use what it imported, and sees whether one uses what is kept of the other. Records what
    /// is kept; whether it was used. Then the trial is over.
    pub(super) fn is_used(&self, a: &Life, b: &Life, order: &Arc<Order>, before: &Arc<Before>) -> bool {
        if self.was_used() {
            return true;
        }
        let of_a = self.statics.unchanged();
        let statics = look(b, before, Some(&self.statics));
        let is_quiet = before.is_quiet(2);
        let watch = |keepers: &Vec<Keeper>| Watched::new(if is_quiet { keepers.clone() } else { Vec::new() });
        let (in_b, in_a) = (watch(&of_a), watch(&statics.keepers));
        touch(b, order, &in_b);
        touch(a, order, &in_a);
        let used = [in_b.used(), in_a.used()].concat();
        if !used.is_empty() {
            tell(true, &used);
            return true;
        }
        let kept = [of_a, statics.unchanged()].concat();
        if !kept.is_empty() {
            tell(false, &kept);
        }
        false
    }
}

/// Records what is kept of an interpreter in which an import has failed.
pub(super) fn tell_of(life: &Life, before: &Arc<Before>) {
    let kept = look(life, before, None).unchanged();
    if !kept.is_empty() {
        tell(false, &kept);
    }
}

/// Calls what the modules loaded hold, in the first interpreter, then in the second, and sees whether that uses what
/// is kept of the first. Nothing else counts: what calls without sense come to says nothing.
pub(super) fn call(
    order: &Arc<Order>,
    config: PyInterpreterConfig,
    before: &Arc<Before>,
    turns: &Turns,
) -> bool {
    let a = Life::begin("A", config);
    if a.import(order, turns, None).is_none() {
        return false;
    }
    each_call(&a, &Watched::default());
    let kept = Kept::by(&a, before);
    let b = Life::begin("B", config);
    if b.import(order, turns, Some(&kept)).is_none() {
        return false;
    }
    if kept.was_used() {
        return false;
    }
    each_call(&b, &kept.to_be_watched());
    !kept.was_used()
}

/// Calls one thing after the other until something kept was used.
fn each_call(life: &Life, watched: &Watched) {
    step(life.name, Step::Compare);
    let is_used = || !watched.used().is_empty();
    while !is_used() {
        let watched = watched.clone();
        // SAFETY: a job runs with its interpreter's GIL held.
        if !life.ask(move |observer| watched.during(|| unsafe { observer.call(c"call_next", "") })) {
            return;
        }
    }
}

fn touch(life: &Life, order: &Arc<Order>, watched: &Watched) {
    if watched.keepers.is_empty() {
        return;
    }
    step(life.name, Step::Compare);
    let (order, watched) = (Arc::clone(order), watched.clone());
    // SAFETY: a job runs with its interpreter's GIL held.
    life.ask(move |observer| watched.during(|| unsafe { observer.call(c"touch", &names(&order)) }));
}

fn look(life: &Life, before: &Arc<Before>, earlier: Option<&Arc<Statics>>) -> Arc<Statics> {
    let (before, earlier) = (Arc::clone(before), earlier.map(Arc::clone));
    // SAFETY: with the main interpreter's GIL held.
    let mains = in_main_interpreter(|| unsafe { addresses() }).unwrap_or_else(|error| give_up(&error));
    life.ask(move |_| {
        let Before { heap, images, memory, .. } = &*before;
        // SAFETY: a job runs with its interpreter's GIL held, and the others wait for one.
        let statics = unsafe { Statics::look(&Foreign { images, heap, memory, mains }, earlier.as_deref()) };
        statics.map(Arc::new)
    })
}

fn tell(used: bool, keepers: &[Keeper]) {
    let told = keepers.iter().take(TOLD).map(|keeper| protocol::Kept {
        kind: keeper.kind.clone(),
        is_type: keeper.is_type,
        file: keeper.file.clone(),
        offset: keeper.offset as u64,
    });
    record::write(&Event::Kept { used, count: keepers.len(), objects: told.collect() });
}
