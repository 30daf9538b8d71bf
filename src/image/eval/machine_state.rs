//! The state of the machine on one path.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, Hasher};

use super::memory_overlay::MemoryOverlay;
use super::value::{AbstractValue, UnknownId, byte_mask, sign_extend};
use super::vector_registers::VectorRegisters;

/// The operation that set the flags; conditions are evaluated on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::image) enum Flags {
    /// Unknown.
    Unknown,
    /// `a - b`, with this width in bytes.
    Compare(AbstractValue, AbstractValue, u32),
    /// `a & b`, with this width in bytes. If both are the same unknown value, a comparison of it with zero.
    Test(AbstractValue, AbstractValue, u32),
    /// A result, after which carry and overflow are unknown.
    Result(AbstractValue, u32),
}

/// Branch conditions of both processors.
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
    /// Overflow, parity and their opposites, which are never evaluated.
    Untold,
}

/// Registers, flags and written memory on one path.
#[derive(Clone, Debug)]
pub(in crate::image) struct MachineState {
    pub(in crate::image) at: u64,
    /// Return address of the last call: identifies the call site.
    pub(in crate::image) call_site: u64,
    /// General registers by the processor's numbering; AArch64's stack pointer is 31.
    pub(in crate::image) registers: [AbstractValue; 32],
    /// Vector registers in pieces of eight bytes.
    pub(in crate::image) vectors: VectorRegisters,
    pub(in crate::image) flags: Flags,
    pub(in crate::image) memory: MemoryOverlay,
    /// Unknown values that are nonzero on this path.
    pub(in crate::image) nonzero: BTreeSet<UnknownId>,
    /// Unknown values that decided a branch on this path, and its outcome, in order.
    pub(in crate::image) decided: Vec<(UnknownId, u64)>,
    /// Addresses of the definitions passed to `PyModuleDef_Init`.
    pub(in crate::image) definitions: Vec<u64>,
    /// Addresses passed to code that was not interpreted.
    pub(in crate::image) escaped: Vec<u64>,
    pub(in crate::image) heap: u64,
    /// Whether the code wrote to an address that could not be determined.
    pub(in crate::image) wrote_to_unknown: bool,
}

/// Start of the synthetic heap.
pub(in crate::image) const HEAP: u64 = 0x7200_0000_0000;
/// Start of the synthetic stack, which grows down.
pub(in crate::image) const STACK: u64 = 0x7300_0000_0000;
/// Lowest address of the stack.
pub(in crate::image) const STACK_FLOOR: u64 = STACK - (1 << 24);

impl MachineState {
    pub(in crate::image) fn new(at: u64, stack_pointer: usize) -> Self {
        let mut registers = [AbstractValue::UNKNOWN; 32];
        registers[stack_pointer] = AbstractValue::Known(STACK - 8);
        Self {
            at,
            call_site: 0,
            registers,
            vectors: VectorRegisters::default(),
            flags: Flags::Unknown,
            memory: MemoryOverlay::default(),
            nonzero: BTreeSet::new(),
            decided: Vec::new(),
            definitions: Vec::new(),
            escaped: Vec::new(),
            heap: HEAP,
            wrote_to_unknown: false,
        }
    }

    /// Allocates memory, zeroed or with unknown content, and returns its address.
    pub(in crate::image) fn allocate_heap(&mut self, bytes: u64, zeroed: bool) -> u64 {
        let at = self.heap;
        self.heap = self.heap.wrapping_add(bytes.clamp(16, 1 << 20).next_multiple_of(16) + 16);
        if zeroed {
            for word in 0..bytes.div_ceil(8).min(512) {
                self.memory.write_bytes(at + word * 8, 8, AbstractValue::ZERO);
            }
        }
        at
    }

    /// Replaces an unknown value, in registers and memory, by the value that a branch has shown.
    pub(in crate::image) fn replace_unknown(&mut self, id: UnknownId, value: AbstractValue) {
        if id.is_anonymous() {
            return;
        }
        let vectors = self.vectors.values_mut();
        for held in self.registers.iter_mut().chain(vectors) {
            if *held == AbstractValue::Unknown(id) {
                *held = value;
            }
        }
        self.memory.replace_unknown(id, value);
        self.nonzero.remove(&id);
    }

    /// A hash of the state: states with equal hashes behave the same from here.
    pub(in crate::image) fn fingerprint(&self) -> u64 {
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        (self.at, &self.registers, &self.vectors, &self.flags, &self.memory).hash(&mut hasher);
        (&self.nonzero, &self.definitions, &self.escaped, self.heap, self.wrote_to_unknown).hash(&mut hasher);
        hasher.finish()
    }

