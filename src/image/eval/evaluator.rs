//! Follows an init function along every path, and collects how each one ends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::circle::Circle;
use super::imports::{Model, model};
use super::overlay::Written;
use super::processor::{Bus, Convention, Step};
use super::state::{Condition, HEAP, STACK, STACK_FLOOR, State};
use super::untouched::Untouched;
use super::value::{Name, Value};
use crate::image::numbers::{NameMap, NumberSet};
use crate::image::world::World;
use crate::model::Target;

/// Bytes of the pieces in which memory is trusted or not: guards of statics lie beside each other in four bytes each.
pub(in crate::image) const WORD: u64 = 4;

/// Where an unknown value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::image) enum Origin {
    /// A call to this function.
    Call(Rc<str>),
    /// A finished module, made from a definition with this `m_size`.
    Module(Option<i64>),
    /// Memory that other code may have changed.
    Memory(u64),
}

/// How one path ends.
#[derive(Clone, Debug)]
pub(in crate::image) enum Ending {
    /// A finished module.
    Module(Option<i64>),
    /// The address of something: a definition if it is one of [`State::definitions`].
    Address(u64),
    /// The unknown result of this function, or of nothing that has a name.
    Untold(Option<Rc<str>>),
}

/// A function of the file that is not followed.
const OWN: &str = "a local function";
/// One that may be of the file.
const UNKNOWN: &str = "an unknown function";
/// Nested calls deeper than this are not followed.
const DEEPEST: u32 = 16;
/// Instructions of all constructors; those of C are a handful, those of C++ would not end.
const CONSTRUCTOR_FUEL: u32 = 2_000;
/// Instructions of one function with all it calls, the outermost aside.
const CALL_FUEL: u32 = 20_000;
/// Instructions of one evaluation.
const FUEL: u32 = 200_000;
/// Different ways in which one call may end before it counts as not understood.
const MOST_EXITS: usize = 12;
/// Different paths of the init function.
const MOST_ENDINGS: usize = 64;
/// Paths of one function that wait to be followed.
const MOST_WAITING: usize = 4096;
/// Bytes behind a pointer to the stack that a callee is taken to write.
const OUT_PARAMETER: u64 = 256;
/// Bytes behind a pointer to global data that a callee is taken to write; more would reach into the
/// neighbours, and definitions and slots have a check of their own ([`State::escaped`]).
const SPOILT: u64 = 16;

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Effort {
    /// Every path, or no answer.
    Full,
    /// The import tables have told that the module is single-phase: only `m_size` is asked for, and the first
    /// paths of a long function will do.
    Size,
}

/// What following both sides of a branch costs beside an instruction: a state is copied, hashed and compared.
/// What damaged code makes of a function is nothing but branches (found by the fuzzer: seconds for one file).
const FORK: u32 = 32;

/// Instructions under [`Effort::Size`].
const SIZE_FUEL: u32 = 8_000;
const SIZE_CALL_FUEL: u32 = 100;

/// Code bytes around the last instruction.
struct Window {
    start: u64,
    bytes: [u8; 512],
    length: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { start: 0, bytes: [0; 512], length: 0 }
    }
}

/// The evaluator was given a function that it cannot finish.
pub(in crate::image) struct Hopeless;

pub(in crate::image) struct Evaluator<'w> {
    pub(in crate::image) world: &'w World<'w>,
    pub(in crate::image) convention: &'static Convention,
    pub(in crate::image) target: Option<Target>,
    names: RefCell<Names>,
    fuel: Cell<u32>,
    effort: Cell<Effort>,
    /// Some path has made a module.
    made: Cell<bool>,
    /// The module is handed over by a shim of mypyc's.
    pub(in crate::image) is_mypyc: Cell<bool>,
    window: RefCell<Window>,
    /// Local functions that took too long: not entered again.
    hopeless: RefCell<NumberSet>,
    /// Addresses of the instructions that were interpreted.
    pub(in crate::image) seen: RefCell<NumberSet>,
    /// The same in order, to take those of an unfinished function back.
    seen_log: RefCell<Vec<u64>>,
    /// Some of the file's code ran without being interpreted.
    pub(in crate::image) skipped: Cell<bool>,
    /// Writable words of the files that were read as the file has them.
    pub(in crate::image) trusted: RefCell<BTreeSet<u64>>,
    /// Writable words that other code may have changed: unknown.
    pub(in crate::image) distrusted: BTreeSet<u64>,
}

