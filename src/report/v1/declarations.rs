//! What extension modules declare: the output of `wsgiaudit inspect`, and a part of each module in the
//! document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{BinaryFacts, BinaryHazard, InitKind, SlotDeclaration};
use crate::rules;

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
    /// How the module is initialized.
    pub initialisation: InitKind,
    /// `PyModuleDef.m_size`: bytes of module state, -1 for none.
    pub m_size: Option<i64>,
    /// Slot 3, `Py_mod_multiple_interpreters`: 0 not supported, 1 with a shared GIL, 2 with an own GIL.
    pub multiple_interpreters: SlotDeclaration,
    /// Slot 4, `Py_mod_gil`: 0 needs the GIL, 1 does not.
    pub gil: SlotDeclaration,
    /// Every slot in order: its number and its value; an address in the file for a function.
    pub slots: Option<Vec<(u16, u64)>>,
    /// Hazards in the file.
    pub hazards: Vec<Hazard>,
    /// What could not be determined, and why.
    pub doubts: Vec<String>,
}

/// A hazard in the binary, whatever its slots declare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hazard {
    /// The rule's id, e.g. `static-type`.
    pub kind: String,
    /// A symbol, a size, an address.
    pub evidence: String,
}

impl Declarations {
    /// Creates the document for these files, in their order.
    pub fn new(all: &[(String, BinaryFacts)]) -> Self {
        let files = all.iter().map(|(file, facts)| Inspected::new(file, facts));
        Self { schema: 1, tool: Tool::this_program(), files: files.collect() }
    }
}

impl Inspected {
    /// What this file declares.
    pub fn new(file: &str, facts: &BinaryFacts) -> Self {
        Self { file: file.to_owned(), declaration: facts.into() }
    }
}

impl Tool {
    /// This program.
    pub fn this_program() -> Self {
        Self { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl From<&BinaryFacts> for Declaration {
    fn from(facts: &BinaryFacts) -> Self {
        let slots = facts.slots.as_ref();
        Self {
            summary: rules::describe_slot_declaration(facts),
            init_function: facts.init_function.clone(),
            initialisation: facts.initialisation,
            m_size: facts.m_size,
            multiple_interpreters: facts.multiple_interpreters_slot(),
            gil: facts.gil_slot(),
            slots: slots.map(|slots| slots.iter().map(|slot| (slot.id, slot.value)).collect()),
            hazards: facts.hazards.iter().map(Hazard::from).collect(),
            doubts: facts.doubts.iter().map(|doubt| doubt.0.clone()).collect(),
        }
    }
}

impl From<&BinaryHazard> for Hazard {
    fn from(hazard: &BinaryHazard) -> Self {
        Self { kind: hazard.kind.id().to_owned(), evidence: hazard.evidence.clone() }
    }
}
