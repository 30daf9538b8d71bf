//! Interprets an init function along every path, and collects how each path ends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::import_models::{CallModel, model_call};
use super::loop_detector::LoopDetector;
use super::machine_state::{Condition, HEAP, MachineState, STACK, STACK_FLOOR};
use super::memory_overlay::OverlayLookup;
use super::preserved_registers::PreservedRegisters;
use super::processor::{CallingConvention, ControlTransfer, MemoryBus};
use super::value::{AbstractValue, UnknownId};
use crate::image::address_space::AddressSpace;
use crate::image::fast_maps::{NameMap, NumberSet};
use crate::model::TargetPython;

/// Granularity in bytes at which memory is trusted or not: guard variables of statics may be adjacent
/// four-byte words.
pub(in crate::image) const WORD: u64 = 4;

/// The source of an unknown value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::image) enum Origin {
    /// The result of this function.
    Call(Rc<str>),
    /// A module object, created from a definition with this `m_size`.
    Module(Option<i64>),
    /// Memory that other code may have changed.
    Memory(u64),
}

/// How one path ends.
#[derive(Clone, Debug)]
pub(in crate::image) enum Ending {
    /// It returns a module object; its `m_size`.
    Module(Option<i64>),
    /// It returns an address: of a module definition if it is one of [`MachineState::definitions`].
    Address(u64),
    /// It returns the unknown result of this function, or an unknown value without a known source.
    Untold(Option<Rc<str>>),
}

/// Name of a function of the file that is not interpreted.
const LOCAL: &str = "a local function";
/// Name of an unknown function, which may be one of the file.
const UNKNOWN: &str = "an unknown function";
/// Limit of nested calls.
const MAX_DEPTH: u32 = 16;
/// Limit of instructions for all constructors. Those of C need a handful, those of C++ would not end.
const CONSTRUCTOR_FUEL: u32 = 2_000;
/// Limit of instructions for one function and its callees, except for the init function.
const CALL_FUEL: u32 = 20_000;
/// Limit of instructions for one evaluation.
const FUEL: u32 = 200_000;
/// Limit of distinct states after a call; beyond it the function counts as not understood.
const MAX_EXITS: usize = 12;
/// Limit of distinct results of the init function.
const MAX_ENDINGS: usize = 64;
/// Limit of pending paths of one function.
const MAX_WAITING: usize = 4096;
/// Bytes at a pointer to the stack that a callee is assumed to write.
const OUT_PARAMETER: u64 = 256;
/// Bytes at a pointer to global data that a callee is assumed to write. More would reach into neighboring
/// objects; definitions and slots have their own check ([`MachineState::escaped`]).
const ASSUMED_WRITE: u64 = 16;

/// How much of the function is interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Effort {
    /// Every path, or no result.
    Full,
    /// For modules that are single-phase by their import tables: only `m_size` is needed, and the first path
    /// is enough.
    Size,
}

/// Cost of a fork in instructions: a state is copied, hashed and compared. Without it, damaged code that
/// consists of branches takes seconds (found by fuzzing).
const FORK: u32 = 32;

/// Limits of instructions under [`Effort::Size`].
const SIZE_FUEL: u32 = 8_000;
const SIZE_CALL_FUEL: u32 = 100;

/// Code bytes around the last instruction.
struct CodeWindow {
    start: u64,
    bytes: [u8; 512],
    length: usize,
}

impl Default for CodeWindow {
    fn default() -> Self {
        Self { start: 0, bytes: [0; 512], length: 0 }
    }
}

/// The function exceeds a limit and was not interpreted completely.
pub(in crate::image) struct TooComplex;

/// Interprets the functions of a module. Records which code and memory the result depends on.
pub(in crate::image) struct Evaluator<'w> {
    pub(in crate::image) space: &'w AddressSpace<'w>,
    pub(in crate::image) convention: &'static CallingConvention,
    pub(in crate::image) target: Option<TargetPython>,
    origin_table: RefCell<OriginTable>,
    fuel: Cell<u32>,
    effort: Cell<Effort>,
    /// Whether some path has created a module.
    has_module: Cell<bool>,
    /// Whether the module is created by a mypyc group library, called by a shim.
    pub(in crate::image) is_mypyc: Cell<bool>,
    window: RefCell<CodeWindow>,
    /// Local functions that exceeded a limit; they are not entered again.
    too_complex: RefCell<NumberSet>,
    /// Addresses of the interpreted instructions.
    pub(in crate::image) seen: RefCell<NumberSet>,
    /// The same in order, to remove those of an unfinished function again.
    seen_log: RefCell<Vec<u64>>,
    /// Whether code of the file ran that was not interpreted.
    pub(in crate::image) skipped: Cell<bool>,
    /// Writable words of which the contents of the file were used.
    pub(in crate::image) trusted: RefCell<BTreeSet<u64>>,
    /// Writable words that other code may have changed; their values are unknown.
    pub(in crate::image) distrusted: BTreeSet<u64>,
}