#[derive(Default)]
struct Names {
    origins: Vec<Origin>,
    index: NameMap<(u64, Origin), Name>,
}

impl<'w> Evaluator<'w> {
    pub(in crate::image) fn new(
        world: &'w World<'w>,
        convention: &'static Convention,
        target: Option<Target>,
        distrusted: BTreeSet<u64>,
    ) -> Self {
        Self {
            world,
            convention,
            target,
            names: RefCell::default(),
            fuel: Cell::new(FUEL),
            effort: Cell::new(Effort::Full),
            made: Cell::default(),
            is_mypyc: Cell::default(),
            window: RefCell::default(),
            hopeless: RefCell::default(),
            seen: RefCell::default(),
            seen_log: RefCell::default(),
            skipped: Cell::new(false),
            trusted: RefCell::default(),
            distrusted,
        }
    }

    /// Tries no harder than for `m_size` from now on.
    pub(in crate::image) fn relax(&self) {
        self.effort.set(Effort::Size);
        self.fuel.set(self.fuel.get().min(SIZE_FUEL));
    }

    /// Under [`Effort::Size`], no function is entered once a module is made: nearly always it is the one that is
    /// returned, and what fills it is long.
    fn is_made(&self) -> bool {
        self.made.get() && self.effort.get() == Effort::Size
    }

    /// What the constructors leave behind. Where they cannot be followed they count as skipped, and memory is
    /// as the file has it.
    pub(in crate::image) fn constructed(&self, constructors: &[u64]) -> State {
        let blank = State::new(0, self.convention.stack_pointer);
        let mark = self.mark();
        let mut state = blank.clone();
        let mut limit = CONSTRUCTOR_FUEL;
        for constructor in constructors {
            let mut entry = blank.clone();
            (entry.at, entry.memory, entry.heap) = (*constructor, state.memory.clone(), state.heap);
            let ends = self.run(entry, 1, &mut limit).unwrap_or_default();
            match <[State; 1]>::try_from(ends) {
                Ok([end]) if !self.skipped.get() && !end.astray => {
                    (state.memory, state.heap) = (end.memory, end.heap)
                }
                Ok(_) | Err(_) => {
                    self.skipped.set(true);
                    self.unsee(mark);
                    return blank;
                }
            }
        }
        state
    }

    /// Every way in which the function can end other than with null.
    pub(in crate::image) fn endings(
        &self,
        function: u64,
        mut state: State,
    ) -> Result<Vec<(Ending, State)>, Hopeless> {
        state.at = function;
        let mut limit = FUEL;
        let ends = self.run(state, 0, &mut limit)?;
        Ok(ends.into_iter().filter_map(|state| Some((self.ending(&state)?, state))).collect())
    }

    fn ending(&self, state: &State) -> Option<Ending> {
        match state.registers[self.convention.result] {
            Value::Known(0) => None,
            Value::Known(address) => Some(Ending::Address(address)),
            Value::Unknown(name) => Some(match self.origin(name) {
                Some(Origin::Module(size)) => Ending::Module(size),
                Some(Origin::Call(function)) => Ending::Untold(Some(function)),
                Some(Origin::Memory(_)) | None => Ending::Untold(None),
            }),
        }
    }

    pub(in crate::image) fn origin(&self, name: Name) -> Option<Origin> {
        self.names.borrow().origins.get((name.number as usize).checked_sub(1)?).cloned()
    }

