//! What extension modules declare: the output of `wsgiaudit inspect`, and a part of each module in the
//! document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `wsgiaudit inspect` writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declarations {
    /// The schema's number: 1.
    pub schema: u8,
    /// What wrote it.
    pub tool: Tool,
    /// The files, in the order in which they were passed or found.
    pub files: Vec<Inspected>,
}

/// What wrote a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `wsgiaudit`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A file and what it declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inspected {
    /// The file, as it was passed, or relative to its folder on `sys.path`.
    pub file: String,
    /// What it declares.
    pub declaration: Declaration,
}

/// What a shared object declares about itself, read without running it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declaration {
    /// The whole in a few words, e.g. `slot 3 = 2` or `single-phase`.
    #[serde(default)]
    pub summary: String,
    /// E.g. `PyInit__speedups`.
    pub init_function: Option<String>,
    /// `single-phase`, `multi-phase`, `PyModExport`, `none` or `undetermined`.
    pub initialisation: String,
    /// `PyModuleDef.m_size`: bytes of module state, -1 for none.
    pub m_size: Option<i64>,
    /// Slot 3, `Py_mod_multiple_interpreters`: 0 not supported, 1 with a shared GIL, 2 with an own GIL.
    pub multiple_interpreters: SlotValue,
    /// Slot 4, `Py_mod_gil`: 0 needs the GIL, 1 does not.
    pub gil: SlotValue,
    /// Every slot in order: its number and its value; an address in the file for a function.
    pub slots: Option<Vec<(u16, u64)>>,
    /// Hazards in the file.
    pub hazards: Vec<Hazard>,
    /// What could not be determined, and why.
    pub doubts: Vec<String>,
}

/// `"absent"`, `"undetermined"`, or the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SlotValue {
    /// `absent` or `undetermined`.
    Word(String),
    /// The slot's value.
    Value(u64),
}

/// A hazard in the binary, whatever its slots declare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hazard {
    /// The rule's id, e.g. `static-type`.
    pub kind: String,
    /// A symbol, a size, an address.
    pub evidence: String,
}
