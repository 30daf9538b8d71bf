//! Interprets AArch64 loads and stores.

use super::aarch64_word::{A64Word, STACK_POINTER};
use super::machine_state::MachineState;
use super::processor::MemoryBus;
use super::value::{AbstractValue, sign_extend};

/// Bytes that a store that is not modeled is assumed to write.
const REACH: u64 = 64;

pub(super) fn interpret_load_store(word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState) {
    match (word.bits(27, 3), word.bits(24, 2)) {
        (0b101, _) => load_store_pair(word, bus, state),
        (0b111, 0b01) => {
            let access = LoadStore::decode(word);
            let offset = u64::from(word.bits(10, 12)) * u64::from(access.bytes);
            let at = base_value(word, state).map(|base| base.wrapping_add(offset));
            access.perform(word, bus, state, at);
        }
        (0b111, 0b00) if word.bits(21, 1) == 0 => load_store_indexed(word, bus, state),
        (0b111, 0b00) if word.bits(10, 2) == 0b10 => {
            let access = LoadStore::decode(word);
            let option = word.bits(13, 3);
            let index = word.read_register(state, 16);
            let index = match option {
                0b010 => index.low_bytes(4),
                0b110 => index.map(|index| sign_extend(index, 4)),
                _ => index,
            };
            let scale = if word.bits(12, 1) == 1 { access.bytes.ilog2() } else { 0 };
            let index = if scale == 0 { index } else { index.map(|index| index << scale) };
            let at = base_value(word, state).zip_with(index, u64::wrapping_add);
            access.perform(word, bus, state, at);
        }
        (0b111, 0b00) => update_atomically(word, bus, state),
        (0b011, 0b00) => load_literal(word, bus, state),
        (0b001, 0b00) => load_store_exclusive(word, bus, state),
        _ => forget_access(word, bus, state),
    }
}

/// Size, direction and kind of register of a single load or store.
#[derive(Clone, Copy)]
struct LoadStore {
    bytes: u32,
    load: bool,
    /// Sign-extended to this number of bytes.
    signed: Option<u32>,
    vector: bool,
}

impl LoadStore {
    fn decode(word: &A64Word) -> Self {
        let (size, option) = (word.bits(30, 2), word.bits(22, 2));
        let vector = word.bits(26, 1) == 1;
        if vector {
            let bytes = if option & 2 != 0 { 16 } else { 1 << size };
            return Self { bytes, load: option & 1 == 1, signed: None, vector };
        }
        let signed = match option {
            0b10 => Some(8),
            0b11 => Some(4),
            _ => None,
        };
        Self { bytes: 1 << size, load: option != 0, signed, vector }
    }

    fn perform(self, word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState, at: AbstractValue) {
        let number = word.register(0);
        if self.vector {
            load_store_vector(bus, state, number, at, self.bytes, self.load);
        } else if self.load {
            // A signed eight-byte load encodes a prefetch.
            if self.bytes == 8 && self.signed.is_some() {
                return;
            }
            let value = bus.load(state, at, self.bytes);
            let value = match self.signed {
                Some(to) => value.map(|value| sign_extend(value, self.bytes)).low_bytes(to),
                None => value,
            };
            set_register(state, number, value);
        } else {
            let value = word.read_register(state, 0).low_bytes(self.bytes);
            bus.store(state, at, self.bytes, value);
        }
    }
}

fn base_value(word: &A64Word, state: &MachineState) -> AbstractValue {
    state.registers[word.register(5)]
}

fn set_register(state: &mut MachineState, number: usize, value: AbstractValue) {
    if number != STACK_POINTER {
        state.registers[number] = value;
    }
}

fn load_store_vector(
    bus: &dyn MemoryBus,
    state: &mut MachineState,
    number: usize,
    at: AbstractValue,
    bytes: u32,
    load: bool,
) {
    let high = at.map(|at| at.wrapping_add(8));
    match (load, bytes) {
        (true, 16) => {
            let pieces = [bus.load(state, at, 8), bus.load(state, high, 8)];
            state.vectors[number] = [pieces[0], pieces[1], AbstractValue::ZERO, AbstractValue::ZERO];
        }
        (true, _) => {
            let piece = bus.load(state, at, bytes);
            state.vectors[number] = [piece, AbstractValue::ZERO, AbstractValue::ZERO, AbstractValue::ZERO];
        }
        (false, _) => {
            let pieces = state.vectors[number];
            bus.store(state, at, bytes.min(8), pieces[0].low_bytes(bytes));
            if bytes == 16 {
                bus.store(state, high, 8, pieces[1]);
            }
        }
    }
}