    /// Drops facts about values that are no longer held, so that equal states have equal fingerprints.
    pub(in crate::image) fn prune_nonzero(&mut self) {
        if self.nonzero.is_empty() {
            return;
        }
        // There are a handful of values, most of them in a register: a linear search is cheaper than sorting.
        let mut missing: Vec<UnknownId> = self.nonzero.iter().copied().collect();
        let registers = self.registers.iter().chain(self.vectors.values()).filter_map(|value| match value {
            AbstractValue::Unknown(id) => Some(*id),
            AbstractValue::Known(_) => None,
        });
        for held in registers.chain(self.memory.unknown_ids()) {
            missing.retain(|id| *id != held);
            if missing.is_empty() {
                return;
            }
        }
        self.nonzero.retain(|id| !missing.contains(id));
    }

    /// Whether the condition holds; `None` if the flags do not decide it.
    pub(in crate::image) fn evaluate_condition(&self, condition: Condition) -> Option<bool> {
        match self.flags {
            Flags::Unknown => None,
            Flags::Compare(a, b, bytes) => self.compare_values(a, b, bytes, condition),
            Flags::Test(a, b, bytes) => {
                let result = if a == b { a } else { a.zip_with(b, |a, b| a & b) };
                self.compare_values(result, AbstractValue::ZERO, bytes, condition)
            }
            Flags::Result(value, bytes) => match condition {
                Condition::Equal | Condition::NotEqual | Condition::Negative | Condition::Positive => {
                    self.compare_values(value, AbstractValue::ZERO, bytes, condition)
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

    fn compare_values(
        &self,
        a: AbstractValue,
        b: AbstractValue,
        bytes: u32,
        condition: Condition,
    ) -> Option<bool> {
        let (a, b) = match (a, b) {
            (AbstractValue::Known(a), AbstractValue::Known(b)) => {
                (a & byte_mask(bytes), b & byte_mask(bytes))
            }
            (AbstractValue::Unknown(id), AbstractValue::Known(0))
                if bytes == 8 && self.nonzero.contains(&id) =>
            {
                return match condition {
                    Condition::Equal | Condition::Below | Condition::BelowEqual => Some(false),
                    Condition::NotEqual | Condition::Above | Condition::AboveEqual => Some(true),
                    Condition::Less
                    | Condition::GreaterEqual
                    | Condition::LessEqual
                    | Condition::Greater
                    | Condition::Negative
                    | Condition::Positive
                    | Condition::Untold => None,
                };
            }
            (
                AbstractValue::Known(_) | AbstractValue::Unknown(_),
                AbstractValue::Known(_) | AbstractValue::Unknown(_),
            ) => return None,
        };
        let (signed_a, signed_b) = (sign_extend(a, bytes).cast_signed(), sign_extend(b, bytes).cast_signed());
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
            Condition::Negative => sign_extend(a.wrapping_sub(b), bytes).cast_signed() < 0,
            Condition::Positive => sign_extend(a.wrapping_sub(b), bytes).cast_signed() >= 0,
            Condition::Untold => return None,
        })
    }

    /// The unknown value that an undecided condition depends on, the value with which it is compared, and the
    /// width in bytes.
    pub(in crate::image) fn deciding_value(&self) -> Option<(UnknownId, u64, u32)> {
        match self.flags {
            Flags::Compare(AbstractValue::Unknown(id), AbstractValue::Known(value), bytes)
            | Flags::Compare(AbstractValue::Known(value), AbstractValue::Unknown(id), bytes) => {
                Some((id, value, bytes))
            }
            Flags::Test(AbstractValue::Unknown(a), AbstractValue::Unknown(b), bytes) if a == b => {
                Some((a, 0, bytes))
            }
            Flags::Result(AbstractValue::Unknown(id), bytes) => Some((id, 0, bytes)),
            Flags::Unknown | Flags::Compare(..) | Flags::Test(..) | Flags::Result(..) => None,
        }
    }

    /// Adds what is known if `condition` had this outcome.
    pub(in crate::image) fn assume_outcome(&mut self, condition: Condition, outcome: bool) {
        let Some((id, value, bytes)) = self.deciding_value() else { return };
        if id.is_anonymous() {
            return;
        }
        // Other conditions determine no value.
        let equal = if condition == Condition::Equal {
            outcome
        } else if condition == Condition::NotEqual {
            !outcome
        } else {
            return;
        };
        if bytes == 8 && equal {
            self.replace_unknown(id, AbstractValue::Known(value));
        } else if bytes == 8 && value == 0 {
            self.nonzero.insert(id);
        }
    }
}
