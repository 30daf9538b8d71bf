//! Interprets an init function along every path, and collects how each path ends.

use std::rc::Rc;

use super::calling_convention::CallingConvention;
use super::evaluation::{Effort, Evaluation, FUEL, Origin, TooComplex};
use super::import_models::{CallModel, model_call};
use super::loop_detector::LoopDetector;
use super::machine_state::{Condition, Flags, HEAP, MachineState, STACK, STACK_FLOOR};
use super::preserved_registers::PreservedRegisters;
use super::processor::{ControlTransfer, MemoryBus};
use super::value::{AbstractValue, UnknownId};
use crate::image::fast_maps::NumberSet;

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

/// A function that is called but not interpreted.
#[derive(Clone, Copy)]
enum OpaqueFunction<'n> {
    /// A function of the file.
    Local,
    /// An unknown function, which may be one of the file.
    Unknown,
    /// An imported function.
    Import(&'n Rc<str>),
}

impl OpaqueFunction<'_> {
    /// Its name in messages.
    fn name(self) -> Rc<str> {
        match self {
            Self::Local => "a local function".into(),
            Self::Unknown => "an unknown function".into(),
            Self::Import(name) => Rc::clone(name),
        }
    }

    /// Whether it belongs to CPython's API.
    fn is_python_api(self) -> bool {
        match self {
            Self::Local | Self::Unknown => false,
            Self::Import(name) => name.starts_with("Py") || name.starts_with("_Py"),
        }
    }

    /// Whether it may be a function of the file.
    fn may_be_local(self) -> bool {
        match self {
            Self::Local | Self::Unknown => true,
            Self::Import(_) => false,
        }
    }
}

/// Limit of nested calls.
const MAX_DEPTH: u32 = 16;
/// Limit of instructions for all constructors. Those of C need a handful, those of C++ would not end.
const CONSTRUCTOR_FUEL: u32 = 2_000;
/// Limit of instructions for one function and its callees, except for the init function.
const CALL_FUEL: u32 = 20_000;
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

/// Cost of a fork in instructions: a state is copied, hashed and compared. Without it, damaged code that
/// consists of branches takes seconds (found by fuzzing).
const FORK: u32 = 32;

/// Limit of instructions for one function under [`Effort::Size`].
const SIZE_CALL_FUEL: u32 = 100;

/// Interprets the functions of a module along every path.
pub(in crate::image) struct PathInterpreter<'e> {
    evaluation: &'e Evaluation<'e>,
    convention: &'static CallingConvention,
}

impl<'e> PathInterpreter<'e> {
    pub(in crate::image) fn new(evaluation: &'e Evaluation<'e>) -> Self {
        Self { evaluation, convention: evaluation.convention }
    }

