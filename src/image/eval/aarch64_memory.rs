//! AArch64's loads and stores.

use super::aarch64::Word;
use super::processor::Bus;
use super::state::State;
use super::value::{Value, extend};

const STACK_POINTER: usize = 31;
/// Bytes that an unknown store is taken to reach.
const REACH: u64 = 64;

pub(super) fn step(word: &Word, bus: &dyn Bus, state: &mut State) {
    match (word.bits(27, 3), word.bits(24, 2)) {
        (0b101, _) => pair(word, bus, state),
        (0b111, 0b01) => {
            let access = Access::of(word);
            let offset = u64::from(word.bits(10, 12)) * u64::from(access.bytes);
            let at = base(word, state).map(|base| base.wrapping_add(offset));
            access.run(word, bus, state, at);
        }
        (0b111, 0b00) if word.bits(21, 1) == 0 => indexed(word, bus, state),
        (0b111, 0b00) if word.bits(10, 2) == 0b10 => {
            let access = Access::of(word);
            let option = word.bits(13, 3);
            let index = word.read(state, 16);
            let index = match option {
                0b010 => index.low(4),
                0b110 => index.map(|index| extend(index, 4)),
                _ => index,
            };
            let scale = if word.bits(12, 1) == 1 { access.bytes.ilog2() } else { 0 };
            let index = if scale == 0 { index } else { index.map(|index| index << scale) };
            let at = base(word, state).with(index, u64::wrapping_add);
            access.run(word, bus, state, at);
        }
        (0b111, 0b00) => atomic(word, bus, state),
        (0b011, 0b00) => literal(word, bus, state),
        (0b001, 0b00) => exclusive(word, bus, state),
        _ => spoil(word, bus, state),
    }
}

/// Size, direction and register file of a single access.
#[derive(Clone, Copy)]
struct Access {
    bytes: u32,
    load: bool,
    /// Sign-extended to so many bytes.
    signed: Option<u32>,
    vector: bool,
}

