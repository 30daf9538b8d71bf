//! How a trial ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a trial ended, with the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// `imported`, `refused`, `raised`, `crashed`, `timed-out`, `shares`, `left-threads`,
    /// `loses-descriptors` or `not-run`.
    pub kind: String,
    /// Where in the protocol it ended, e.g. `second-interpreter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Who refused: `cpython`, or the `module` itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The module that it happened in or that is suspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The exception's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The exception's text, the signal, the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The sibling that had to be imported first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The subject whose trial loaded this one and answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// The module of the standard library that does the same by itself: the fault is the Python's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Loads of extension modules that failed on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_loads: Vec<FailedLoad>,
    /// What it printed, within limits. Lines that are alike but for their numbers are in the order of these; where threads did
    /// the same at the same time, each line is there once, sorted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub printed: String,
    /// Where a fatal signal hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// Objects that both interpreters reach: at most some, `text` has the number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<Shared>,
    /// Objects of one interpreter that C data keeps for all, where no other interpreter was seen to use them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Shared>,
}

/// An object that both interpreters reach, and the way to it in each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shared {
    /// Its type's name, or, for a type, its own.
    pub kind: String,
    /// It is a type.
    pub is_type: bool,
    /// It lies in a shared object's data, not on a heap.
    pub is_static: bool,
    /// The extension module that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The way to it in interpreter A and in B.
    pub ways: [String; 2],
}

/// Where a fatal signal hit. Numbers are hexadecimal, as debuggers want them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Crash {
    /// The faulting address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The shared object that the instruction lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// The offset in it, or in the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// The Python stack, as faulthandler writes it.
    pub stack: String,
}

/// A load of an extension module that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedLoad {
    /// `main`, `A` or `B`.
    pub interpreter: String,
    /// The module.
    pub name: String,
    /// The exception's type.
    pub error: String,
    /// Its text.
    pub text: String,
    /// The imports that led there, outermost first.
    pub chain: Vec<String>,
}
