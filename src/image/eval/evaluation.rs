//! One evaluation of an init function: the state that all its paths share, and the memory that they read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::calling_convention::CallingConvention;
use super::machine_state::{HEAP, MachineState, STACK};
use super::memory_overlay::OverlayLookup;
use super::processor::MemoryBus;
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

/// Limit of instructions for one evaluation.
pub(super) const FUEL: u32 = 200_000;
/// The same under [`Effort::Size`].
const SIZE_FUEL: u32 = 8_000;

/// How much of the function is interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Effort {
    /// Every path, or no result.
    Full,
    /// For modules that are single-phase by their import tables: only `m_size` is needed, and the first path
    /// is enough.
    Size,
}

/// The function exceeds a limit and was not interpreted completely.
pub(in crate::image) struct TooComplex;

/// An evaluation of an init function. Records which code and memory the result depends on.
pub(in crate::image) struct Evaluation<'w> {
    pub(in crate::image) space: &'w AddressSpace<'w>,
    pub(in crate::image) convention: &'static CallingConvention,
    pub(in crate::image) target: Option<TargetPython>,
    origin_table: RefCell<OriginTable>,
    pub(super) fuel: Cell<u32>,
    pub(super) effort: Cell<Effort>,
    /// Whether some path has created a module.
    has_module: Cell<bool>,
    /// Whether the module is created by a mypyc group library, called by a shim.
    pub(in crate::image) is_mypyc: Cell<bool>,
    window: RefCell<CodeWindow>,
    /// Local functions that exceeded a limit; they are not entered again.
    pub(super) too_complex: RefCell<NumberSet>,
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

/// The origins of unknown values, by id, and their ids by call site; for memory by its address.
#[derive(Default)]
struct OriginTable {
    origins: Vec<Origin>,
    index: NameMap<(u64, Origin), UnknownId>,
}

impl OriginTable {
    /// Adds an origin, and returns the id of its unknown value.
    fn add_origin(&mut self, call_site: u64, origin: Origin) -> UnknownId {
        self.origins.push(origin.clone());
        let id = UnknownId::from_number(u32::try_from(self.origins.len()).unwrap_or(0));
        self.index.insert((call_site, origin), id);
        id
    }
}

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

impl<'w> Evaluation<'w> {
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
    pub(super) fn is_module_made(&self) -> bool {
        self.has_module.get() && self.effort.get() == Effort::Size
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
        AbstractValue::Unknown(origin_table.add_origin(key.0, key.1))
    }

    /// Forgets modules stored in the file's memory: code that was not interpreted may have replaced them. Not
    /// for mypyc, where they are removed only if the import fails (`CPyImport_Exec` in mypyc/lib-rt).
    pub(super) fn forget_modules(&self, state: &mut MachineState) {
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
    pub(super) fn holds_module(&self, state: &MachineState, address: u64) -> bool {
        let OverlayLookup::All(AbstractValue::Unknown(id)) = state.memory.read_bytes(address, 8) else {
            return false;
        };
        self.is_mypyc.get() && matches!(self.origin_of(id), Some(Origin::Module(_)))
    }

    pub(super) fn mark_seen(&self, address: u64) {
        if self.seen.borrow_mut().insert(address) {
            self.seen_log.borrow_mut().push(address);
        }
    }

    pub(super) fn count_seen(&self) -> usize {
        self.seen_log.borrow().len()
    }

    pub(super) fn roll_back_seen(&self, mark: usize) {
        let mut seen = self.seen.borrow_mut();
        for address in self.seen_log.borrow_mut().drain(mark..) {
            seen.remove(&address);
        }
    }

    pub(super) fn spend_fuel(&self, limit: &mut u32, amount: u32) -> Result<(), TooComplex> {
        self.fuel.set(self.fuel.get().checked_sub(amount).ok_or(TooComplex)?);
        *limit = limit.checked_sub(amount).ok_or(TooComplex)?;
        Ok(())
    }

    /// The value of an imported variable.
    fn imported_data_value(&self, name: &str) -> AbstractValue {
        match (name, self.target) {
            // Include/cpython/pylifecycle.h: PY_VERSION_HEX of the running interpreter, here of a final release.
            ("Py_Version", Some(target)) => AbstractValue::Known(
                u64::from(target.version.0) << 24 | u64::from(target.version.1) << 16 | 0xf0,
            ),
            (_, _) => AbstractValue::UNKNOWN,
        }
    }
}

impl MemoryBus for Evaluation<'_> {
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
            return self.imported_data_value(&name);
        }
        if self.space.is_writable(address) {
            let words = address / WORD..=address.wrapping_add(u64::from(bytes) - 1) / WORD;
            if words.clone().any(|word| self.distrusted.contains(&word)) {
                let mut origin_table = self.origin_table.borrow_mut();
                let key = (address, Origin::Memory(address));
                if let Some(id) = origin_table.index.get(&key) {
                    return AbstractValue::Unknown(*id);
                }
                let id = origin_table.add_origin(key.0, key.1);
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