/// The origins of unknown values, by id and by call site.
#[derive(Default)]
struct OriginTable {
    origins: Vec<Origin>,
    index: NameMap<(u64, Origin), UnknownId>,
}

impl<'w> Evaluator<'w> {
    pub(in crate::image) fn new(
        space: &'w AddressSpace<'w>,
        convention: &'static CallingConvention,
        target: Option<TargetPython>,
        distrusted: BTreeSet<u64>,
    ) -> Self {
        Self {
            space,
            convention,
            target,
            origin_table: RefCell::default(),
            fuel: Cell::new(FUEL),
            effort: Cell::new(Effort::Full),
            has_module: Cell::default(),
            is_mypyc: Cell::default(),
            window: RefCell::default(),
            too_complex: RefCell::default(),
            seen: RefCell::default(),
            seen_log: RefCell::default(),
            skipped: Cell::new(false),
            trusted: RefCell::default(),
            distrusted,
        }
    }

    /// Reduces the effort to [`Effort::Size`] from now on.
    pub(in crate::image) fn limit_effort(&self) {
        self.effort.set(Effort::Size);
        self.fuel.set(self.fuel.get().min(SIZE_FUEL));
    }

    /// Whether to enter no more functions: under [`Effort::Size`], the first module created is nearly always
    /// the one returned, and the code that fills it is long.
    fn is_module_made(&self) -> bool {
        self.has_module.get() && self.effort.get() == Effort::Size
    }

    /// Interprets the constructors and returns the state after them. If they cannot be interpreted they count
    /// as skipped, and memory is as in the file.
    pub(in crate::image) fn run_constructors(&self, constructors: &[u64]) -> MachineState {
        let blank = MachineState::new(0, self.convention.stack_pointer);
        let mark = self.count_seen();
        let mut state = blank.clone();
        let mut limit = CONSTRUCTOR_FUEL;
        for constructor in constructors {
            let mut entry = blank.clone();
            (entry.at, entry.memory, entry.heap) = (*constructor, state.memory.clone(), state.heap);
            let ends = self.run_function(entry, 1, &mut limit).unwrap_or_default();
            match <[MachineState; 1]>::try_from(ends) {
                Ok([end]) if !self.skipped.get() && !end.wrote_to_unknown => {
                    (state.memory, state.heap) = (end.memory, end.heap)
                }
                Ok(_) | Err(_) => {
                    self.skipped.set(true);
                    self.roll_back_seen(mark);
                    return blank;
                }
            }
        }
        state
    }

    /// All results of the function other than null.
    pub(in crate::image) fn find_endings(
        &self,
        function: u64,
        mut state: MachineState,
    ) -> Result<Vec<(Ending, MachineState)>, TooComplex> {
        state.at = function;
        let mut limit = FUEL;
        let ends = self.run_function(state, 0, &mut limit)?;
        Ok(ends.into_iter().filter_map(|state| Some((self.classify_ending(&state)?, state))).collect())
    }

    fn classify_ending(&self, state: &MachineState) -> Option<Ending> {
        match state.registers[self.convention.result] {
            AbstractValue::Known(0) => None,
            AbstractValue::Known(address) => Some(Ending::Address(address)),
            AbstractValue::Unknown(id) => Some(match self.origin_of(id) {
                Some(Origin::Module(size)) => Ending::Module(size),
                Some(Origin::Call(function)) => Ending::Untold(Some(function)),
                Some(Origin::Memory(_)) | None => Ending::Untold(None),
            }),
        }
    }

    pub(in crate::image) fn origin_of(&self, id: UnknownId) -> Option<Origin> {
        self.origin_table.borrow().origins.get((id.number as usize).checked_sub(1)?).cloned()
    }

