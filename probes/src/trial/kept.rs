//! Objects that only C keeps, in a static of a module or on the heap, of one interpreter while another one runs its code.
//!
//! To keep such an object is no fault yet: a module may know whose it is. To use it is one, so its use is watched
//! while the other interpreter runs. What is kept on the heap is not looked for: its use alone tells of it.

use std::sync::{Arc, Mutex, PoisonError};

use super::child::give_up;
use super::sharing::{Foreign, Heap, Images, Keeper, Reach, Statics, addresses, writable};
use super::steps::{Life, TOLD, in_main_interpreter, names, step};
use super::turns::Turns;
use super::uses::{self, Use};
use super::watch::{self, Watch};
use super::{arenas, record};
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

/// What C keeps of the first interpreter.
pub(super) struct Kept {
    statics: Arc<Statics>,
    watched: Watched,
}

/// Objects of one interpreter to be watched while another one works, and what of them was used.
#[derive(Clone, Default)]
pub(super) struct Watched {
    keepers: Vec<Keeper>,
    /// Whose arenas are watched.
    interpreter: Option<i64>,
    used: Arc<Mutex<(Vec<Keeper>, Vec<Use>)>>,
}

impl Watched {
    /// What these keep of this interpreter, and what else there is of it. Nothing is watched where the module has threads
    /// of its own: those may use its objects at any time.
    fn of(owner: &Life, keepers: &[Keeper], is_quiet: bool) -> Self {
        if !is_quiet {
            return Self::default();
        }
        // SAFETY: a job runs with its interpreter's GIL held.
        let interpreter = owner.ask(|_| Ok(unsafe { arenas::interpreter() }));
        let interpreter = Some(interpreter).filter(|number| arenas::has_any(*number));
        Self { keepers: keepers.to_vec(), interpreter, used: Arc::default() }
    }

    fn is_empty(&self) -> bool {
        self.keepers.is_empty() && self.interpreter.is_none()
    }

    /// Watches while this runs.
    pub(super) fn during<R>(self, work: impl FnOnce() -> R) -> R {
        if self.is_empty() {
            return work();
        }
        let watch = Watch::begin(self.keepers, self.interpreter);
        let result = work();
        let (keepers, uses) = watch.end();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.0.extend(keepers);
        used.1.extend(uses);
        result
    }

    /// What was used of the objects of this interpreter so far: what statics keep, or else what was seen to be used.
    fn used(&self, owner: &Life) -> Vec<protocol::Kept> {
        let (keepers, uses) = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if !keepers.is_empty() || uses.is_empty() {
            return keepers.iter().map(in_words).collect();
        }
        // SAFETY: a job runs with its interpreter's GIL held.
        owner.ask(move |_| unsafe { uses::understand(&uses) })
    }
}

impl Kept {
    /// What is kept of this interpreter, which has just imported.
    pub(super) fn by(life: &Life, before: &Arc<Before>) -> Self {
        let statics = look(life, before, None);
        let watched = Watched::of(life, &statics.keepers, before.is_quiet(1));
        Self { statics, watched }
    }

    /// Records what was used so far of the objects of the first interpreter; whether anything was.
    fn was_used(&self, a: &Life) -> bool {
        is_told(&self.watched.used(a))
    }

    /// The same for calls without sense, which are tried for what statics keep alone.
    fn without_arenas(mut self) -> Self {
        self.watched.interpreter = None;
        self
    }

    /// What the other interpreter shall be watched for.
    pub(super) fn to_be_watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Has each interpreter use what it imported, and sees whether one uses what is kept of the other. Records what
    /// is kept; whether it was used. Then the trial is over.
    pub(super) fn is_used(&self, a: &Life, b: &Life, order: &Arc<Order>, before: &Arc<Before>) -> bool {
        if self.was_used(a) {
            return true;
        }
        let of_a = self.statics.unchanged();
        let statics = look(b, before, Some(&self.statics));
        let is_quiet = before.is_quiet(2);
        let (in_b, in_a) = (Watched::of(a, &of_a, is_quiet), Watched::of(b, &statics.keepers, is_quiet));
        touch(b, order, &in_b);
        touch(a, order, &in_a);
        if is_told(&[in_b.used(a), in_a.used(b)].concat()) {
            return true;
        }
        let kept = [of_a, statics.unchanged()].concat();
        if !kept.is_empty() {
            tell(false, &kept.iter().map(in_words).collect::<Vec<_>>());
        }
        false
    }
}

/// Has each interpreter run once more what of the subjects is an exercise; whether that went well, and without a use of what
/// is the other's. What can be done again while both live, and not after one has ended, fails because of that.
pub(super) fn repeat(a: &Life, b: &Life, order: &Arc<Order>, before: Option<&Arc<Before>>) -> bool {
    let is_quiet = before.is_some_and(|before| before.is_quiet(2));
    let (in_b, in_a) = (Watched::of(a, &[], is_quiet), Watched::of(b, &[], is_quiet));
    let went_well = a.repeat(order, &in_a) && b.repeat(order, &in_b);
    !is_told(&[in_b.used(a), in_a.used(b)].concat()) && went_well
}

/// Records what is kept of an interpreter in which an import has failed.
pub(super) fn tell_of(life: &Life, before: &Arc<Before>) {
    let kept = look(life, before, None).unchanged();
    if !kept.is_empty() {
        tell(false, &kept.iter().map(in_words).collect::<Vec<_>>());
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
    each_call(&a, &a, &Watched::default());
    let kept = Kept::by(&a, before).without_arenas();
    let b = Life::begin("B", config);
    if b.import(order, turns, Some(&kept)).is_none() {
        return false;
    }
    if kept.was_used(&a) {
        return false;
    }
    !is_told(&each_call(&b, &a, &kept.to_be_watched()))
}

/// Calls one thing after the other until something of the other interpreter was used, and returns that.
fn each_call(life: &Life, other: &Life, watched: &Watched) -> Vec<protocol::Kept> {
    step(life.name, Step::Compare);
    loop {
        let watching = watched.clone();
        // SAFETY: a job runs with its interpreter's GIL held.
        let is_one = life.ask(move |observer| watching.during(|| unsafe { observer.call(c"call_next", "") }));
        let used = watched.used(other);
        if !is_one || !used.is_empty() {
            return used;
        }
    }
}

/// Has an interpreter look at what it imported; use it, where objects of the other one are known that might be used.
fn touch(life: &Life, order: &Arc<Order>, watched: &Watched) {
    if watched.is_empty() {
        return;
    }
    step(life.name, Step::Compare);
    let function = if watched.keepers.is_empty() { c"look_at" } else { c"touch" };
    let (order, watched) = (Arc::clone(order), watched.clone());
    // SAFETY: a job runs with its interpreter's GIL held.
    life.ask(move |observer| watched.during(|| unsafe { observer.call(function, &names(&order)) }));
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

/// Records what was used, if anything was; whether it was.
fn is_told(used: &[protocol::Kept]) -> bool {
    if !used.is_empty() {
        tell(true, used);
    }
    !used.is_empty()
}

fn tell(used: bool, kept: &[protocol::Kept]) {
    let objects = kept.iter().take(TOLD).cloned().collect();
    record::write(&Event::Kept { used, count: kept.len(), objects });
}

fn in_words(keeper: &Keeper) -> protocol::Kept {
    protocol::Kept {
        kind: keeper.kind.clone(),
        is_type: keeper.is_type,
        file: keeper.file.clone(),
        offset: keeper.offset as u64,
        is_on_heap: false,
    }
}
