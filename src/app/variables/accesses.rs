//! What the functions of a file do to its variables, its locks and the process.

use std::collections::BTreeMap;

use ruff_text_size::TextSize;

use super::origins::Origins;
use super::write_context::WriteContext;
use crate::model::{HazardWeight, RuleId};

/// A write of a module-level variable by a function.
#[derive(Clone, Debug)]
pub(super) struct VariableWrite {
    pub(super) at: TextSize,
    /// The function, qualified by enclosing classes and functions.
    pub(super) function: String,
    pub(super) kind: WriteKind,
    /// What the key derives from, if there is one.
    pub(super) key: Origins,
    /// What the value derives from.
    pub(super) value: Origins,
    /// Whether a condition in the function depends on the variable.
    pub(super) is_tested: bool,
    pub(super) context: WriteContext,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WriteKind {
    /// Assigns a value to the name; its text, if it is a constant.
    Rebind(Option<String>),
    /// Sets an entry: `CACHE[key] = value`, `SEEN.add(key)`. Idempotent.
    Item,
    /// Adds an entry: `QUEUE.append(value)`.
    Add,
    /// Counts up: `HITS += 1`.
    Count,
    /// Changes the object in an entry: `CARTS[user].append(item)`.
    Within,
    /// Removes entries or the name.
    Remove,
}

/// The accesses of functions to one variable.
#[derive(Clone, Debug, Default)]
pub(super) struct VariableAccesses {
    pub(super) writes: Vec<VariableWrite>,
    /// The number of reads that are not part of a write.
    pub(super) reads: usize,
}

/// The accesses to each variable of a module, by name.
pub(super) type AccessesByVariable = BTreeMap<String, VariableAccesses>;

/// A location where a lock is held around an external effect.
#[derive(Clone, Debug)]
pub(super) struct HeldLock {
    pub(super) at: TextSize,
    pub(super) function: String,
    /// The lock's name.
    pub(super) lock: String,
    /// The call with the external effect.
    pub(super) called: String,
}

/// A change of process-wide state.
#[derive(Clone, Debug)]
pub(super) struct ProcessChange {
    pub(super) at: TextSize,
    pub(super) function: String,
    pub(super) rule: RuleId,
    /// The called function, or the environment variable.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) weight: HazardWeight,
}