    /// Names the functions and memory whose unknown values decided branches on a path.
    pub(in crate::image) fn list_deciders(&self, state: &MachineState) -> BTreeSet<String> {
        let origins = state.decided.iter().filter_map(|(id, _)| self.origin_of(*id));
        origins
            .filter_map(|origin| match origin {
                Origin::Call(function) => Some(format!("the result of {function}")),
                Origin::Memory(address) => Some(format!("memory at {address:#x}")),
                Origin::Module(_) => None,
            })
            .collect()
    }

    /// Makes a new unknown value for the current call site. A value made there before (in a loop) that is
    /// still held loses its identity.
    pub(in crate::image) fn make_unknown(&self, state: &mut MachineState, origin: Origin) -> AbstractValue {
        self.has_module.set(self.has_module.get() || matches!(origin, Origin::Module(_)));
        let mut origin_table = self.origin_table.borrow_mut();
        let key = (state.call_site, origin);
        if let Some(id) = origin_table.index.get(&key).copied() {
            state.replace_unknown(id, AbstractValue::UNKNOWN);
            return AbstractValue::Unknown(id);
        }
        origin_table.origins.push(key.1.clone());
        let id = UnknownId::from_number(u32::try_from(origin_table.origins.len()).unwrap_or(0));
        origin_table.index.insert(key, id);
        AbstractValue::Unknown(id)
    }