    /// The functions whose unknown results decided branches on a path.
    pub(in crate::image) fn deciders(&self, state: &State) -> BTreeSet<String> {
        let origins = state.decided.iter().filter_map(|(name, _)| self.origin(*name));
        origins
            .filter_map(|origin| match origin {
                Origin::Call(function) => Some(function.to_string()),
                Origin::Memory(address) => Some(format!("memory at {address:#x}")),
                Origin::Module(_) => None,
            })
            .collect()
    }

    /// A new unknown value; the one made here before, if still held, loses its name.
    pub(in crate::image) fn fresh(&self, state: &mut State, origin: Origin) -> Value {
        self.made.set(self.made.get() || matches!(origin, Origin::Module(_)));
        let mut names = self.names.borrow_mut();
        let key = (state.site, origin);
        if let Some(name) = names.index.get(&key).copied() {
            state.learn(name, Value::UNKNOWN);
            return Value::Unknown(name);
        }
        names.origins.push(key.1.clone());
        let name = Name::of(u32::try_from(names.origins.len()).unwrap_or(0));
        names.index.insert(key, name);
        Value::Unknown(name)
    }

    fn run(&self, entry: State, depth: u32, limit: &mut u32) -> Result<Vec<State>, Hopeless> {
        let mut work = vec![entry.clone()];
        let (mut done, mut ends, mut forks) = (Vec::new(), NumberSet::default(), NumberSet::default());
        let most = if depth == 0 { MOST_ENDINGS } else { MOST_EXITS };
        let mut untouched = Untouched::all();
        while let Some(state) = work.pop() {
            let followed = self.follow(state, depth, limit, &mut work, &mut forks, &entry);
            if followed.is_err() && depth == 0 && self.effort.get() == Effort::Size {
                return Ok(done);
            }
            for mut state in followed? {
                untouched.pass(self.convention, &entry, &state);
                self.leave(&entry, &mut state);
                let failed = depth == 0 && state.registers[self.convention.result] == Value::ZERO;
                if !failed && ends.insert(state.fingerprint()) {
                    done.push(state);
                }
                if depth == 0 && self.effort.get() == Effort::Size && !done.is_empty() {
                    return Ok(done);
                }
                if done.len() > most || work.len() > MOST_WAITING {
                    return Err(Hopeless);
                }
            }
        }
        done.iter_mut().for_each(|state| untouched.keep(self.convention, &entry, state));
        Ok(done)
    }

    /// One path up to its return; other paths go to `work`.
    fn follow(
        &self,
        mut state: State,
        depth: u32,
        limit: &mut u32,
        work: &mut Vec<State>,
        forks: &mut NumberSet,
        entry: &State,
    ) -> Result<Vec<State>, Hopeless> {
        let mut circle = Circle::default();
        let mut before = 0;
        loop {
            self.spend(limit, 1)?;
            if state.at <= before && circle.closes(&state) {
                return Ok(Vec::new());
            }
            before = state.at;
            if let Some(name) = self.world.import_at(state.at) {
                return self.import(state, &name, depth, limit);
            }
            self.see(state.at);
            match (self.convention.step)(self, &mut state) {
                Step::Next => {}
                Step::Jump(Value::Known(to)) => state.at = to,
                Step::Jump(Value::Unknown(_)) => {
                    self.skipped.set(true);
                    self.opaque(&mut state, UNKNOWN);
                    return Ok(vec![state]);
                }
                Step::Branch(condition, to) => match state.test(condition) {
                    Some(true) => state.at = to,
                    Some(false) => {}
                    None => match self.forked(&mut state, condition, to, forks, limit)? {
                        Some(other) => work.push(other),
                        None => return Ok(Vec::new()),
                    },
                },
                Step::BranchZero(value, bytes, zero, to) => {
                    state.flags = super::state::Flags::Test(value, value, bytes);
                    let condition = if zero { Condition::Equal } else { Condition::NotEqual };
                    match state.test(condition) {
                        Some(true) => state.at = to,
                        Some(false) => {}
                        None => match self.forked(&mut state, condition, to, forks, limit)? {
                            Some(other) => work.push(other),
                            None => return Ok(Vec::new()),
                        },
                    }
                }
                Step::Either(to) => {
                    state.flags = super::state::Flags::Unknown;
                    match self.forked(&mut state, Condition::Untold, to, forks, limit)? {
                        Some(other) => work.push(other),
                        None => return Ok(Vec::new()),
                    }
                }
                Step::Call(to) => {
                    let mut after = self.call(state, to, depth, limit)?;
                    let Some(next) = after.pop() else { return Ok(Vec::new()) };
                    state = next;
                    work.append(&mut after);
                }
                Step::Return => {
                    if state.registers[self.convention.stack_pointer]
                        != entry.registers[self.convention.stack_pointer]
                    {
                        state.registers[self.convention.result] = Value::UNKNOWN;
                    }
                    return Ok(vec![state]);
                }
                Step::Stop => return Ok(Vec::new()),
            }
        }
    }