impl Access {
    fn of(word: &Word) -> Self {
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

    fn run(self, word: &Word, bus: &dyn Bus, state: &mut State, at: Value) {
        let number = word.register(0);
        if self.vector {
            vector(bus, state, number, at, self.bytes, self.load);
        } else if self.load {
            // A signed eight-byte load is a prefetch.
            if self.bytes == 8 && self.signed.is_some() {
                return;
            }
            let value = bus.load(state, at, self.bytes);
            let value = match self.signed {
                Some(to) => value.map(|value| extend(value, self.bytes)).low(to),
                None => value,
            };
            put(state, number, value);
        } else {
            let value = word.read(state, 0).low(self.bytes);
            bus.store(state, at, self.bytes, value);
        }
    }
}

fn base(word: &Word, state: &State) -> Value {
    state.registers[word.register(5)]
}

fn put(state: &mut State, number: usize, value: Value) {
    if number != STACK_POINTER {
        state.registers[number] = value;
    }
}

fn vector(bus: &dyn Bus, state: &mut State, number: usize, at: Value, bytes: u32, load: bool) {
    let high = at.map(|at| at.wrapping_add(8));
    match (load, bytes) {
        (true, 16) => {
            let pieces = [bus.load(state, at, 8), bus.load(state, high, 8)];
            state.vectors[number] = [pieces[0], pieces[1], Value::ZERO, Value::ZERO];
        }
        (true, _) => {
            let piece = bus.load(state, at, bytes);
            state.vectors[number] = [piece, Value::ZERO, Value::ZERO, Value::ZERO];
        }
        (false, _) => {
            let pieces = state.vectors[number];
            bus.store(state, at, bytes.min(8), pieces[0].low(bytes));
            if bytes == 16 {
                bus.store(state, high, 8, pieces[1]);
            }
        }
    }
}

/// `LDP`, `STP` and their relatives.
fn pair(word: &Word, bus: &dyn Bus, state: &mut State) {
    let is_vector = word.bits(26, 1) == 1;
    let (size, load) = (word.bits(30, 2), word.bits(22, 1) == 1);
    let bytes = match (is_vector, size) {
        (true, size) => 4 << size.min(2),
        (false, 0b10) => 8,
        (false, _) => 4,
    };
    let offset = word.signed(15, 7).wrapping_mul(bytes.into());
    let (start, mode) = (base(word, state), word.bits(23, 2));
    let moved = start.map(|start| start.wrapping_add(offset));
    let at = if mode == 0b01 { start } else { moved };
    let numbers = [word.register(0), word.register(10)];
    for (index, number) in numbers.into_iter().enumerate() {
        let at = at.map(|at| at.wrapping_add(index as u64 * u64::from(bytes)));
        if is_vector {
            vector(bus, state, number, at, bytes, load);
        } else if load {
            let value = bus.load(state, at, bytes);
            let value = if size == 0b01 { value.map(|value| extend(value, 4)) } else { value };
            put(state, number, value);
        } else {
            let value = if number == STACK_POINTER { Value::ZERO } else { state.registers[number] };
            bus.store(state, at, bytes, value.low(bytes));
        }
    }
    if mode & 1 == 1 {
        state.registers[word.register(5)] = moved;
    }
}

/// Unscaled, pre- and post-indexed.
fn indexed(word: &Word, bus: &dyn Bus, state: &mut State) {
    let start = base(word, state);
    let offset = word.signed(12, 9);
    let moved = if offset == 0 { start } else { start.map(|start| start.wrapping_add(offset)) };
    let mode = word.bits(10, 2);
    Access::of(word).run(word, bus, state, if mode == 0b01 { start } else { moved });
    if mode & 1 == 1 {
        state.registers[word.register(5)] = moved;
    }
}

fn literal(word: &Word, bus: &dyn Bus, state: &mut State) {
    let at = Value::Known(word.at.wrapping_add(word.signed(5, 19) << 2));
    let size = word.bits(30, 2);
    if word.bits(26, 1) == 1 {
        vector(bus, state, word.register(0), at, 4 << size.min(2), true);
        return;
    }
    let value = match size {
        0b00 => bus.load(state, at, 4),
        0b01 => bus.load(state, at, 8),
        0b10 => bus.load(state, at, 4).map(|value| extend(value, 4)),
        _ => return,
    };
    put(state, word.register(0), value);
}

/// Load-acquire, store-release and exclusives; an exclusive store always succeeds, we are alone.
fn exclusive(word: &Word, bus: &dyn Bus, state: &mut State) {
    let bytes = 1 << word.bits(30, 2);
    let (ordered, load, several) = (word.bits(23, 1) == 1, word.bits(22, 1) == 1, word.bits(21, 1) == 1);
    if several {
        return spoil(word, bus, state);
    }
    let at = base(word, state);
    if load {
        let value = bus.load(state, at, bytes);
        put(state, word.register(0), value);
        return;
    }
    let value = word.read(state, 0).low(bytes);
    bus.store(state, at, bytes, value);
    if !ordered {
        put(state, word.register(16), Value::ZERO);
    }
}

/// `LDADD`, `SWP` and their relatives; others are forgotten. `LDAPR` only loads.
fn atomic(word: &Word, bus: &dyn Bus, state: &mut State) {
    let bytes = 1 << word.bits(30, 2);
    let at = base(word, state);
    let operation = word.bits(12, 4);
    if word.bits(26, 1) == 1 || word.bits(10, 2) != 0 {
        return spoil(word, bus, state);
    }
    let (held, operand) = (bus.load(state, at, bytes), word.read(state, 16).low(bytes));
    let after = match operation {
        0b0000 => held.with(operand, u64::wrapping_add),
        0b0001 => held.with(operand, |held, operand| held & !operand),
        0b0011 => held.with(operand, |held, operand| held | operand),
        0b1000 => operand,
        0b1100 => held,
        _ => Value::UNKNOWN,
    };
    if operation != 0b1100 {
        bus.store(state, at, bytes, after.low(bytes));
    }
    put(state, word.register(0), held);
}

/// An access that is not modelled.
fn spoil(word: &Word, bus: &dyn Bus, state: &mut State) {
    let at = base(word, state);
    for piece in 0..REACH / 8 {
        bus.store(state, at.map(|at| at.wrapping_add(piece * 8)), 8, Value::UNKNOWN);
    }
    for low in [0, 10, 16] {
        put(state, word.register(low), Value::UNKNOWN);
    }
    for number in 0..4 {
        state.vectors[(word.register(0) + number) % 32] = [Value::UNKNOWN; 4];
    }
    let pointer = word.register(5);
    if pointer != STACK_POINTER {
        state.registers[pointer] = Value::UNKNOWN;
    }
    state.flags = super::state::Flags::Unknown;
}