    fn run_function(
        &self,
        entry: MachineState,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<MachineState>, TooComplex> {
        let mut work = vec![entry.clone()];
        let (mut done, mut ends, mut forks) = (Vec::new(), NumberSet::default(), NumberSet::default());
        let max = if depth == 0 { MAX_ENDINGS } else { MAX_EXITS };
        let mut preserved = PreservedRegisters::all_registers();
        while let Some(state) = work.pop() {
            let followed = self.follow_path(state, depth, limit, &mut work, &mut forks, &entry);
            if followed.is_err() && depth == 0 && self.effort.get() == Effort::Size {
                return Ok(done);
            }
            for mut state in followed? {
                preserved.remove_changed(self.convention, &entry, &state);
                self.return_to_caller(&entry, &mut state);
                let failed = depth == 0 && state.registers[self.convention.result] == AbstractValue::ZERO;
                if !failed && ends.insert(state.fingerprint()) {
                    done.push(state);
                }
                if depth == 0 && self.effort.get() == Effort::Size && !done.is_empty() {
                    return Ok(done);
                }
                if done.len() > max || work.len() > MAX_WAITING {
                    return Err(TooComplex);
                }
            }
        }
        done.iter_mut().for_each(|state| preserved.restore_into(self.convention, &entry, state));
        Ok(done)
    }

    /// Interprets one path up to its return; other paths are added to `work`.
    fn follow_path(
        &self,
        mut state: MachineState,
        depth: u32,
        limit: &mut u32,
        work: &mut Vec<MachineState>,
        forks: &mut NumberSet,
        entry: &MachineState,
    ) -> Result<Vec<MachineState>, TooComplex> {
        let mut loop_detector = LoopDetector::default();
        let mut before = 0;
        loop {
            self.spend_fuel(limit, 1)?;
            if state.at <= before && loop_detector.is_looping(&state) {
                return Ok(Vec::new());
            }
            before = state.at;
            if let Some(name) = self.space.import_name_at(state.at) {
                return self.call_import(state, &name, depth, limit);
            }
            self.mark_seen(state.at);
            match (self.convention.step)(self, &mut state) {
                ControlTransfer::Next => {}
                ControlTransfer::Jump(AbstractValue::Known(to)) => state.at = to,
                ControlTransfer::Jump(AbstractValue::Unknown(_)) => {
                    self.skipped.set(true);
                    self.call_uninterpreted(&mut state, UNKNOWN);
                    return Ok(vec![state]);
                }
                ControlTransfer::Branch(condition, to) => match state.evaluate_condition(condition) {
                    Some(true) => state.at = to,
                    Some(false) => {}
                    None => match self.split_path(&mut state, condition, to, forks, limit)? {
                        Some(other) => work.push(other),
                        None => return Ok(Vec::new()),
                    },
                },
                ControlTransfer::BranchZero(value, bytes, zero, to) => {
                    state.flags = super::machine_state::Flags::Test(value, value, bytes);
                    let condition = if zero { Condition::Equal } else { Condition::NotEqual };
                    match state.evaluate_condition(condition) {
                        Some(true) => state.at = to,
                        Some(false) => {}
                        None => match self.split_path(&mut state, condition, to, forks, limit)? {
                            Some(other) => work.push(other),
                            None => return Ok(Vec::new()),
                        },
                    }
                }
                ControlTransfer::Either(to) => {
                    state.flags = super::machine_state::Flags::Unknown;
                    match self.split_path(&mut state, Condition::Untold, to, forks, limit)? {
                        Some(other) => work.push(other),
                        None => return Ok(Vec::new()),
                    }
                }
                ControlTransfer::Call(to) => {
                    let mut after = self.call_address(state, to, depth, limit)?;
                    let Some(next) = after.pop() else { return Ok(Vec::new()) };
                    state = next;
                    work.append(&mut after);
                }
                ControlTransfer::Return => {
                    if state.registers[self.convention.stack_pointer]
                        != entry.registers[self.convention.stack_pointer]
                    {
                        state.registers[self.convention.result] = AbstractValue::UNKNOWN;
                    }
                    return Ok(vec![state]);
                }
                ControlTransfer::Stop => return Ok(Vec::new()),
            }
        }
    }

    fn mark_seen(&self, address: u64) {
        if self.seen.borrow_mut().insert(address) {
            self.seen_log.borrow_mut().push(address);
        }
    }

    fn count_seen(&self) -> usize {
        self.seen_log.borrow().len()
    }

    fn roll_back_seen(&self, mark: usize) {
        let mut seen = self.seen.borrow_mut();
        for address in self.seen_log.borrow_mut().drain(mark..) {
            seen.remove(&address);
        }
    }

    /// Splits a path at a branch that is not decided: `state` continues where the condition is false, the
    /// returned state where it is true. `None` if an equal state was already seen.
    fn split_path(
        &self,
        state: &mut MachineState,
        condition: Condition,
        to: u64,
        forks: &mut NumberSet,
        limit: &mut u32,
    ) -> Result<Option<MachineState>, TooComplex> {
        if self.effort.get() == Effort::Full {
            self.spend_fuel(limit, FORK)?;
        }
        state.prune_nonzero();
        if !forks.insert(state.fingerprint()) {
            return Ok(None);
        }
        let mut other = state.clone();
        other.at = to;
        assume_branch(&mut other, condition, true);
        assume_branch(state, condition, false);
        Ok(Some(other))
    }

    fn spend_fuel(&self, limit: &mut u32, amount: u32) -> Result<(), TooComplex> {
        self.fuel.set(self.fuel.get().checked_sub(amount).ok_or(TooComplex)?);
        *limit = limit.checked_sub(amount).ok_or(TooComplex)?;
        Ok(())
    }

    fn call_address(
        &self,
        mut state: MachineState,
        to: AbstractValue,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<MachineState>, TooComplex> {
        let back = state.at;
        state.call_site = back;
        let AbstractValue::Known(to) = to else {
            self.skipped.set(true);
            self.call_uninterpreted(&mut state, UNKNOWN);
            return Ok(vec![state]);
        };
        let mut after = if let Some(name) = self.space.import_name_at(to) {
            self.call_import(state, &name, depth, limit)?
        } else {
            self.enter_function(state, to, depth, limit)?
        };
        after.iter_mut().for_each(|state| state.at = back);
        Ok(after)
    }

    /// Interprets a local function; if it exceeds a limit, its result is unknown.
    pub(super) fn enter_function(
        &self,
        mut state: MachineState,
        to: u64,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<MachineState>, TooComplex> {
        if depth < MAX_DEPTH && !self.is_module_made() && !self.too_complex.borrow().contains(&to) {
            let mut inner = state.clone();
            inner.at = to;
            if self.convention.link.is_none() {
                let top = inner.registers[self.convention.stack_pointer].map(|top| top.wrapping_sub(8));
                inner.registers[self.convention.stack_pointer] = top;
                self.store(&mut inner, top, 8, AbstractValue::UNKNOWN);
            }
            let max = match self.effort.get() {
                Effort::Full => CALL_FUEL,
                Effort::Size => SIZE_CALL_FUEL,
            };
            let before = (*limit / 2).min(max);
            let mut own = before;
            let mark = self.count_seen();
            let result = self.run_function(inner, depth + 1, &mut own);
            *limit = limit.saturating_sub(before - own);
            if let Ok(mut states) = result {
                for inner in &mut states {
                    inner.registers[self.convention.stack_pointer] =
                        state.registers[self.convention.stack_pointer];
                }
                return Ok(states);
            }
            if self.fuel.get() < FORK {
                return Err(TooComplex);
            }
            self.too_complex.borrow_mut().insert(to);
            self.roll_back_seen(mark);
        }
        self.skipped.set(true);
        self.call_uninterpreted(&mut state, LOCAL);
        Ok(vec![state])
    }

    fn call_import(
        &self,
        mut state: MachineState,
        name: &Rc<str>,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<MachineState>, TooComplex> {
        match model_call(self, &mut state, name) {
            CallModel::Result(value) => {
                self.clobber_registers(&mut state);
                state.registers[self.convention.result] = value;
                Ok(vec![state])
            }
            CallModel::NoReturn => Ok(Vec::new()),
            CallModel::Unknown => match self.space.find_in_libraries(name) {
                Some(function) => self.enter_function(state, function, depth, limit),
                None => {
                    self.call_uninterpreted(&mut state, name);
                    Ok(vec![state])
                }
            },
        }
    }

    /// Models a call to code that is not interpreted.
    fn call_uninterpreted(&self, state: &mut MachineState, name: &str) {
        let own = name == LOCAL;
        let api = name.starts_with("Py") || name.starts_with("_Py");
        for argument in self.convention.arguments {
            let AbstractValue::Known(address) = state.registers[*argument] else { continue };
            // The callee may call a function that is passed to it.
            if self.space.is_executable(address) {
                self.skipped.set(true);
            }
            if (STACK_FLOOR..STACK).contains(&address) {
                state.memory.forget_range(address..address + OUT_PARAMETER);
            } else if api {
                // CPython's API writes neither definitions nor slots.
            } else if (HEAP..STACK_FLOOR).contains(&address) {
                state.memory.forget_range(address..address + OUT_PARAMETER);
                state.escaped.push(address);
            } else if self.space.is_writable(address) {
                for word in (0..ASSUMED_WRITE).step_by(8).map(|offset| address + offset) {
                    if self.space.is_writable(word) && !self.holds_module(state, word) {
                        state.memory.write_bytes(word, 8, AbstractValue::UNKNOWN);
                    }
                }
                state.escaped.push(address);
            }
        }
        let result = self.make_unknown(state, Origin::Call(name.into()));
        self.clobber_registers(state);
        if own || name == UNKNOWN {
            self.forget_modules(state);
        }
        if own {
            let lost = AbstractValue::Unknown(UnknownId::CLOBBERED);
            self.convention.volatile.iter().for_each(|register| state.registers[*register] = lost);
        }
        state.registers[self.convention.result] = result;
    }

    /// Forgets modules stored in the file's memory: code that was not interpreted may have replaced them. Not
    /// for mypyc, where they are removed only if the import fails (`CPyImport_Exec` in mypyc/lib-rt).
    fn forget_modules(&self, state: &mut MachineState) {
        if self.is_mypyc.get() {
            return;
        }
        let origin_table = self.origin_table.borrow();
        let modules =
            (1..).zip(&origin_table.origins).filter(|(_, origin)| matches!(origin, Origin::Module(_)));
        modules.for_each(|(number, _)| {
            state.memory.replace_unknown_below(HEAP, UnknownId::from_number(number), AbstractValue::UNKNOWN)
        });
    }

    /// Whether mypyc's init function stores its module at this address.
    fn holds_module(&self, state: &MachineState, address: u64) -> bool {
        let OverlayLookup::All(AbstractValue::Unknown(id)) = state.memory.read_bytes(address, 8) else {
            return false;
        };
        self.is_mypyc.get() && matches!(self.origin_of(id), Some(Origin::Module(_)))
    }

    fn clobber_registers(&self, state: &mut MachineState) {
        for register in self.convention.volatile {
            state.registers[*register] = AbstractValue::UNKNOWN;
        }
        state.vectors.clear();
        state.flags = super::machine_state::Flags::Unknown;
    }

    /// Updates the state for a return: callee-saved registers are restored, memory below the stack pointer is
    /// dropped.
    fn return_to_caller(&self, entry: &MachineState, state: &mut MachineState) {
        let result = state.registers[self.convention.result];
        let second = self.convention.volatile.get(2).copied().unwrap_or(self.convention.result);
        let pair = state.registers[second];
        state.registers = entry.registers;
        for register in self.convention.volatile {
            state.registers[*register] = AbstractValue::UNKNOWN;
        }
        state.registers[second] = pair;
        state.registers[self.convention.result] = result;
        state.flags = super::machine_state::Flags::Unknown;
        state.vectors.clear();
        if let AbstractValue::Known(top) = entry.registers[self.convention.stack_pointer] {
            state.memory.erase_range(STACK_FLOOR, top);
        }
        state.at = 0;
        state.call_site = 0;
        state.prune_nonzero();
    }
}

fn assume_branch(state: &mut MachineState, condition: Condition, outcome: bool) {
    // Only values with an origin can be named in a message. Recorded once, or a long loop would fill the
    // memory.
    if let Some((id, _, _)) = state.deciding_value().filter(|(id, _, _)| !id.is_anonymous()) {
        let decided = (id, u64::from(outcome));
        if !state.decided.contains(&decided) {
            state.decided.push(decided);
        }
    }
    state.assume_outcome(condition, outcome);
}

impl MemoryBus for Evaluator<'_> {
    fn load(&self, state: &MachineState, address: AbstractValue, bytes: u32) -> AbstractValue {
        let AbstractValue::Known(address) = address else { return AbstractValue::UNKNOWN };
        match state.memory.read_bytes(address, bytes) {
            OverlayLookup::All(value) => return value,
            OverlayLookup::Partly => {
                let parts = (0..bytes).map(|index| {
                    self.load(state, AbstractValue::Known(address.wrapping_add(index.into())), 1)
                });
                let whole = parts.enumerate().fold(AbstractValue::ZERO, |whole, (index, byte)| {
                    whole.zip_with(byte, |whole, byte| whole | byte << (index * 8))
                });
                let half = || self.load(state, AbstractValue::Known(address), 4).as_known();
                return match (bytes, whole) {
                    (8, AbstractValue::Unknown(_)) => {
                        half().map_or(whole, |low| AbstractValue::from_low_half(low as u32))
                    }
                    _ => whole,
                };
            }
            OverlayLookup::None => {}
        }
        if let Some(name) = self.space.import_name_at(address) {
            return super::import_models::imported_data_value(self, &name);
        }
        if self.space.is_writable(address) {
            let words = address / WORD..=address.wrapping_add(u64::from(bytes) - 1) / WORD;
            if words.clone().any(|word| self.distrusted.contains(&word)) {
                let mut origin_table = self.origin_table.borrow_mut();
                let key = (address, Origin::Memory(address));
                if let Some(id) = origin_table.index.get(&key) {
                    return AbstractValue::Unknown(*id);
                }
                origin_table.origins.push(key.1.clone());
                let id = UnknownId::from_number(u32::try_from(origin_table.origins.len()).unwrap_or(0));
                origin_table.index.insert(key, id);
                return if bytes == 8 { AbstractValue::Unknown(id) } else { AbstractValue::UNKNOWN };
            }
            self.trusted.borrow_mut().extend(words);
        }
        self.space.load_value(address, bytes)
    }

    fn store(&self, state: &mut MachineState, address: AbstractValue, bytes: u32, value: AbstractValue) {
        let AbstractValue::Known(address) = address else {
            state.wrote_to_unknown |= address == AbstractValue::Unknown(UnknownId::CLOBBERED);
            return;
        };
        if (HEAP..STACK).contains(&address) || self.space.is_writable(address) {
            state.memory.write_bytes(address, bytes, value);
        }
    }

    fn fetch_code(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut window = self.window.borrow_mut();
        let offset = address.wrapping_sub(window.start);
        if offset.saturating_add(buffer.len() as u64) > window.length as u64 {
            let window = &mut *window;
            window.start = address;
            window.length = self.space.read_code(address, &mut window.bytes);
        }
        let offset = address.wrapping_sub(window.start) as usize;
        let held = window.bytes[..window.length].get(offset..).unwrap_or_default();
        let length = held.len().min(buffer.len());
        buffer[..length].copy_from_slice(&held[..length]);
        length
    }
}
