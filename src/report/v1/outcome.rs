//! How a trial ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{OutcomeKind, Refuser, SharedPythonObject, TrialPhase};

/// How a trial ended, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// What happened.
    pub kind: OutcomeKind,
    /// The phase of the protocol in which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<TrialPhase>,
    /// Who refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Refuser>,
    /// The module in which it happened, or which is suspected.
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
    /// The subject whose trial loaded this one and covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// The module of the standard library that fails in the same way on its own: the defect is Python's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Loads of extension modules that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_loads: Vec<FailedLoad>,
    /// Its output, within limits. Lines that differ only in their numbers are sorted by these. If threads did
    /// the same at the same time, each line is there once, sorted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub printed: String,
    /// Where a fatal signal occurred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// Objects that both interpreters reach: the first of them, `text` has the number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedPythonObject>,
    /// Objects of one interpreter that C data retains for all of them, where no other interpreter was seen to
    /// use them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<SharedPythonObject>,
}

/// Where a fatal signal occurred. Numbers are hexadecimal, as debuggers expect them.
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
    /// `main`, `A`, `B`, `C`, `D` or `storm`.
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
