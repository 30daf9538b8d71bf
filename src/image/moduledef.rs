//! `PyModuleDef` and slot arrays in the memory of an interpreted path.
//! Facts: `Include/moduleobject.h`; `PySlot`: PEP 820; `Py_mod_state_size` and friends: PEP 793.

use std::ops::Range;

use super::eval::value::Value;
use super::eval::{Bus, Evaluator, State};
use crate::model::Slot;

/// What a definition says; the addresses of what it was read from, for the safety scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) m_size: i64,
    pub(super) slots: Vec<Slot>,
    /// What the answer rests on.
    pub(super) places: Places,
}

/// Where a definition lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// `PyModuleDef`, where there is one.
    pub(super) definition: Option<Range<u64>>,
    /// Its `m_size` and `m_slots`.
    pub(super) fields: Vec<u64>,
    /// Entries of slot arrays.
    pub(super) slots: Vec<u64>,
}

/// Bytes of a `PyModuleDef` after its object head.
const SIZE_BEHIND_HEAD: u64 = 88;
/// An array without an end is not an array.
const MOST_SLOTS: u64 = 64;
/// CPython's own limit is 5.
const DEEPEST: u32 = 5;
const SUBSLOTS: u16 = 92;
const MOD_SLOTS: u16 = 94;
const STATE_SIZE: u16 = 102;
/// Of these the value is an answer, not just an address.
const VALUES: [u16; 6] = [3, 4, 86, 87, STATE_SIZE, SUBSLOTS];

struct Reader<'a> {
    evaluator: &'a Evaluator<'a>,
    state: &'a State,
}

/// Two layouts of an array's entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// `PyModuleDef_Slot`: `int` and a pointer.
    Definition,
    /// `PySlot`: 16-bit id, 16-bit flags and eight bytes.
    General,
}

/// Reads the definition at an address.
pub(super) fn definition(
    evaluator: &Evaluator<'_>,
    state: &State,
    address: u64,
) -> Result<Definition, String> {
    let reader = Reader { evaluator, state };
    let head = reader.head(address).ok_or("the layout of the definition is not told")?;
    let field = |offset: u64| address.wrapping_add(head).wrapping_add(offset);
    let size = reader.word(field(40)).ok_or("m_size is not told")?;
    let slots = reader.word(field(56)).ok_or("the address of the slots is not told")?;
    let mut definition = Definition {
        m_size: size.cast_signed(),
        slots: Vec::new(),
        places: Places {
            definition: Some(address..field(SIZE_BEHIND_HEAD)),
            fields: vec![field(40), field(56)],
            slots: Vec::new(),
        },
    };
    if slots != 0 {
        reader.array(slots, Entries::Definition, DEEPEST, &mut definition)?;
    }
    Ok(definition)
}

/// Reads the `PySlot` array that `PyModExport_x` returned.
pub(super) fn exported(evaluator: &Evaluator<'_>, state: &State, address: u64) -> Result<Definition, String> {
    let mut definition = Definition { m_size: 0, slots: Vec::new(), places: Places::default() };
    Reader { evaluator, state }.array(address, Entries::General, DEEPEST, &mut definition)?;
    Ok(definition)
}

/// `m_size` of the definition given to `PyModule_Create2`.
pub(super) fn state_size(evaluator: &Evaluator<'_>, state: &State, address: Value) -> Option<i64> {
    let reader = Reader { evaluator, state };
    let address = address.known()?;
    let head = reader.head(address)?;
    reader.word(address.wrapping_add(head).wrapping_add(40)).map(u64::cast_signed)
}

impl Reader<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        self.evaluator.load(self.state, Value::Known(address), 8).known()
    }

    /// Size of the object head: a free-threaded build's static objects have `ob_ref_local` of all ones at
    /// +12, where others have the upper half of `ob_type` (`Include/object.h`, `PyObject_HEAD_INIT`).
    fn head(&self, address: u64) -> Option<u64> {
        let mark = self.evaluator.load(self.state, Value::Known(address.wrapping_add(12)), 4);
        match (mark, self.evaluator.target) {
            (Value::Known(0xffff_ffff), _) => Some(32),
            (Value::Known(_), _) => Some(16),
            (Value::Unknown(_), Some(target)) => Some(if target.free_threaded { 32 } else { 16 }),
            (Value::Unknown(_), None) => None,
        }
    }

    fn array(&self, address: u64, entries: Entries, depth: u32, into: &mut Definition) -> Result<(), String> {
        let width = if entries == Entries::General { 2 } else { 4 };
        for index in 0..MOST_SLOTS {
            let at = address.wrapping_add(index * 16);
            into.places.slots.push(at);
            let id = self.evaluator.load(self.state, Value::Known(at), width);
            let id = id.known().ok_or_else(|| format!("slot {index} is not told"))?;
            let id = u16::try_from(id).map_err(|_| format!("slot {index} has an impossible number"))?;
            if id == 0 {
                return Ok(());
            }
            let value = self.word(at.wrapping_add(8));
            let value = match value {
                Some(value) => value,
                None if VALUES.contains(&id) => return Err(format!("the value of slot {id} is not told")),
                None => 0,
            };
            let nested = match id {
                SUBSLOTS => Some(Entries::General),
                MOD_SLOTS => Some(Entries::Definition),
                _ => None,
            };
            match nested {
                Some(_) if depth == 0 => return Err("slots are nested too deeply".to_owned()),
                Some(_) if value == 0 => {}
                Some(entries) => self.array(value, entries, depth - 1, into)?,
                None => {
                    if id == STATE_SIZE {
                        into.m_size = value.cast_signed();
                    }
                    into.slots.push(Slot { id, value });
                }
            }
        }
        Err("the slot array has no end".to_owned())
    }
}