    fn see(&self, address: u64) {
        if self.seen.borrow_mut().insert(address) {
            self.seen_log.borrow_mut().push(address);
        }
    }

    fn mark(&self) -> usize {
        self.seen_log.borrow().len()
    }

    fn unsee(&self, mark: usize) {
        let mut seen = self.seen.borrow_mut();
        for address in self.seen_log.borrow_mut().drain(mark..) {
            seen.remove(&address);
        }
    }

    /// Splits a path at a branch that nothing decides: `state` goes on where the condition fails, the other one
    /// where it holds. `None` where an equal path came by before.
    fn forked(
        &self,
        state: &mut State,
        condition: Condition,
        to: u64,
        forks: &mut NumberSet,
        limit: &mut u32,
    ) -> Result<Option<State>, Hopeless> {
        if self.effort.get() == Effort::Full {
            self.spend(limit, FORK)?;
        }
        state.prune();
        if !forks.insert(state.fingerprint()) {
            return Ok(None);
        }
        let mut other = state.clone();
        other.at = to;
        fork(&mut other, condition, true);
        fork(state, condition, false);
        Ok(Some(other))
    }

    fn spend(&self, limit: &mut u32, amount: u32) -> Result<(), Hopeless> {
        self.fuel.set(self.fuel.get().checked_sub(amount).ok_or(Hopeless)?);
        *limit = limit.checked_sub(amount).ok_or(Hopeless)?;
        Ok(())
    }

    fn call(&self, mut state: State, to: Value, depth: u32, limit: &mut u32) -> Result<Vec<State>, Hopeless> {
        let back = state.at;
        state.site = back;
        let Value::Known(to) = to else {
            self.skipped.set(true);
            self.opaque(&mut state, UNKNOWN);
            return Ok(vec![state]);
        };
        let mut after = if let Some(name) = self.world.import_at(to) {
            self.import(state, &name, depth, limit)?
        } else {
            self.enter(state, to, depth, limit)?
        };
        after.iter_mut().for_each(|state| state.at = back);
        Ok(after)
    }

