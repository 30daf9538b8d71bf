//! One path's view of the machine.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, Hasher};

use super::overlay::Overlay;
use super::value::{Name, Value, extend, mask};
use super::vectors::Vectors;

/// The last thing that set the flags; a condition is worked out when one is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::image) enum Flags {
    /// Not told.
    Unknown,
    /// `a - b` in so many bytes.
    Compare(Value, Value, u32),
    /// `a & b` in so many bytes; the same name twice is that value against zero.
    Test(Value, Value, u32),
    /// A result that left carry and overflow untold.
    Result(Value, u32),
}

/// Conditions of both processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::image) enum Condition {
    Equal,
    NotEqual,
    Below,
    AboveEqual,
    BelowEqual,
    Above,
    Less,
    GreaterEqual,
    LessEqual,
    Greater,
    Negative,
    Positive,
    /// Overflow, parity and their opposites: never worked out.
    Untold,
}

/// Registers, flags and written memory of one path.
#[derive(Clone, Debug)]
pub(in crate::image) struct State {
    pub(in crate::image) at: u64,
    /// Behind the last call instruction.
    pub(in crate::image) site: u64,
    /// General registers by the processor's number; AArch64's stack pointer is 31.
    pub(in crate::image) registers: [Value; 32],
    /// Vector registers in pieces of eight bytes.
    pub(in crate::image) vectors: Vectors,
    pub(in crate::image) flags: Flags,
    pub(in crate::image) memory: Overlay,
    /// Unknown values that a branch has shown not to be zero.
    pub(in crate::image) nonzero: BTreeSet<Name>,
    /// Unknown values that decided a branch on this path, in order.
    pub(in crate::image) decided: Vec<(Name, u64)>,
    /// Definitions given to `PyModuleDef_Init`.
    pub(in crate::image) definitions: Vec<u64>,
    /// Addresses given to code that was not interpreted.
    pub(in crate::image) escaped: Vec<u64>,
    pub(in crate::image) heap: u64,
    /// Something was written to an address that is not told.
    pub(in crate::image) astray: bool,
}

/// Where the interpreted code's heap starts.
pub(in crate::image) const HEAP: u64 = 0x7200_0000_0000;
/// Where its stack starts, growing down.
pub(in crate::image) const STACK: u64 = 0x7300_0000_0000;
/// Lowest address of the stack.
pub(in crate::image) const STACK_FLOOR: u64 = STACK - (1 << 24);

impl State {
    pub(in crate::image) fn new(at: u64, stack_pointer: usize) -> Self {
        let mut registers = [Value::UNKNOWN; 32];
        registers[stack_pointer] = Value::Known(STACK - 8);
        Self {
            at,
            site: 0,
            registers,
            vectors: Vectors::default(),
            flags: Flags::Unknown,
            memory: Overlay::default(),
            nonzero: BTreeSet::new(),
            decided: Vec::new(),
            definitions: Vec::new(),
            escaped: Vec::new(),
            heap: HEAP,
            astray: false,
        }
    }

    /// Fresh memory, zeroed or of unknown content.
    pub(in crate::image) fn allocate(&mut self, bytes: u64, zeroed: bool) -> u64 {
        let at = self.heap;
        self.heap = self.heap.wrapping_add(bytes.clamp(16, 1 << 20).next_multiple_of(16) + 16);
        if zeroed {
            for word in 0..bytes.div_ceil(8).min(512) {
                self.memory.set(at + word * 8, 8, Value::ZERO);
            }
        }
        at
    }

    /// Replaces an unknown value by what a branch has shown, wherever it is held.
    pub(in crate::image) fn learn(&mut self, name: Name, value: Value) {
        if name.is_anonymous() {
            return;
        }
        let vectors = self.vectors.values_mut();
        for held in self.registers.iter_mut().chain(vectors) {
            if *held == Value::Unknown(name) {
                *held = value;
            }
        }
        self.memory.learn(name, value);
        self.nonzero.remove(&name);
    }

    /// Two states with the same one go the same way from here.
    pub(in crate::image) fn fingerprint(&self) -> u64 {
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        (self.at, &self.registers, &self.vectors, &self.flags, &self.memory).hash(&mut hasher);
        (&self.nonzero, &self.definitions, &self.escaped, self.heap, self.astray).hash(&mut hasher);
        hasher.finish()
    }

    /// Drops what is known about values that nothing holds any more, so that equal paths look equal.
    pub(in crate::image) fn prune(&mut self) {
        if self.nonzero.is_empty() {
            return;
        }
        // A handful of names, most of them held in a register: cheaper to look through than to sort.
        let mut missing: Vec<Name> = self.nonzero.iter().copied().collect();
        let registers = self.registers.iter().chain(self.vectors.values()).filter_map(|value| match value {
            Value::Unknown(name) => Some(*name),
            Value::Known(_) => None,
        });
        for held in registers.chain(self.memory.names()) {
            missing.retain(|name| *name != held);
            if missing.is_empty() {
                return;
            }
        }
        self.nonzero.retain(|name| !missing.contains(name));
    }

