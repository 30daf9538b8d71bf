//! The phases of a trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A phase of a trial's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialPhase {
    /// Creating the interpreter, before the first import.
    Startup,
    /// The first import.
    Import,
    /// The import into a second interpreter while the first one still exists.
    SecondInterpreter,
    /// Use, or a new import, after an interpreter that had loaded the module ended.
    UseAfterEnd,
    /// Use after another interpreter ended, where the same use passed before: it used an object of that
    /// interpreter.
    AfterAnotherEnded,
    /// Calls of its functions with arbitrary arguments, of those that can be called in the main interpreter
    /// without ending the process.
    Call,
    /// Ending an interpreter that had loaded the module.
    Teardown,
    /// Finalizing Python in the process, after every interpreter that had loaded the module ended.
    Exit,
    /// Import and use by several threads at the same time, where one thread alone passes.
    Storm,
}

impl TrialPhase {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Import => "import",
            Self::SecondInterpreter => "second-interpreter",
            Self::UseAfterEnd => "use-after-end",
            Self::AfterAnotherEnded => "after-another-ended",
            Self::Call => "call",
            Self::Teardown => "teardown",
            Self::Exit => "exit",
            Self::Storm => "storm",
        }
    }

    /// A clause that completes a sentence like "crashed ...".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Startup => "while the interpreter started",
            Self::Import => "at import",
            Self::SecondInterpreter => "in the second interpreter",
            Self::UseAfterEnd => "after the first interpreter ended",
            Self::AfterAnotherEnded => "after another interpreter ended, though not before",
            Self::Call => "when its functions are called, though not in the main interpreter",
            Self::Teardown => "when the interpreter ended",
            Self::Exit => "when the process ended, after its interpreters",
            Self::Storm => "when threads import and use it at the same time",
        }
    }
}