    /// Interprets a local function, or gives it up and takes its result as unknown.
    pub(super) fn enter(
        &self,
        mut state: State,
        to: u64,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<State>, Hopeless> {
        if depth < DEEPEST && !self.is_made() && !self.hopeless.borrow().contains(&to) {
            let mut inner = state.clone();
            inner.at = to;
            if self.convention.link.is_none() {
                let top = inner.registers[self.convention.stack_pointer].map(|top| top.wrapping_sub(8));
                inner.registers[self.convention.stack_pointer] = top;
                self.store(&mut inner, top, 8, Value::UNKNOWN);
            }
            let most = match self.effort.get() {
                Effort::Full => CALL_FUEL,
                Effort::Size => SIZE_CALL_FUEL,
            };
            let before = (*limit / 2).min(most);
            let mut own = before;
            let mark = self.mark();
            let result = self.run(inner, depth + 1, &mut own);
            *limit = limit.saturating_sub(before - own);
            if let Ok(mut states) = result {
                for inner in &mut states {
                    inner.registers[self.convention.stack_pointer] =
                        state.registers[self.convention.stack_pointer];
                }
                return Ok(states);
            }
            if self.fuel.get() < FORK {
                return Err(Hopeless);
            }
            self.hopeless.borrow_mut().insert(to);
            self.unsee(mark);
        }
        self.skipped.set(true);
        self.opaque(&mut state, OWN);
        Ok(vec![state])
    }

    fn import(
        &self,
        mut state: State,
        name: &Rc<str>,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<State>, Hopeless> {
        match model(self, &mut state, name) {
            Model::Result(value) => {
                self.clobber(&mut state);
                state.registers[self.convention.result] = value;
                Ok(vec![state])
            }
            Model::NoReturn => Ok(Vec::new()),
            Model::Unknown => match self.world.elsewhere(name) {
                Some(function) => self.enter(state, function, depth, limit),
                None => {
                    self.opaque(&mut state, name);
                    Ok(vec![state])
                }
            },
        }
    }

    /// A call to code that is not interpreted.
    fn opaque(&self, state: &mut State, name: &str) {
        let own = name == OWN;
        let api = name.starts_with("Py") || name.starts_with("_Py");
        for argument in self.convention.arguments {
            let Value::Known(address) = state.registers[*argument] else { continue };
            // A function handed to a function may be called.
            if self.world.executable(address) {
                self.skipped.set(true);
            }
            if (STACK_FLOOR..STACK).contains(&address) {
                state.memory.forget(address..address + OUT_PARAMETER);
            } else if api {
                // CPython's API writes neither definitions nor slots.
            } else if (HEAP..STACK_FLOOR).contains(&address) {
                state.memory.forget(address..address + OUT_PARAMETER);
                state.escaped.push(address);
            } else if self.world.writable(address) {
                for word in (0..SPOILT).step_by(8).map(|offset| address + offset) {
                    if self.world.writable(word) && !self.keeps_module(state, word) {
                        state.memory.set(word, 8, Value::UNKNOWN);
                    }
                }
                state.escaped.push(address);
            }
        }
        let result = self.fresh(state, Origin::Call(name.into()));
        self.clobber(state);
        if own || name == UNKNOWN {
            self.forget_modules(state);
        }
        if own {
            let lost = Value::Unknown(Name::CLOBBERED);
            self.convention.volatile.iter().for_each(|register| state.registers[*register] = lost);
        }
        state.registers[self.convention.result] = result;
    }

    /// A module that is kept in the file's own memory may be another one after code that was not followed. Not
    /// so with mypyc: what is called on the way takes it away only where the import fails (`CPyImport_Exec` in
    /// mypyc/lib-rt).
    fn forget_modules(&self, state: &mut State) {
        if self.is_mypyc.get() {
            return;
        }
        let names = self.names.borrow();
        let made = (1..).zip(&names.origins).filter(|(_, origin)| matches!(origin, Origin::Module(_)));
        made.for_each(|(number, _)| state.memory.learn_below(HEAP, Name::of(number), Value::UNKNOWN));
    }

    /// Whether mypyc's init function keeps its module here.
    fn keeps_module(&self, state: &State, address: u64) -> bool {
        let Written::All(Value::Unknown(name)) = state.memory.get(address, 8) else { return false };
        self.is_mypyc.get() && matches!(self.origin(name), Some(Origin::Module(_)))
    }

    fn clobber(&self, state: &mut State) {
        for register in self.convention.volatile {
            state.registers[*register] = Value::UNKNOWN;
        }
        state.vectors.clear();
        state.flags = super::state::Flags::Unknown;
    }

    /// What a return leaves behind: callee-saved registers as they were, nothing below the stack pointer.
    fn leave(&self, entry: &State, state: &mut State) {
        let result = state.registers[self.convention.result];
        let second = self.convention.volatile.get(2).copied().unwrap_or(self.convention.result);
        let pair = state.registers[second];
        state.registers = entry.registers;
        for register in self.convention.volatile {
            state.registers[*register] = Value::UNKNOWN;
        }
        state.registers[second] = pair;
        state.registers[self.convention.result] = result;
        state.flags = super::state::Flags::Unknown;
        state.vectors.clear();
        if let Value::Known(top) = entry.registers[self.convention.stack_pointer] {
            state.memory.drop_range(STACK_FLOOR, top);
        }
        state.at = 0;
        state.site = 0;
        state.prune();
    }
}

fn fork(state: &mut State, condition: Condition, outcome: bool) {
    // Only what has an origin can be named later, and once is enough: a long loop would fill the memory.
    if let Some((name, _, _)) = state.hinge().filter(|(name, _, _)| !name.is_anonymous()) {
        let decided = (name, u64::from(outcome));
        if !state.decided.contains(&decided) {
            state.decided.push(decided);
        }
    }
    state.assume(condition, outcome);
}

impl Bus for Evaluator<'_> {
    fn load(&self, state: &State, address: Value, bytes: u32) -> Value {
        let Value::Known(address) = address else { return Value::UNKNOWN };
        match state.memory.get(address, bytes) {
            Written::All(value) => return value,
            Written::Partly => {
                let parts = (0..bytes)
                    .map(|index| self.load(state, Value::Known(address.wrapping_add(index.into())), 1));
                let whole = parts.enumerate().fold(Value::ZERO, |whole, (index, byte)| {
                    whole.with(byte, |whole, byte| whole | byte << (index * 8))
                });
                let half = || self.load(state, Value::Known(address), 4).known();
                return match (bytes, whole) {
                    (8, Value::Unknown(_)) => half().map_or(whole, |low| Value::half(low as u32)),
                    _ => whole,
                };
            }
            Written::None => {}
        }
        if let Some(name) = self.world.import_at(address) {
            return super::imports::data(self, &name);
        }
        if self.world.writable(address) {
            let words = address / WORD..=address.wrapping_add(u64::from(bytes) - 1) / WORD;
            if words.clone().any(|word| self.distrusted.contains(&word)) {
                let mut names = self.names.borrow_mut();
                let key = (address, Origin::Memory(address));
                if let Some(name) = names.index.get(&key) {
                    return Value::Unknown(*name);
                }
                names.origins.push(key.1.clone());
                let name = Name::of(u32::try_from(names.origins.len()).unwrap_or(0));
                names.index.insert(key, name);
                return if bytes == 8 { Value::Unknown(name) } else { Value::UNKNOWN };
            }
            self.trusted.borrow_mut().extend(words);
        }
        self.world.load(address, bytes)
    }

    fn store(&self, state: &mut State, address: Value, bytes: u32, value: Value) {
        let Value::Known(address) = address else {
            state.astray |= address == Value::Unknown(Name::CLOBBERED);
            return;
        };
        if (HEAP..STACK).contains(&address) || self.world.writable(address) {
            state.memory.set(address, bytes, value);
        }
    }

    fn code(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut window = self.window.borrow_mut();
        let offset = address.wrapping_sub(window.start);
        if offset.saturating_add(buffer.len() as u64) > window.length as u64 {
            let window = &mut *window;
            window.start = address;
            window.length = self.world.code(address, &mut window.bytes);
        }
        let offset = address.wrapping_sub(window.start) as usize;
        let held = window.bytes[..window.length].get(offset..).unwrap_or_default();
        let length = held.len().min(buffer.len());
        buffer[..length].copy_from_slice(&held[..length]);
        length
    }
}