    /// Whether the condition holds; `None` where the flags don't tell.
    pub(in crate::image) fn test(&self, condition: Condition) -> Option<bool> {
        match self.flags {
            Flags::Unknown => None,
            Flags::Compare(a, b, bytes) => self.compare(a, b, bytes, condition),
            Flags::Test(a, b, bytes) => {
                let result = if a == b { a } else { a.with(b, |a, b| a & b) };
                self.compare(result, Value::ZERO, bytes, condition)
            }
            Flags::Result(value, bytes) => match condition {
                Condition::Equal | Condition::NotEqual | Condition::Negative | Condition::Positive => {
                    self.compare(value, Value::ZERO, bytes, condition)
                }
                Condition::Below
                | Condition::AboveEqual
                | Condition::BelowEqual
                | Condition::Above
                | Condition::Less
                | Condition::GreaterEqual
                | Condition::LessEqual
                | Condition::Greater
                | Condition::Untold => None,
            },
        }
    }

    fn compare(&self, a: Value, b: Value, bytes: u32, condition: Condition) -> Option<bool> {
        let (a, b) = match (a, b) {
            (Value::Known(a), Value::Known(b)) => (a & mask(bytes), b & mask(bytes)),
            (Value::Unknown(name), Value::Known(0)) if bytes == 8 && self.nonzero.contains(&name) => {
                return match condition {
                    Condition::Equal | Condition::BelowEqual => Some(false),
                    Condition::NotEqual | Condition::Above => Some(true),
                    Condition::Below => Some(false),
                    Condition::AboveEqual => Some(true),
                    Condition::Less
                    | Condition::GreaterEqual
                    | Condition::LessEqual
                    | Condition::Greater
                    | Condition::Negative
                    | Condition::Positive
                    | Condition::Untold => None,
                };
            }
            (Value::Known(_) | Value::Unknown(_), Value::Known(_) | Value::Unknown(_)) => return None,
        };
        let (signed_a, signed_b) = (extend(a, bytes).cast_signed(), extend(b, bytes).cast_signed());
        Some(match condition {
            Condition::Equal => a == b,
            Condition::NotEqual => a != b,
            Condition::Below => a < b,
            Condition::AboveEqual => a >= b,
            Condition::BelowEqual => a <= b,
            Condition::Above => a > b,
            Condition::Less => signed_a < signed_b,
            Condition::GreaterEqual => signed_a >= signed_b,
            Condition::LessEqual => signed_a <= signed_b,
            Condition::Greater => signed_a > signed_b,
            Condition::Negative => extend(a.wrapping_sub(b), bytes).cast_signed() < 0,
            Condition::Positive => extend(a.wrapping_sub(b), bytes).cast_signed() >= 0,
            Condition::Untold => return None,
        })
    }

    /// The unknown value that an undecided condition hangs on, with the value it is equal to where the
    /// condition says "equal".
    pub(in crate::image) fn hinge(&self) -> Option<(Name, u64, u32)> {
        match self.flags {
            Flags::Compare(Value::Unknown(name), Value::Known(value), bytes)
            | Flags::Compare(Value::Known(value), Value::Unknown(name), bytes) => Some((name, value, bytes)),
            Flags::Test(Value::Unknown(a), Value::Unknown(b), bytes) if a == b => Some((a, 0, bytes)),
            Flags::Result(Value::Unknown(name), bytes) => Some((name, 0, bytes)),
            Flags::Unknown | Flags::Compare(..) | Flags::Test(..) | Flags::Result(..) => None,
        }
    }

    /// This path, continued where `condition` came out as `outcome`.
    pub(in crate::image) fn assume(&mut self, condition: Condition, outcome: bool) {
        let Some((name, value, bytes)) = self.hinge() else { return };
        if name.is_anonymous() {
            return;
        }
        let equal = match condition {
            Condition::Equal => outcome,
            Condition::NotEqual => !outcome,
            Condition::Below
            | Condition::AboveEqual
            | Condition::BelowEqual
            | Condition::Above
            | Condition::Less
            | Condition::GreaterEqual
            | Condition::LessEqual
            | Condition::Greater
            | Condition::Negative
            | Condition::Positive
            | Condition::Untold => return,
        };
        if bytes == 8 && equal {
            self.learn(name, Value::Known(value));
        } else if bytes == 8 && value == 0 {
            self.nonzero.insert(name);
        }
    }
}
