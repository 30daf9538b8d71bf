//! What a shared object declares about itself, read without running it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wsgiaudit_probes_core::module_slots;

use super::RuleId;

/// The Python that would load the file. Some init functions branch on `Py_Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetPython {
    /// Major and minor version, e.g. `(3, 14)`.
    pub version: (u8, u8),
    /// Built with `--disable-gil`, which changes `PyObject_HEAD` and with it the layout of `PyModuleDef`.
    pub free_threaded: bool,
}

/// How a module is initialized (PEP 489, PEP 793).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InitKind {
    /// `PyInit_x` returns a finished module (`PyModule_Create2`). Refused by every own-GIL interpreter.
    SinglePhase,
    /// `PyInit_x` returns a module definition (PEP 489), whose slots CPython then checks.
    MultiPhase,
    /// `PyModExport_x` returns the slots themselves (PEP 793, 3.15).
    #[serde(rename = "PyModExport")]
    ModExport,
    /// Exports neither `PyInit_x` nor `PyModExport_x`: a plain library with an extension module's suffix.
    None,
    /// Could not be determined; [`BinaryFacts::doubts`] says why.
    Undetermined,
}

impl InitKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SinglePhase => "single-phase",
            Self::MultiPhase => "multi-phase",
            Self::ModExport => "PyModExport",
            Self::None => "none",
            Self::Undetermined => "undetermined",
        }
    }
}

/// One entry of a module's slot array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The slot's number as written in the file (either numbering, see [`module_slots`]).
    pub id: u16,
    /// The small integer of a value slot; an address in the file for a function slot.
    pub value: u64,
}

/// What a module declares in one of its value slots. In JSON `"undetermined"`, `"absent"`, or the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "SlotValue")]
pub enum SlotDeclaration {
    /// The slots could not be determined.
    Undetermined,
    /// The slots are known and this one is not among them. Single-phase modules have none.
    Absent,
    /// The slot's value.
    #[serde(untagged)]
    Value(u64),
}

/// A hazard in the binary, whatever its slots declare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BinaryHazard {
    /// Its rule, of the group `binary`.
    pub kind: RuleId,
    /// The evidence: a symbol, a size, an address.
    pub evidence: String,
}

/// The value, `absent` or `undetermined`.
impl fmt::Display for SlotDeclaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undetermined => f.write_str("undetermined"),
            Self::Absent => f.write_str("absent"),
            Self::Value(value) => write!(f, "{value}"),
        }
    }
}

/// Why something is [`InitKind::Undetermined`] or [`SlotDeclaration::Undetermined`]: one line, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Doubt(pub String);

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that static analysis found in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryFacts {
    /// The init function's name, e.g. `PyInit__speedups`; `None` where the file exports none.
    pub init_function: Option<String>,
    /// How the module is initialized.
    pub initialisation: InitKind,
    /// `PyModuleDef.m_size`, bytes of module state; `None` if undetermined or not applicable.
    pub m_size: Option<i64>,
    /// Every slot in order; `None` if undetermined. Empty for single-phase modules.
    pub slots: Option<Vec<Slot>>,
    /// Hazards, in the order of the rules.
    pub hazards: Vec<BinaryHazard>,
    /// What could not be determined and why, sorted. Empty if everything above is determined.
    pub doubts: Vec<Doubt>,
}

impl BinaryFacts {
    /// The facts of a file that could not be analyzed, with the reason.
    pub fn undetermined(doubt: impl Into<String>) -> Self {
        Self {
            init_function: None,
            initialisation: InitKind::Undetermined,
            m_size: None,
            slots: None,
            hazards: Vec::new(),
            doubts: vec![Doubt(doubt.into())],
        }
    }

    /// Slot 3 (86 since 3.15): 0 not supported, 1 shared GIL, 2 own GIL.
    pub fn multiple_interpreters_slot(&self) -> SlotDeclaration {
        self.find_slot(module_slots::MULTIPLE_INTERPRETERS)
    }

    /// Whether it is initialized in multiple phases, and so could declare support for an own GIL, but does
    /// not.
    pub fn could_declare_own_gil(&self) -> bool {
        matches!(self.initialisation, InitKind::MultiPhase | InitKind::ModExport)
            && !matches!(
                self.multiple_interpreters_slot(),
                SlotDeclaration::Value(2) | SlotDeclaration::Undetermined
            )
    }

    /// Slot 4 (87 since 3.15): 0 GIL used, 1 not used.
    pub fn gil_slot(&self) -> SlotDeclaration {
        self.find_slot(module_slots::GIL)
    }

    fn find_slot(&self, ids: [u16; 2]) -> SlotDeclaration {
        match (&self.slots, self.initialisation) {
            (_, InitKind::SinglePhase) => SlotDeclaration::Absent,
            (None, _) => SlotDeclaration::Undetermined,
            (Some(slots), _) => match slots.iter().find(|slot| ids.contains(&slot.id)) {
                Some(slot) => SlotDeclaration::Value(slot.value),
                None => SlotDeclaration::Absent,
            },
        }
    }
}
