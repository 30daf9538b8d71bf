//! Reads `PyModuleDef` and slot arrays from the memory of an interpreted path.
//! Sources: `Include/moduleobject.h`; `PySlot`: PEP 820; `Py_mod_state_size` and related slots: PEP 793.

use std::ops::Range;

use wsgiaudit_probes_core::module_slots;

use super::eval::value::AbstractValue;
use super::eval::{Evaluation, MachineState, MemoryBus};
use crate::model::Slot;

/// The content of a module definition, and the addresses from which it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModuleDefinition {
    pub(super) m_size: i64,
    pub(super) slots: Vec<Slot>,
    /// The memory that the result depends on.
    pub(super) addresses: DefinitionAddresses,
}

/// Addresses of the parts of a module definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DefinitionAddresses {
    /// The `PyModuleDef`, if there is one.
    pub(super) definition: Option<Range<u64>>,
    /// Addresses of its `m_size` and `m_slots`.
    pub(super) fields: Vec<u64>,
    /// Addresses of the entries of slot arrays.
    pub(super) slots: Vec<u64>,
}

/// Bytes of a `PyModuleDef` after the object header.
const SIZE_AFTER_HEADER: u64 = 88;
/// Limit of slots in one array; a longer one is not a slot array.
const MAX_SLOTS: u64 = 64;
/// Limit of nested slot arrays, as in CPython.
const MAX_DEPTH: u32 = 5;

/// Reads the memory of a path.
struct DefinitionReader<'a> {
    evaluation: &'a Evaluation<'a>,
    state: &'a MachineState,
}

/// Layout of the entries of a slot array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SlotLayout {
    /// `PyModuleDef_Slot`: `int` and a pointer.
    Definition,
    /// `PySlot`: 16-bit id, 16-bit flags and eight bytes.
    General,
}

/// Reads the `PyModuleDef` at an address.
///
/// # Errors
/// Returns an error message if a value could not be determined.
pub(super) fn read_definition(
    evaluation: &Evaluation<'_>,
    state: &MachineState,
    address: u64,
) -> Result<ModuleDefinition, String> {
    let reader = DefinitionReader { evaluation, state };
    let header = reader
        .object_head_size(address)
        .ok_or("the layout of the module definition could not be determined")?;
    let field = |offset: u64| address.wrapping_add(header).wrapping_add(offset);
    let size = reader.read_word(field(40)).ok_or("m_size could not be determined")?;
    let slots = reader.read_word(field(56)).ok_or("the address of the slots could not be determined")?;
    let mut definition = ModuleDefinition {
        m_size: size.cast_signed(),
        slots: Vec::new(),
        addresses: DefinitionAddresses {
            definition: Some(address..field(SIZE_AFTER_HEADER)),
            fields: vec![field(40), field(56)],
            slots: Vec::new(),
        },
    };
    if slots != 0 {
        reader.read_slot_array(slots, SlotLayout::Definition, MAX_DEPTH, &mut definition)?;
    }
    Ok(definition)
}

/// Reads the `PySlot` array that `PyModExport_x` returned.
///
/// # Errors
/// Returns an error message if a value could not be determined.
pub(super) fn read_exported_slots(
    evaluation: &Evaluation<'_>,
    state: &MachineState,
    address: u64,
) -> Result<ModuleDefinition, String> {
    let mut definition =
        ModuleDefinition { m_size: 0, slots: Vec::new(), addresses: DefinitionAddresses::default() };
    DefinitionReader { evaluation, state }.read_slot_array(
        address,
        SlotLayout::General,
        MAX_DEPTH,
        &mut definition,
    )?;
    Ok(definition)
}

/// `m_size` of the definition passed to `PyModule_Create2`.
pub(super) fn read_state_size(
    evaluation: &Evaluation<'_>,
    state: &MachineState,
    address: AbstractValue,
) -> Option<i64> {
    let reader = DefinitionReader { evaluation, state };
    let address = address.as_known()?;
    let header = reader.object_head_size(address)?;
    reader.read_word(address.wrapping_add(header).wrapping_add(40)).map(u64::cast_signed)
}

impl DefinitionReader<'_> {
    fn read_word(&self, address: u64) -> Option<u64> {
        self.evaluation.load(self.state, AbstractValue::Known(address), 8).as_known()
    }

    /// Size of the object header. Static objects of a free-threaded build have all ones in `ob_ref_local` at
    /// offset 12, where other builds have the upper half of `ob_type` (`Include/object.h`,
    /// `PyObject_HEAD_INIT`).
    fn object_head_size(&self, address: u64) -> Option<u64> {
        let mark = self.evaluation.load(self.state, AbstractValue::Known(address.wrapping_add(12)), 4);
        match (mark, self.evaluation.target) {
            (AbstractValue::Known(0xffff_ffff), _) => Some(32),
            (AbstractValue::Known(_), _) => Some(16),
            (AbstractValue::Unknown(_), Some(target)) => Some(if target.free_threaded { 32 } else { 16 }),
            (AbstractValue::Unknown(_), None) => None,
        }
    }

    fn read_slot_array(
        &self,
        address: u64,
        entries: SlotLayout,
        depth: u32,
        into: &mut ModuleDefinition,
    ) -> Result<(), String> {
        let width = if entries == SlotLayout::General { 2 } else { 4 };
        for index in 0..MAX_SLOTS {
            let at = address.wrapping_add(index * 16);
            into.addresses.slots.push(at);
            let id = self.evaluation.load(self.state, AbstractValue::Known(at), width);
            let id = id.as_known().ok_or_else(|| format!("slot {index} could not be determined"))?;
            let id = u16::try_from(id).map_err(|_| format!("slot {index} has an impossible number"))?;
            if id == 0 {
                return Ok(());
            }
            let value = self.read_word(at.wrapping_add(8));
            let value = match value {
                Some(value) => value,
                None if needs_value(id) => {
                    return Err(format!("the value of slot {id} could not be determined"));
                }
                None => 0,
            };
            let nested = match id {
                module_slots::SUBSLOTS => Some(SlotLayout::General),
                module_slots::MOD_SLOTS => Some(SlotLayout::Definition),
                _ => None,
            };
            match nested {
                Some(_) if depth == 0 => return Err("slots are nested too deeply".to_owned()),
                Some(_) if value == 0 => {}
                Some(entries) => self.read_slot_array(value, entries, depth - 1, into)?,
                None => {
                    if id == module_slots::STATE_SIZE {
                        into.m_size = value.cast_signed();
                    }
                    into.slots.push(Slot { id, value });
                }
            }
        }
        Err("the slot array has no end".to_owned())
    }
}

/// Whether the value of a slot must be known. The values of most other slots are addresses of functions and
/// texts.
fn needs_value(id: u16) -> bool {
    module_slots::is_declaration(id) || module_slots::is_nested(id) || id == module_slots::STATE_SIZE
}
