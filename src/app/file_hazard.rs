//! A hazard in a file, before it has a path.

use crate::model::{HazardWeight, ImportKind, RuleId, Severity, VariableUse};

/// A hazard in a file. The worst sorts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileHazard {
    pub(super) weight: HazardWeight,
    pub(super) line: usize,
    pub(super) function: String,
    pub(super) rule: RuleId,
    pub(super) text: String,
    /// The variable, lock or function, if the hazard stands for all its locations in the file.
    pub(super) name: Option<String>,
    /// How functions use the variable, for a module-level variable.
    pub(super) used: Option<VariableUse>,
    /// Line and function of the other locations.
    pub(super) others: Vec<(usize, String)>,
    /// Set if an interpreter with its own GIL always refuses it: `Lazy`, or `LazyOptional` if the code
    /// catches the error.
    pub(super) refused: Option<ImportKind>,
}

/// Returns the weight of a rule's hazards by its severity. Warnings are about code that fails in an interpreter
/// with its own GIL, notes about code that works there in another way.
pub(super) fn weight_of_rule(rule: RuleId) -> HazardWeight {
    match rule.rule().severity {
        Severity::Error | Severity::Warning => HazardWeight::High,
        Severity::Note | Severity::Unknown | Severity::NotApplicable => HazardWeight::Middle,
    }
}