/// Loads and stores of pairs: `LDP`, `STP` and variants.
fn load_store_pair(word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState) {
    let is_vector = word.bits(26, 1) == 1;
    let (size, load) = (word.bits(30, 2), word.bits(22, 1) == 1);
    let bytes = match (is_vector, size) {
        (true, size) => 4 << size.min(2),
        (false, 0b10) => 8,
        (false, _) => 4,
    };
    let offset = word.signed_bits(15, 7).wrapping_mul(bytes.into());
    let (start, mode) = (base_value(word, state), word.bits(23, 2));
    let moved = start.map(|start| start.wrapping_add(offset));
    let at = if mode == 0b01 { start } else { moved };
    let numbers = [word.register(0), word.register(10)];
    for (index, number) in numbers.into_iter().enumerate() {
        let at = at.map(|at| at.wrapping_add(index as u64 * u64::from(bytes)));
        if is_vector {
            load_store_vector(bus, state, number, at, bytes, load);
        } else if load {
            let value = bus.load(state, at, bytes);
            let value = if size == 0b01 { value.map(|value| sign_extend(value, 4)) } else { value };
            set_register(state, number, value);
        } else {
            let value = if number == STACK_POINTER { AbstractValue::ZERO } else { state.registers[number] };
            bus.store(state, at, bytes, value.low_bytes(bytes));
        }
    }
    if mode & 1 == 1 {
        state.registers[word.register(5)] = moved;
    }
}

/// Unscaled, pre-indexed and post-indexed loads and stores.
fn load_store_indexed(word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState) {
    let start = base_value(word, state);
    let offset = word.signed_bits(12, 9);
    let moved = if offset == 0 { start } else { start.map(|start| start.wrapping_add(offset)) };
    let mode = word.bits(10, 2);
    LoadStore::decode(word).perform(word, bus, state, if mode == 0b01 { start } else { moved });
    if mode & 1 == 1 {
        state.registers[word.register(5)] = moved;
    }
}

fn load_literal(word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState) {
    let at = AbstractValue::Known(word.at.wrapping_add(word.signed_bits(5, 19) << 2));
    let size = word.bits(30, 2);
    if word.bits(26, 1) == 1 {
        load_store_vector(bus, state, word.register(0), at, 4 << size.min(2), true);
        return;
    }
    let value = match size {
        0b00 => bus.load(state, at, 4),
        0b01 => bus.load(state, at, 8),
        0b10 => bus.load(state, at, 4).map(|value| sign_extend(value, 4)),
        _ => return,
    };
    set_register(state, word.register(0), value);
}

/// Load-acquire, store-release and exclusive accesses. An exclusive store always succeeds: there is no other
/// thread.
fn load_store_exclusive(word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState) {
    let bytes = 1 << word.bits(30, 2);
    let (ordered, load, several) = (word.bits(23, 1) == 1, word.bits(22, 1) == 1, word.bits(21, 1) == 1);
    if several {
        return forget_access(word, bus, state);
    }
    let at = base_value(word, state);
    if load {
        let value = bus.load(state, at, bytes);
        set_register(state, word.register(0), value);
        return;
    }
    let value = word.read_register(state, 0).low_bytes(bytes);
    bus.store(state, at, bytes, value);
    if !ordered {
        set_register(state, word.register(16), AbstractValue::ZERO);
    }
}

/// Atomic updates: `LDADD`, `SWP` and variants, other results are unknown. `LDAPR` only loads.
fn update_atomically(word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState) {
    let bytes = 1 << word.bits(30, 2);
    let at = base_value(word, state);
    let operation = word.bits(12, 4);
    if word.bits(26, 1) == 1 || word.bits(10, 2) != 0 {
        return forget_access(word, bus, state);
    }
    let (held, operand) = (bus.load(state, at, bytes), word.read_register(state, 16).low_bytes(bytes));
    let after = match operation {
        0b0000 => held.zip_with(operand, u64::wrapping_add),
        0b0001 => held.zip_with(operand, |held, operand| held & !operand),
        0b0011 => held.zip_with(operand, |held, operand| held | operand),
        0b1000 => operand,
        0b1100 => held,
        _ => AbstractValue::UNKNOWN,
    };
    if operation != 0b1100 {
        bus.store(state, at, bytes, after.low_bytes(bytes));
    }
    set_register(state, word.register(0), held);
}

/// Makes the memory and registers unknown that an access that is not modeled may have changed.
fn forget_access(word: &A64Word, bus: &dyn MemoryBus, state: &mut MachineState) {
    let at = base_value(word, state);
    for piece in 0..REACH / 8 {
        bus.store(state, at.map(|at| at.wrapping_add(piece * 8)), 8, AbstractValue::UNKNOWN);
    }
    for low in [0, 10, 16] {
        set_register(state, word.register(low), AbstractValue::UNKNOWN);
    }
    for number in 0..4 {
        state.vectors[(word.register(0) + number) % 32] = [AbstractValue::UNKNOWN; 4];
    }
    let pointer = word.register(5);
    if pointer != STACK_POINTER {
        state.registers[pointer] = AbstractValue::UNKNOWN;
    }
    state.flags = super::machine_state::Flags::Unknown;
}
