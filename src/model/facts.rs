//! What a shared object says about itself, read without running it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The Python that would load the file; some init functions decide by `Py_Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Major and minor version, e.g. `(3, 14)`.
    pub version: (u8, u8),
    /// Built with `--disable-gil`: another `PyObject` head, so another `PyModuleDef` layout.
    pub free_threaded: bool,
}

/// How a module hands itself to the import system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Initialisation {
    /// `PyInit_x` returns a finished module (`PyModule_Create2`). Refused by every own-GIL interpreter.
    SinglePhase,
    /// `PyInit_x` returns a module definition (PEP 489), whose slots CPython then checks.
    MultiPhase,
    /// `PyModExport_x` returns the slots themselves (PEP 793, 3.15).
    ModExport,
    /// Neither `PyInit_x` nor `PyModExport_x`: a plain library that only looks like a module.
    None,
    /// Could not be decided; [`Facts::doubts`] says why.
    Undetermined,
}

impl Initialisation {
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

/// Slot numbers in the two numberings (facts: `Include/moduleobject.h`, PEP 793).
pub mod slot {
    /// `Py_mod_create`, before and since 3.15.
    pub const CREATE: [u16; 2] = [1, 84];
    /// `Py_mod_exec`.
    pub const EXEC: [u16; 2] = [2, 85];
    /// `Py_mod_multiple_interpreters` (3.12+).
    pub const MULTIPLE_INTERPRETERS: [u16; 2] = [3, 86];
    /// `Py_mod_gil` (3.13+).
    pub const GIL: [u16; 2] = [4, 87];
}

/// One entry of a module's slot array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The slot's number as written in the file (either numbering, see [`slot`]).
    pub id: u16,
    /// The small integer of a value slot; an address in the file for a function slot.
    pub value: u64,
}

/// What one value slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Declared {
    /// The slots were not decided.
    Undetermined,
    /// The slots were decided and this one is not among them (or there can be none: single-phase).
    Absent,
    /// The slot's value.
    Value(u64),
}

/// Something in the file that matters beside the declaration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hazard {
    /// Which hazard.
    pub kind: HazardKind,
    /// The evidence: a symbol, a size, an address.
    pub evidence: String,
}

/// The hazards that the static pass can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HazardKind {
    /// Imports `PyGILState_*`, which knows one interpreter a thread.
    GilStateApi,
    /// Readies a static type (`PyType_Ready` on a type without `Py_TPFLAGS_HEAPTYPE`).
    StaticType,
    /// Imports `PyState_FindModule` (single-phase state lookup).
    StateFindModule,
    /// `m_size` is -1: the module keeps state in globals and cannot be re-initialised.
    GlobalState,
    /// Asks for the interpreter's id without declaring slot 3 = 2: refuses a second interpreter by itself.
    OwnInterpreterGuard,
    /// Writable global data beside a slot 3 = 2 declaration.
    WritableGlobals,
}

impl HazardKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::GilStateApi => "gil-state-api",
            Self::StaticType => "static-type",
            Self::StateFindModule => "state-find-module",
            Self::GlobalState => "global-state",
            Self::OwnInterpreterGuard => "own-interpreter-guard",
            Self::WritableGlobals => "writable-globals",
        }
    }
}

/// Why something is [`Initialisation::Undetermined`] or [`Declared::Undetermined`]: lower-case, one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Doubt(pub String);

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that the static pass recovered from one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The init function's name, e.g. `PyInit__speedups`; `None` where the file exports none.
    pub init_function: Option<String>,
    /// How the module is initialised.
    pub initialisation: Initialisation,
    /// `PyModuleDef.m_size`, bytes of module state; `None` where not decided or not applicable.
    pub m_size: Option<i64>,
    /// Every slot in order; `None` where not decided. Empty for single-phase modules.
    pub slots: Option<Vec<Slot>>,
    /// What else was seen, sorted.
    pub hazards: Vec<Hazard>,
    /// What could not be decided and why, sorted. Empty means that everything above is decided.
    pub doubts: Vec<Doubt>,
}

impl Facts {
    /// Facts of a file about which only a doubt is known.
    pub fn undetermined(doubt: impl Into<String>) -> Self {
        Self {
            init_function: None,
            initialisation: Initialisation::Undetermined,
            m_size: None,
            slots: None,
            hazards: Vec::new(),
            doubts: vec![Doubt(doubt.into())],
        }
    }

    /// Slot 3 (86 since 3.15): 0 not supported, 1 shared GIL, 2 own GIL.
    pub fn multiple_interpreters(&self) -> Declared {
        self.declared(slot::MULTIPLE_INTERPRETERS)
    }

    /// Whether it is initialised in the way that allows to declare support for an own GIL, and does not.
    pub fn could_declare(&self) -> bool {
        matches!(self.initialisation, Initialisation::MultiPhase | Initialisation::ModExport)
            && !matches!(self.multiple_interpreters(), Declared::Value(2) | Declared::Undetermined)
    }

    /// Slot 4 (87 since 3.15): 0 GIL used, 1 not used.
    pub fn gil(&self) -> Declared {
        self.declared(slot::GIL)
    }

    fn declared(&self, ids: [u16; 2]) -> Declared {
        match (&self.slots, self.initialisation) {
            (_, Initialisation::SinglePhase) => Declared::Absent,
            (None, _) => Declared::Undetermined,
            (Some(slots), _) => match slots.iter().find(|slot| ids.contains(&slot.id)) {
                Some(slot) => Declared::Value(slot.value),
                None => Declared::Absent,
            },
        }
    }
}