    /// Interprets the constructors and returns the state after them. If they cannot be interpreted they count
    /// as skipped, and memory is as in the file.
    pub(in crate::image) fn run_constructors(&self, constructors: &[u64]) -> MachineState {
        let blank = MachineState::new(0, self.convention.stack_pointer);
        let mark = self.evaluation.count_seen();
        let mut state = blank.clone();
        let mut limit = CONSTRUCTOR_FUEL;
        for constructor in constructors {
            let mut entry = blank.clone();
            (entry.at, entry.memory, entry.heap) = (*constructor, state.memory.clone(), state.heap);
            let ends = self.run_function(entry, 1, &mut limit).unwrap_or_default();
            match <[MachineState; 1]>::try_from(ends) {
                Ok([end]) if !self.evaluation.skipped.get() && !end.wrote_to_unknown => {
                    (state.memory, state.heap) = (end.memory, end.heap)
                }
                Ok(_) | Err(_) => {
                    self.evaluation.skipped.set(true);
                    self.evaluation.roll_back_seen(mark);
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
            AbstractValue::Unknown(id) => Some(match self.evaluation.origin_of(id) {
                Some(Origin::Module(size)) => Ending::Module(size),
                Some(Origin::Call(function)) => Ending::Untold(Some(function)),
                Some(Origin::Memory(_)) | None => Ending::Untold(None),
            }),
        }
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
            if followed.is_err() && depth == 0 && self.evaluation.effort.get() == Effort::Size {
                return Ok(done);
            }
            for mut state in followed? {
                preserved.remove_changed(self.convention, &entry, &state);
                self.return_to_caller(&entry, &mut state);
                let failed = depth == 0 && state.registers[self.convention.result] == AbstractValue::ZERO;
                if !failed && ends.insert(state.fingerprint()) {
                    done.push(state);
                }
                if depth == 0 && self.evaluation.effort.get() == Effort::Size && !done.is_empty() {
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
            self.evaluation.spend_fuel(limit, 1)?;
            if state.at <= before && loop_detector.is_looping(&state) {
                return Ok(Vec::new());
            }
            before = state.at;
            if let Some(name) = self.evaluation.space.import_name_at(state.at) {
                return self.call_import(state, &name, depth, limit);
            }
            self.evaluation.mark_seen(state.at);
            match (self.convention.step)(self.evaluation, &mut state) {
                ControlTransfer::Next => {}
                ControlTransfer::Jump(AbstractValue::Known(to)) => state.at = to,
                ControlTransfer::Jump(AbstractValue::Unknown(_)) => {
                    self.evaluation.skipped.set(true);
                    self.call_uninterpreted(&mut state, OpaqueFunction::Unknown);
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
                    state.flags = Flags::Test(value, value, bytes);
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
                    state.flags = Flags::Unknown;
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
        if self.evaluation.effort.get() == Effort::Full {
            self.evaluation.spend_fuel(limit, FORK)?;
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
            self.evaluation.skipped.set(true);
            self.call_uninterpreted(&mut state, OpaqueFunction::Unknown);
            return Ok(vec![state]);
        };
        let mut after = if let Some(name) = self.evaluation.space.import_name_at(to) {
            self.call_import(state, &name, depth, limit)?
        } else {
            self.enter_function(state, to, depth, limit)?
        };
        after.iter_mut().for_each(|state| state.at = back);
        Ok(after)
    }

    /// Interprets a local function; if it exceeds a limit, its result is unknown.
    fn enter_function(
        &self,
        mut state: MachineState,
        to: u64,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<MachineState>, TooComplex> {
        if depth < MAX_DEPTH
            && !self.evaluation.is_module_made()
            && !self.evaluation.too_complex.borrow().contains(&to)
        {
            let mut inner = state.clone();
            inner.at = to;
            if self.convention.link.is_none() {
                let top = inner.registers[self.convention.stack_pointer].map(|top| top.wrapping_sub(8));
                inner.registers[self.convention.stack_pointer] = top;
                self.evaluation.store(&mut inner, top, 8, AbstractValue::UNKNOWN);
            }
            let max = match self.evaluation.effort.get() {
                Effort::Full => CALL_FUEL,
                Effort::Size => SIZE_CALL_FUEL,
            };
            let before = (*limit / 2).min(max);
            let mut own = before;
            let mark = self.evaluation.count_seen();
            let result = self.run_function(inner, depth + 1, &mut own);
            *limit = limit.saturating_sub(before - own);
            if let Ok(mut states) = result {
                for inner in &mut states {
                    inner.registers[self.convention.stack_pointer] =
                        state.registers[self.convention.stack_pointer];
                }
                return Ok(states);
            }
            if self.evaluation.fuel.get() < FORK {
                return Err(TooComplex);
            }
            self.evaluation.too_complex.borrow_mut().insert(to);
            self.evaluation.roll_back_seen(mark);
        }
        self.evaluation.skipped.set(true);
        self.call_uninterpreted(&mut state, OpaqueFunction::Local);
        Ok(vec![state])
    }

    fn call_import(
        &self,
        mut state: MachineState,
        name: &Rc<str>,
        depth: u32,
        limit: &mut u32,
    ) -> Result<Vec<MachineState>, TooComplex> {
        match model_call(self.evaluation, &mut state, name) {
            CallModel::Result(value) => {
                self.clobber_registers(&mut state);
                state.registers[self.convention.result] = value;
                Ok(vec![state])
            }
            CallModel::NoReturn => Ok(Vec::new()),
            CallModel::Unknown => match self.evaluation.space.find_in_libraries(name) {
                Some(function) => self.enter_function(state, function, depth, limit),
                None => {
                    self.call_uninterpreted(&mut state, OpaqueFunction::Import(name));
                    Ok(vec![state])
                }
            },
        }
    }

    /// Models a call to code that is not interpreted.
    fn call_uninterpreted(&self, state: &mut MachineState, function: OpaqueFunction<'_>) {
        for argument in self.convention.arguments {
            let AbstractValue::Known(address) = state.registers[*argument] else { continue };
            // The callee may call a function that is passed to it.
            if self.evaluation.space.is_executable(address) {
                self.evaluation.skipped.set(true);
            }
            if (STACK_FLOOR..STACK).contains(&address) {
                state.memory.forget_range(address..address + OUT_PARAMETER);
            } else if function.is_python_api() {
                // It writes neither definitions nor slots.
            } else if (HEAP..STACK_FLOOR).contains(&address) {
                state.memory.forget_range(address..address + OUT_PARAMETER);
                state.escaped.push(address);
            } else if self.evaluation.space.is_writable(address) {
                for word in (0..ASSUMED_WRITE).step_by(8).map(|offset| address + offset) {
                    if self.evaluation.space.is_writable(word) && !self.evaluation.holds_module(state, word) {
                        state.memory.write_bytes(word, 8, AbstractValue::UNKNOWN);
                    }
                }
                state.escaped.push(address);
            }
        }
        let result = self.evaluation.make_unknown(state, Origin::Call(function.name()));
        self.clobber_registers(state);
        if function.may_be_local() {
            self.evaluation.forget_modules(state);
        }
        if let OpaqueFunction::Local = function {
            let lost = AbstractValue::Unknown(UnknownId::CLOBBERED);
            self.convention.volatile.iter().for_each(|register| state.registers[*register] = lost);
        }
        state.registers[self.convention.result] = result;
    }

    fn clobber_registers(&self, state: &mut MachineState) {
        for register in self.convention.volatile {
            state.registers[*register] = AbstractValue::UNKNOWN;
        }
        state.vectors.clear();
        state.flags = Flags::Unknown;
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
        state.flags = Flags::Unknown;
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
